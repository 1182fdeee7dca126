package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/trace"
)

// The invariants that Check looks after beside those of a Gate.
const (
	Unicast      Invariant = "unicast"       // arrives exactly once, at the right port only
	Broadcast    Invariant = "broadcast"     // and what else goes to many: once at every port that policy says
	PortSecurity Invariant = "port-security" // a VM can't speak with another's MAC or IP
	Answers      Invariant = "answers"       // to questions about addresses
)

// Violation is an invariant that does not hold, by the frame that shows it.
type Violation struct {
	Invariant Invariant `json:"invariant"`
	Network   string    `json:"network"`
	Host      string    `json:"host"`   // where it goes wrong
	Bridge    string    `json:"bridge"` // likewise
	From      string    `json:"from"`   // HOST/INTERFACE where the frame comes in; "" where no frame was needed
	Frame     string    `json:"frame"`  // as ovs-ofctl writes it; likewise
	Effect    string    `json:"effect"` // in plain words
	Flow      string    `json:"flow"`   // that does it, or at which the frame ends; "" where none matches
	Frames    int       `json:"frames"` // how many frames show the same
	Trace     string    `json:"trace"`  // a command that shows the frame's way
}

// Sort orders violations by network, host, bridge, invariant and text, in place.
func Sort(list []Violation) {
	slices.SortStableFunc(list, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Bridge, b.Bridge),
			cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.Flow, b.Flow), cmp.Compare(a.Effect, b.Effect))
	})
}

// maxViolations bounds what is listed of one network.
const maxViolations = 50

// what identifies violations that have one cause.
type cause struct {
	invariant          Invariant
	host, bridge, flow string
}

// violated notes a violation that a probe from a port shows.
func (c *checker) violated(v Invariant, from trace.Place, p *probe, host, bridge string, f *flow.Flow, effect string) {
	text := ""
	if f != nil {
		text = f.Text()
	}
	why := cause{v, host, bridge, text}
	if at, ok := c.causes[why]; ok {
		c.report.Violations[at].Frames++
		return
	}
	if len(c.report.Violations) >= maxViolations {
		c.report.More++
		return
	}
	c.causes[why] = len(c.report.Violations)
	source := c.source(from)
	frame := fieldsOf(&p.frame)
	c.report.Violations = append(c.report.Violations, Violation{
		Invariant: v, Network: c.Name, Host: host, Bridge: bridge, From: source, Frame: frame,
		Effect: p.name + " from " + c.called(from) + " " + effect, Flow: text, Frames: 1,
		Trace: c.command(from, source, frame),
	})
}

// command returns what shows a frame's way: a trace from a VM, and for what comes
// from a tunnel the switch's own.
func (c *checker) command(from trace.Place, source, frame string) string {
	switch {
	case c.at[from] != nil:
		return fmt.Sprintf("ovsmesh trace --from %s --packet '%s'%s", source, frame, c.how)
	case c.Want:
		return "" // the switch may hold other flows
	}
	return fmt.Sprintf("ovs-appctl ofproto/trace %s 'in_port=%d,%s'  # on %s", from.Bridge, from.OFPort, frame, from.Host)
}

// source names a port as HOST/INTERFACE.
func (c *checker) source(at trace.Place) string {
	if p := c.port(at); p != nil {
		return at.Host + "/" + p.Name
	}
	return fmt.Sprintf("%s/%d", at.Host, at.OFPort)
}

// called names a port as people call it: a VM's by its name.
func (c *checker) called(at trace.Place) string {
	if m := c.at[at]; m != nil {
		return m.Name
	}
	return "the tunnel " + c.source(at)
}

// names lists machines for people.
func names(list []*place) string {
	var all []string
	for _, p := range list {
		all = append(all, p.Name)
	}
	slices.Sort(all)
	if more := len(all) - 3; more > 0 {
		all = append(all[:3:3], fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, ", ")
}
