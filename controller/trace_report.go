package controller

import (
	"fmt"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/trace"
)

// finish tells what became of the packet; nil is a trace that could not begin.
func (t *tracing) finish(tr *trace.Trace) {
	r := &t.report
	r.Visits, r.Hops, r.Arrivals = []api.TraceVisit{}, []api.TraceHop{}, []api.TraceArrival{}
	r.Missed = []api.TraceMiss{}
	if r.To == nil {
		r.To = []api.TracePlace{}
	}
	if tr != nil {
		for i := range tr.Hops {
			t.visit(tr, i)
		}
		t.arrivals(tr)
		t.judge(tr)
	}
	if r.Complete = len(r.Unseen) == 0; !r.Complete && !r.Delivered {
		u := r.Unseen[0]
		r.Reason = "it is not known whether it arrives: on " + u.Host + ": " + u.Reason
		r.Advice = t.unseenAdvice(u, tr)
	}
	if r.Unseen == nil {
		r.Unseen = []api.TraceUnseen{}
	}
}

// unseenAdvice says how one can see more.
func (t *tracing) unseenAdvice(u api.TraceUnseen, tr *trace.Trace) string {
	if tr != nil {
		for _, h := range tr.Hops {
			if h.Host == u.Host && h.Bridge == u.Bridge && len(h.Result.Doubts) > 0 {
				return fmt.Sprintf("ask the switch itself, on %s: ovs-appctl ofproto/trace %s in_port=%d,…; ovsmesh trace --want follows the flows that ovsmesh wants there", u.Host, u.Bridge, h.In)
			}
		}
	}
	if t.report.Tables == api.TraceDump {
		return "with dumps of all bridges on the way it is known"
	}
	return fmt.Sprintf("ovsmesh get hosts %s says how it is; ovsmesh trace --want follows the flows that it should hold", u.Host)
}

// maxUnseen bounds what is listed that could not be looked at or followed: one is
// enough for a trace that is not complete.
const maxUnseen = 100

func (t *tracing) unseen(host, bridge, why string) {
	u := api.TraceUnseen{Host: host, Bridge: bridge, Reason: why}
	if len(t.report.Unseen) < maxUnseen && !slices.Contains(t.report.Unseen, u) {
		t.report.Unseen = append(t.report.Unseen, u)
	}
}

// visit tells of one bridge's part.
func (t *tracing) visit(tr *trace.Trace, i int) {
	h := tr.Hops[i]
	v := api.TraceVisit{ID: i + 1, From: h.From + 1, Host: h.Host, Bridge: h.Bridge, Port: fmt.Sprint(h.In), Packet: trace.PacketText(h.Frame), Outputs: []api.TraceOutput{}}
	if h.Port != nil {
		v.Port = h.Port.Name
	}
	if h.From >= 0 && tr.Hops[h.From].Host != h.Host {
		v.Peer = tr.Hops[h.From].Host
	}
	if h.Err != nil {
		v.Error = h.Err.Error()
		t.unseen(h.Host, h.Bridge, v.Error)
	}
	for _, err := range unjoined(t.world.gap(h.Host, h.Bridge)) {
		t.unseen(h.Host, h.Bridge, err.Error())
	}
	for _, d := range h.Result.Doubts {
		text := d.Text
		if d.Step < len(h.Result.Steps) {
			if f := h.Result.Steps[d.Step].Flow; f != nil {
				text += ": " + shortFlow(f)
			}
		}
		v.Doubts = append(v.Doubts, text)
		t.unseen(h.Host, h.Bridge, text)
	}
	sent := map[int][]string{} // ports by step
	for n, e := range h.Ends {
		out := h.Result.Outputs[n]
		o := api.TraceOutput{Port: portText(out.Port, e.Port), Kind: endKind(e.Kind), To: e.Peer, Packet: trace.PacketText(out.Frame), Why: e.Why}
		if e.Kind == trace.EndPassed {
			o.Visit = e.Next + 1
		}
		if (e.Kind == trace.EndDelivered || e.Kind == trace.EndAnswer) && e.Port != nil {
			o.To = e.Port.VIF
		}
		if e.Kind == trace.EndUnseen {
			t.unseen(e.Peer, "", e.Why)
		}
		v.Outputs = append(v.Outputs, o)
		sent[out.Step] = append(sent[out.Step], o.Port)
	}
	t.report.Visits = append(t.report.Visits, v)
	for n, s := range h.Result.Steps {
		hop := api.TraceHop{
			Visit: v.ID, Host: h.Host, Bridge: h.Bridge, Table: int(s.Table), TableName: trace.TableName(s.Table),
			Meaning: trace.Meaning(s.Flow), Output: strings.Join(sent[n], ","), Resubmits: s.Resubmits,
		}
		if s.Flow != nil {
			hop.Flow, hop.Actions = matchText(s.Flow), s.Flow.Actions.String()
			hop.Network = t.networkOf(s.Flow)
		}
		t.report.Hops = append(t.report.Hops, hop)
	}
}

func portText(number uint32, p *trace.Port) string {
	switch {
	case p != nil:
		return p.Name
	case number == flow.PortController:
		return "CONTROLLER"
	}
	return fmt.Sprint(number)
}

func endKind(k trace.EndKind) string {
	switch k {
	case trace.EndDelivered:
		return api.TraceDelivered
	case trace.EndAnswer:
		return api.TraceAnswer
	case trace.EndPassed:
		return api.TracePassed
	case trace.EndHost:
		return api.TraceHost
	case trace.EndPhysical:
		return api.TraceOutside
	case trace.EndController:
		return api.TraceController
	case trace.EndExternal:
		return api.TraceExternal
	case trace.EndUnseen:
		return api.TraceUnlooked
	}
	return api.TraceLost
}

// matchText returns a flow without its actions.
func matchText(f *flow.Flow) string {
	bare := *f
	bare.Actions = nil
	return strings.TrimSuffix(strings.TrimSuffix(bare.String(), "actions=drop"), " ")
}

// shortFlow returns a flow in a form that fits into a sentence.
func shortFlow(f *flow.Flow) string {
	const most = 120
	text := f.Text()
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

func (t *tracing) networkOf(f *flow.Flow) string {
	if !pipeline.Owned(f.Cookie) {
		return ""
	}
	id := pipeline.NetworkOf(f.Cookie)
	if t.names == nil {
		t.names = map[uint32]string{}
		for i := range t.mesh.members {
			n := t.mesh.members[i].on.Net
			t.names[n.ID] = n.Name
		}
	}
	return t.names[id]
}

func (t *tracing) arrivals(tr *trace.Trace) {
	copies := tr.Copies()
	places := map[[2]string]api.TracePlace{} // by host and interface
	if len(copies) > 0 {
		for i := range t.mesh.members {
			m := &t.mesh.members[i]
			places[[2]string{m.Host, m.Interface}] = m.TracePlace
		}
	}
	for _, c := range copies {
		a := api.TraceArrival{Visit: c.Hop + 1, Packet: trace.PacketText(c.Frame), Answer: c.Answer}
		a.TracePlace = api.TracePlace{Port: c.Port.VIF, Network: c.Port.Network, Host: c.Host, Bridge: c.Bridge, Interface: c.Port.Name}
		if p, known := places[[2]string{c.Host, c.Port.Name}]; known {
			a.TracePlace = p
		}
		t.report.Arrivals = append(t.report.Arrivals, a)
	}
	t.report.Copies = len(t.report.Arrivals)
}
