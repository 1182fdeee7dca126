package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"ovsmesh/controller/api"
)

const (
	bridgesShown = 4  // whose rows are listed, where no host is named
	portsShown   = 12 // of one bridge, likewise, and flows
)

// planText says how a plan is written for people.
type planText struct {
	wide  bool
	limit int
	named bool // hosts were named
	flows bool // flows are listed
}

// whole reports whether nothing is left out.
func (o planText) whole() bool { return o.wide || o.limit == 0 }

// write prints a plan: who does it when, a line for each bridge, what is not
// possible, then bridge by bridge what is done, and a line that sums up last.
func (o planText) write(w io.Writer, p api.Plan) error {
	switch {
	case p.Observing:
		fmt.Fprintf(w, "This controller observes and writes nothing to hosts. What follows is what it does when\novsmesh serve is started without --observe.\n\n")
	case p.Held != "":
		fmt.Fprintf(w, "Nothing of what follows is done yet: waiting for %s.\n\n", p.Held)
	}
	if err := o.summary(w, p); err != nil {
		return err
	}
	o.troubles(w, p)
	o.bridges(w, p)
	_, err := fmt.Fprintln(w, planWord(p))
	return err
}

// summary prints a line for each bridge on which something is done.
func (o planText) summary(w io.Writer, p api.Plan) error {
	t := newTable("HOST", "BRIDGE", "BECOMES", "SETTINGS", "NEW", "TAKEN OVER", "CHANGED", "DELETED", "FLOWS")
	for _, h := range p.Hosts {
		for _, b := range h.Bridges {
			t.add(h.Host, b.Bridge, bridgeWord(b.Verb), orNothing(b.Settings), orNothing(b.Make), orNothing(b.Take), orNothing(b.Change), orNothing(b.Delete), flowsCell(b.Flows))
		}
	}
	if t.empty() {
		return nil
	}
	part := tables{limit: o.limit, wide: o.wide}
	if o.wide {
		part.limit = 0
	}
	if err := part.cut(t, "bridge", "s", "name hosts, or use --limit 0").write(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return nil
}

// orNothing leaves out what is not there.
func orNothing(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// bridgeWord says what becomes of a bridge itself.
func bridgeWord(verb string) string {
	switch verb {
	case api.PlanMake:
		return "made"
	case api.PlanTake:
		return "managed"
	case api.PlanChange:
		return "changed"
	case api.PlanRelease:
		return "given back"
	case api.PlanDelete:
		return "deleted"
	}
	return ""
}

func flowsCell(f api.PlanFlows) string {
	if !f.Read {
		if f.Wanted == 0 {
			return ""
		}
		return strconv.Itoa(f.Wanted) + " wanted"
	}
	var parts []string
	for _, p := range []struct {
		n    int
		sign string
	}{{f.Add, "+"}, {f.Change, "~"}, {f.Delete, "-"}} {
		if p.n > 0 {
			parts = append(parts, p.sign+strconv.Itoa(p.n))
		}
	}
	return strings.Join(parts, " ")
}

// troubles lists what is not possible, and what was not looked at; of many hosts
// with the same words only the first few are named.
func (o planText) troubles(w io.Writer, p api.Plan) {
	for _, list := range []struct {
		title string
		of    func(api.PlanHost) []string
	}{
		{"Wanted, and not possible", func(h api.PlanHost) []string { return h.Problems }},
		{"Not looked at", func(h api.PlanHost) []string { return h.Unseen }},
	} {
		hosts := map[string][]string{}
		var texts []string
		for _, h := range p.Hosts {
			for _, text := range list.of(h) {
				if hosts[text] == nil {
					texts = append(texts, text)
				}
				hosts[text] = append(hosts[text], h.Host)
			}
		}
		var lines []string
		for _, text := range texts {
			lines = append(lines, fewNames(hosts[text], o.whole())+": "+text)
		}
		if !o.whole() {
			lines = few(lines, o.limit)
		}
		if len(lines) > 0 {
			fmt.Fprintf(w, "%s:\n  %s\n\n", list.title, strings.Join(lines, "\n  "))
		}
	}
}

// bridges prints what is done on bridges, row by row.
func (o planText) bridges(w io.Writer, p api.Plan) {
	shown, more := 0, 0
	for _, h := range p.Hosts {
		if len(h.Rows) > 0 {
			fmt.Fprintf(w, "%s\n", h.Host)
			o.settings(w, h.Rows)
			fmt.Fprintln(w)
		}
		for _, b := range h.Bridges {
			if !o.whole() && !o.named && (shown == bridgesShown || len(b.Rows) == 0 && b.Settings+b.Make+b.Take+b.Change+b.Delete > 0) {
				more++
				continue
			}
			shown++
			o.bridge(w, h.Host, b)
		}
	}
	if more > 0 {
		fmt.Fprintf(w, "… and %s, each with what is done on it: ovsmesh plan HOST, or -o wide\n\n", plural(more, "more bridge"))
	}
}

func (o planText) bridge(w io.Writer, host string, b api.PlanBridge) {
	word := bridgeWord(b.Verb)
	if word != "" {
		word = " is " + word
	}
	fmt.Fprintf(w, "%s/%s%s\n", host, b.Bridge, word)
	own := slices.DeleteFunc(slices.Clone(b.Rows), func(r api.PlanRow) bool { return r.Table != "Bridge" && r.Table != "Controller" })
	o.settings(w, own)
	o.ports(w, portsOf(b))
	switch f := b.Flows; {
	case !f.Read && f.Wanted > 0:
		fmt.Fprintf(w, "  %s wanted; what flows the bridge has is not known, as it is not connected over OpenFlow\n", plural(f.Wanted, "flow"))
	case f.Read && f.Add+f.Change+f.Delete > 0:
		fmt.Fprintf(w, "  %s put in, %d replaced, %d taken out, %d wanted in all\n", plural(f.Add, "flow"), f.Change, f.Delete, f.Wanted)
	}
	lines := b.Flows.List
	if !o.whole() && len(lines) > portsShown && !o.flows {
		lines = lines[:portsShown]
	}
	for _, line := range lines {
		fmt.Fprintf(w, "    %s\n", line)
	}
	fmt.Fprintln(w)
}

// settings prints the columns of a bridge, its controller or the host itself.
// What is only noted there is counted.
func (o planText) settings(w io.Writer, rows []api.PlanRow) {
	notes := 0
	for _, r := range rows {
		about := ""
		switch {
		case r.Table == "Controller":
			about = "controller: "
			if r.Verb == api.PlanMake || r.Verb == api.PlanDelete {
				fmt.Fprintf(w, "  controller %s %s\n", r.Name, map[string]string{api.PlanMake: "is set", api.PlanDelete: "is taken away"}[r.Verb])
				if !o.whole() {
					continue
				}
			}
		case r.Verb == api.PlanDelete:
			continue
		}
		for _, c := range r.Columns {
			if strings.HasPrefix(c.Column, "external_ids:ovsmesh-") && !o.whole() {
				notes++
				continue
			}
			fmt.Fprintf(w, "  %s%s: %s → %s\n", about, c.Column, o.cell(c.Old), o.cell(c.New))
		}
	}
	if notes > 0 {
		fmt.Fprintf(w, "  %s in external_ids (-o wide)\n", plural(notes, "note"))
	}
}

// cell is a value, cut where it is long, "none" where it is not set.
func (o planText) cell(text string) string {
	if !o.whole() && len(text) > valueShown {
		text = strings.ToValidUTF8(text[:valueShown], "") + " …"
	}
	return cmp.Or(text, "none")
}

// planPort is what becomes of a port: its row with that of its interface.
type planPort struct {
	name, verb, network, peer string
	columns                   []api.PlanColumn
}

// portsOf joins rows to ports, in the order of their names.
func portsOf(b api.PlanBridge) []planPort {
	var list []planPort
	at := map[[2]string]int{} // by name, and whether it goes
	for _, r := range b.Rows {
		if r.Table != "Port" && r.Table != "Interface" || r.Name == b.Bridge {
			continue
		}
		key := [2]string{r.Name, ""}
		if r.Verb == api.PlanDelete {
			key[1] = r.Verb
		}
		i, known := at[key]
		if !known {
			i = len(list)
			at[key] = i
			list = append(list, planPort{name: r.Name, verb: api.PlanChange})
		}
		p := &list[i]
		if r.Table == "Port" || r.Verb == api.PlanMake || r.Verb == api.PlanDelete {
			p.verb = r.Verb
		}
		p.network, p.peer = cmp.Or(p.network, r.Network), cmp.Or(p.peer, r.Peer)
		for _, c := range r.Columns {
			if !slices.Contains(p.columns, c) {
				p.columns = append(p.columns, c)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b planPort) int { return strings.Compare(a.name, b.name) })
	return list
}

// ports prints ports: those that go, come, are taken over and are changed.
func (o planText) ports(w io.Writer, ports []planPort) {
	shown := ports
	if !o.whole() && len(ports) > portsShown {
		shown = ports[:portsShown]
	}
	t := &table{}
	for _, p := range shown {
		word := map[string]string{api.PlanMake: "+ new", api.PlanTake: "= taken over", api.PlanDelete: "- deleted", api.PlanRelease: "~ given back"}[p.verb]
		about := p.network
		if p.peer != "" {
			about += " to " + p.peer
		}
		t.add(cmp.Or(word, "~ changed"), p.name, about, p.what(o))
	}
	var b strings.Builder
	_ = t.writeRows(&b) // which takes all
	for line := range strings.Lines(b.String()) {
		fmt.Fprint(w, "  "+line)
	}
	if more := len(ports) - len(shown); more > 0 {
		fmt.Fprintf(w, "  … and %s (-o wide)\n", plural(more, "more port"))
	}
}

// what says what is written of a port: of one that comes what it is to be, of one
// that stays what changes.
func (p planPort) what(o planText) string {
	var parts []string
	kind := ""
	for _, c := range p.columns {
		name := c.Column
		note := strings.HasPrefix(name, "external_ids:ovsmesh-")
		switch {
		case note && !o.whole(), name == "name":
		case p.verb == api.PlanDelete:
		case p.verb != api.PlanMake:
			parts = append(parts, fmt.Sprintf("%s: %s → %s", name, o.cell(c.Old), o.cell(c.New)))
		case name == "type":
			kind = c.New
		case name == "protected" || name == "ofport_request" && !o.whole():
		default:
			parts = append(parts, strings.TrimPrefix(name, "options:")+"="+c.New)
		}
	}
	if kind != "" {
		parts = append([]string{kind}, parts...)
	}
	if p.verb == api.PlanMake {
		return strings.Join(parts, " ")
	}
	return strings.Join(parts, ", ")
}

// planWord sums a plan up.
func planWord(p api.Plan) string {
	var bridges, ports, settings, flows, problems, hosts, unseen int
	for _, h := range p.Hosts {
		if len(h.Unseen) > 0 {
			unseen++
		}
		if len(h.Bridges) > 0 || h.Changes > 0 {
			hosts++
		}
		bridges += len(h.Bridges)
		problems += len(h.Problems)
		settings += h.Changes
		for _, b := range h.Bridges {
			ports += b.Make + b.Take + b.Change + b.Delete
			settings += b.Settings
			if b.Flows.Read {
				flows += b.Flows.Add + b.Flows.Change + b.Flows.Delete
			} else {
				flows += b.Flows.Wanted
			}
		}
	}
	word := "nothing to do on " + plural(len(p.Hosts), "host")
	if hosts > 0 {
		word = fmt.Sprintf("to do on %s of %d: %s, %s, %s, %s", plural(hosts, "host"), len(p.Hosts), plural(bridges, "bridge"), plural(settings, "setting"), plural(ports, "port"), plural(flows, "flow"))
	}
	if problems > 0 {
		word += "; " + plural(problems, "problem")
	}
	if !p.Complete {
		word = fmt.Sprintf("incomplete, %s not seen whole; %s", plural(unseen, "host"), word)
	}
	return word
}
