package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/trace"
)

// judge says whether the packet has arrived where it was to, and if not, why.
func (t *tracing) judge(tr *trace.Trace) {
	switch {
	case len(t.to) > 0:
		t.judgeReceiver(tr)
	case t.toAll:
		t.judgeEverybody(tr)
	default: // an address that nobody is known to have
		if t.report.Delivered = t.report.Copies > 0; !t.report.Delivered {
			t.blame(tr.End(), "it arrives nowhere")
		}
	}
}

func (t *tracing) judgeReceiver(tr *trace.Trace) {
	r := &t.report
	at, elsewhere, answered := map[string]int{}, 0, false
	for _, a := range r.Arrivals {
		switch {
		case slices.ContainsFunc(t.to, func(m tracedVIF) bool { return m.Host == a.Host && m.Interface == a.Interface }):
			at[a.Host+"/"+a.Interface]++
		case a.Answer:
			answered = true
		default:
			elsewhere++
		}
	}
	for place, n := range at {
		if n > 1 {
			t.note("it arrives %d times at %s", n, place)
		}
	}
	if elsewhere > 0 && !t.toAll {
		ports := "1 other port"
		if elsewhere > 1 {
			ports = fmt.Sprintf("%d other ports", elsewhere)
		}
		t.note("it also arrives at %s: the switches flood it", ports)
	}
	if r.Delivered = len(at) > 0; r.Delivered {
		return
	}
	if answered {
		r.Delivered = true
		t.note("the switch of %s answers it in the name of %s", t.from.Host, t.to[0].Port)
		return
	}
	to := t.to[0]
	if to.Network != t.from.Network {
		r.Reason = fmt.Sprintf("%s is in network %s and %s in %s: networks are apart", t.from.Port, t.from.Network, to.Port, to.Network)
		return
	}
	t.blame(tr.Elsewhere(t.placeOf(to)), "it does not arrive at "+to.Port)
}

func (t *tracing) placeOf(m tracedVIF) trace.Place {
	return trace.Place{Host: m.Host, Bridge: m.Bridge}
}

// judgeEverybody looks at every member of the network.
func (t *tracing) judgeEverybody(tr *trace.Trace) {
	r := &t.report
	got := map[string]int{}
	for _, a := range r.Arrivals {
		got[a.Host+"/"+a.Interface]++
	}
	var worst *trace.Cause
	others := 0
	for i := range t.mesh.members {
		m := &t.mesh.members[i]
		place := m.Host + "/" + m.Interface
		if m.Network != t.from.Network || m.Host == t.from.Host && m.Interface == t.from.Interface {
			continue
		}
		others++
		if n := got[place]; n > 0 {
			if n > 1 {
				t.note("it arrives %d times at %s", n, place)
			}
			continue
		}
		c := tr.Elsewhere(t.placeOf(*m))
		miss := api.TraceMiss{TracePlace: m.TracePlace, Policy: t.policy(c, m), Reason: "on " + c.Host + ": " + c.Text}
		r.Missed = append(r.Missed, miss)
		if !miss.Policy && (worst == nil || c.Kind != trace.CauseElsewhere && worst.Kind == trace.CauseElsewhere) {
			worst = &c
		}
	}
	slices.SortFunc(r.Missed, func(a, b api.TraceMiss) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Interface, b.Interface))
	})
	switch {
	case others == 0:
		r.Delivered = true
		t.note("nobody else is in network %s", t.from.Network)
	case worst != nil:
		t.blame(*worst, fmt.Sprintf("it arrives at %d of %d others", others-len(r.Missed), others))
	default:
		r.Delivered = true
	}
}

// policy reports whether a port gets nothing because the network's options say
// so.
func (t *tracing) policy(c trace.Cause, m *tracedVIF) bool {
	net := t.from.on.Net
	switch c.Reason {
	case pipeline.FloodDrop, pipeline.UnknownDrop:
		return true
	case pipeline.FloodHome, pipeline.DiscoveryFromVIF, pipeline.DiscoveryFromTunnel, pipeline.AnswerARP:
		return c.Reason == pipeline.AnswerARP || net.DropBroadcast && m.Host != t.from.Host
	}
	return false
}

// blame takes a cause for the reason, and says what to do.
func (t *tracing) blame(c trace.Cause, what string) {
	r := &t.report
	r.Reason = fmt.Sprintf("%s: on %s: %s", what, c.Host, c.Text)
	network := t.from.Network
	switch c.Kind {
	case trace.CauseUnseen:
		r.Advice = fmt.Sprintf("ovsmesh get hosts %s says how it is", c.Host)
	case trace.CauseOurs:
		r.Advice = t.option(c.Reason)
	case trace.CauseMissing:
		if c.Reason == pipeline.Miss && c.Host == t.from.Host {
			if advice := t.option(c.Reason); advice != "" {
				r.Advice = advice
				break
			}
		}
		r.Advice = t.repair(c.Host)
	case trace.CauseForeign:
		r.Advice = fmt.Sprintf("the flow is not of ovsmesh, which leaves it alone: find out on %s whose it is", c.Host)
	case trace.CauseTunnel:
		r.Advice = fmt.Sprintf("ovsmesh topology tunnels --network %s --host %s shows the tunnels", network, c.Host)
	case trace.CauseElsewhere:
		r.Advice = t.repair(c.Host)
	}
}

func (t *tracing) repair(host string) string {
	switch t.report.Tables {
	case api.TraceDump:
		return "ovsmesh audit with the same files shows what is off"
	case api.TraceGot:
		return fmt.Sprintf("ovsmesh audit --network %s --host %s shows what is off, and with --repair puts it right", t.from.Network, host)
	}
	return "these are the flows that are wanted: see \"ovsmesh topology\" for what ovsmesh does not know, and the network's options"
}

// option names the option that a drop on purpose follows from.
func (t *tracing) option(r pipeline.Reason) string {
	switch r {
	case pipeline.SecurityDrop, pipeline.Stolen, pipeline.Miss:
		return fmt.Sprintf("if %s may use this address, list it in its allowedAddresses; portSecurity: false turns the check off for network %s", t.from.Port, t.from.Network)
	case pipeline.UnknownDrop:
		return fmt.Sprintf("unknownUnicast: flood lets network %s look for addresses that are not known", t.from.Network)
	case pipeline.FloodHome, pipeline.FloodDrop, pipeline.DiscoveryFromTunnel, pipeline.DiscoveryFromVIF:
		return fmt.Sprintf("broadcast: split-horizon lets the tunnels of network %s carry broadcast", t.from.Network)
	}
	return ""
}
