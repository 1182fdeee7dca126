package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"ovsmesh/controller/api"
)

// visitsShown is how many bridges are shown flow by flow where -o wide does not
// ask for all; a broadcast passes every host.
const visitsShown = 4

// flowShown is how many characters of a flow are shown likewise.
const flowShown = 110

// traceText prints a trace for people, from top to bottom.
type traceText struct{ api.TraceReport }

func (t traceText) write(w io.Writer, wide bool) error {
	fmt.Fprintf(w, "%s, network %s\n", t.title(), t.From.Network)
	if t.Packet != "" {
		fmt.Fprintf(w, "packet: %s\n", t.Packet)
	}
	fmt.Fprintf(w, "flows: %s\n", tablesText(t.Tables))
	shown := len(t.Visits)
	if !wide && shown > visitsShown+1 {
		shown = visitsShown
	}
	for i := range t.Visits {
		if i < shown {
			t.visit(w, &t.Visits[i], wide)
		}
	}
	if more := len(t.Visits) - shown; more > 0 {
		fmt.Fprintf(w, "\n… and %s more, which -o wide shows\n", plural(more, "bridge"))
	}
	if len(t.To) == 0 {
		if err := t.everybody(w, wide); err != nil {
			return err
		}
	}
	return t.verdict(w)
}

func (t traceText) title() string {
	switch {
	case len(t.To) == 0 && t.Target != "":
		return placeText(t.From) + " to " + t.Target
	case len(t.To) == 0:
		return placeText(t.From) + " to everybody"
	}
	var to []string
	for _, p := range t.To {
		to = append(to, placeText(p))
	}
	return placeText(t.From) + " to " + strings.Join(to, " and ")
}

func placeText(p api.TracePlace) string {
	if at := p.Host + "/" + p.Interface; at != p.Port {
		return p.Port + " (" + at + ")"
	}
	return p.Port
}

func tablesText(tables string) string {
	switch tables {
	case api.TraceWant:
		return "those that the switches should hold"
	case api.TraceDump:
		return "those of the dumps"
	}
	return "those that the switches hold now"
}

func (t traceText) visit(w io.Writer, v *api.TraceVisit, wide bool) {
	from := ""
	if v.Peer != "" {
		from = " from " + v.Peer
	}
	fmt.Fprintf(w, "\n%s, bridge %s, in on %s%s\n", v.Host, v.Bridge, v.Port, from)
	for _, h := range t.Hops {
		if h.Visit == v.ID {
			writeHop(w, &h, wide)
		}
	}
	for _, d := range v.Doubts {
		fmt.Fprintf(w, "  ?  %s\n", d)
	}
	if v.Error != "" {
		fmt.Fprintf(w, "  !  could not be looked at: %s\n", v.Error)
		return
	}
	if len(v.Outputs) == 0 {
		fmt.Fprintln(w, "  →  nowhere")
	}
	shown := len(v.Outputs)
	if !wide && shown > 2*visitsShown {
		shown = 2*visitsShown - 1
	}
	for _, o := range v.Outputs[:shown] {
		fmt.Fprintf(w, "  →  %s%s\n", outputText(o), changedText(o.Packet, v.Packet))
	}
	if more := len(v.Outputs) - shown; more > 0 {
		fmt.Fprintf(w, "  →  and %s more\n", plural(more, "port"))
	}
}

// changedText shows a packet that leaves otherwise than it came.
func changedText(out, in string) string {
	if out == in {
		return ""
	}
	return ", as " + out
}

func writeHop(w io.Writer, h *api.TraceHop, wide bool) {
	inside := strings.Repeat("  ", min(h.Resubmits, 8))
	name := h.TableName
	if name != "" {
		name += ": "
	}
	fmt.Fprintf(w, "  %s%2d  %s%s\n", inside, h.Table, name, h.Meaning)
	if h.Flow == "" {
		return
	}
	flow := h.Flow
	if !wide {
		// The cookie is in the meaning, and the table stands before it.
		if _, rest, ok := strings.Cut(flow, "table="); ok {
			_, flow, _ = strings.Cut(rest, ", ")
		}
	}
	text := flow + " actions=" + h.Actions
	if runes := []rune(text); !wide && len(runes) > flowShown {
		text = string(runes[:flowShown-1]) + "…"
	}
	fmt.Fprintf(w, "  %s    %s\n", inside, strings.TrimSpace(text))
}

func outputText(o api.TraceOutput) string {
	switch o.Kind {
	case api.TraceDelivered:
		return fmt.Sprintf("%s: %s gets it", o.Port, o.To)
	case api.TraceAnswer:
		return fmt.Sprintf("%s: back to %s", o.Port, o.To)
	case api.TracePassed:
		return fmt.Sprintf("%s to %s", o.Port, o.To)
	case api.TraceHost:
		return o.Port + ": the host itself"
	case api.TraceOutside:
		if o.Why != "" {
			return o.Port + ": " + o.Why
		}
		return o.Port + ": a network outside"
	case api.TraceController:
		return "a controller"
	case api.TraceExternal:
		return fmt.Sprintf("%s to %s, which ovsmesh does not program: what becomes of it there is not known", o.Port, o.To)
	case api.TraceUnlooked:
		return fmt.Sprintf("%s to %s, which could not be looked at: %s", o.Port, o.To, o.Why)
	}
	return fmt.Sprintf("%s: lost: %s", o.Port, o.Why)
}

// everybody lists who gets it and who does not.
func (t traceText) everybody(w io.Writer, wide bool) error {
	limit := rowsShown
	if wide {
		limit = len(t.Arrivals) + len(t.Missed)
	}
	arrived := newTable("PORT", "HOST", "INTERFACE", "GETS IT")
	for _, m := range t.Missed {
		if len(arrived.rows) <= limit {
			arrived.add(m.Port, m.Host, m.Interface, "no: "+m.Reason)
		}
	}
	for _, a := range t.Arrivals {
		if len(arrived.rows) <= limit {
			yes := "yes"
			if a.Answer {
				yes = "an answer"
			}
			arrived.add(a.Port, a.Host, a.Interface, yes)
		}
	}
	if arrived.empty() {
		return nil
	}
	fmt.Fprintln(w)
	if err := arrived.write(w); err != nil {
		return err
	}
	if more := len(t.Missed) + len(t.Arrivals) + 1 - len(arrived.rows); more > 0 {
		fmt.Fprintf(w, "… and %s more, which -o wide shows\n", plural(more, "port"))
	}
	return nil
}

// verdict ends with what became of it, and what to do.
func (t traceText) verdict(w io.Writer) error {
	fmt.Fprintln(w)
	for _, n := range t.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	for n, u := range t.Unseen {
		if n == 0 && !t.Delivered {
			continue // it is the reason
		}
		where := u.Host
		if u.Bridge != "" {
			where += ", bridge " + u.Bridge
		}
		fmt.Fprintf(w, "not followed: %s: %s\n", where, u.Reason)
	}
	var err error
	switch {
	case t.Delivered && len(t.To) == 0:
		_, err = fmt.Fprintf(w, "arrives at %s%s\n", plural(t.Copies, "port"), t.leftOut())
	case t.Delivered && t.answered():
		_, err = fmt.Fprintf(w, "answered\n")
	case t.Delivered:
		_, err = fmt.Fprintf(w, "arrives at %s\n", t.To[0].Port)
	default:
		_, err = fmt.Fprintln(w, t.Reason)
	}
	if err == nil && t.Advice != "" {
		_, err = fmt.Fprintf(w, "  %s\n", t.Advice)
	}
	return err
}

// answered reports whether the sender got an answer instead of the receiver the
// packet.
func (t traceText) answered() bool {
	return len(t.Arrivals) > 0 && !slices.ContainsFunc(t.Arrivals, func(a api.TraceArrival) bool { return !a.Answer })
}

// leftOut counts those who get nothing because the network's options say so.
func (t traceText) leftOut() string {
	if len(t.Missed) == 0 {
		return ""
	}
	if len(t.Missed) == 1 {
		return "; 1 port gets none, as the network's options have it"
	}
	return fmt.Sprintf("; %s get none, as the network's options have it", plural(len(t.Missed), "port"))
}
