package trace

import (
	"fmt"

	"ovsmesh/openflow/pipeline"
)

// Cause is why a frame has not arrived somewhere.
type Cause struct {
	Host   string // where it ended
	Text   string // for people
	Kind   CauseKind
	Reason pipeline.Reason // of our own flow that decided it, where one did
}

// CauseKind sorts causes by what can be done about them.
type CauseKind uint8

// The kinds.
const (
	CauseElsewhere CauseKind = iota // the flows send it elsewhere
	CauseUnseen                     // a bridge on the way could not be looked at
	CauseOurs                       // a flow of ours drops it, on purpose
	CauseMissing                    // no flow is there for it
	CauseForeign                    // a flow of another program drops it
	CauseTunnel                     // it is lost behind a tunnel or a patch port
)

// Elsewhere returns why no copy has arrived at a port: what happened on its
// bridge or host, on the way there, or where the frame started. It means
// something only for ports that got none.
func (t *Trace) Elsewhere(at Place) Cause {
	var here *Hop
	for _, h := range t.Hops {
		if h.Host == at.Host && (here == nil || h.Bridge == at.Bridge) {
			here = h
		}
	}
	if here != nil && here.From >= 0 {
		return here.cause()
	}
	for _, h := range t.Hops {
		for _, e := range h.Ends {
			if e.Peer != at.Host || e.Kind == EndPassed {
				continue
			}
			if e.Kind == EndUnseen {
				return Cause{Host: at.Host, Kind: CauseUnseen, Text: e.Why}
			}
			if e.Kind == EndLost {
				return Cause{Host: h.Host, Kind: CauseTunnel, Text: "sent through " + e.Port.Name + " and lost: " + e.Why}
			}
		}
	}
	first := t.Hops[0]
	if here == nil && first.Err == nil && len(first.Ends) > 0 {
		if c, ok := t.lost(); ok {
			return c
		}
		return Cause{Host: first.Host, Kind: CauseElsewhere, Reason: first.reason(), Text: fmt.Sprintf("the flows do not send it to host %s but by %s: %s",
			at.Host, first.Ways(3), first.last())}
	}
	return first.cause()
}

// lost returns the first cause of a frame that went into a tunnel of which
// nobody knows the other end.
func (t *Trace) lost() (Cause, bool) {
	for _, h := range t.Hops {
		for _, e := range h.Ends {
			if e.Kind == EndLost && e.Peer == "" {
				return Cause{Host: h.Host, Kind: CauseTunnel, Text: e.Why}, true
			}
		}
	}
	return Cause{}, false
}

// End returns why a frame that arrived nowhere has ended: the last bridge
// that it came to.
func (t *Trace) End() Cause {
	for _, h := range t.Hops {
		if h.Err != nil {
			return h.cause()
		}
		for _, e := range h.Ends {
			if e.Kind == EndUnseen {
				return Cause{Host: e.Peer, Kind: CauseUnseen, Text: e.Why}
			}
			if e.Kind == EndLost {
				return Cause{Host: h.Host, Kind: CauseTunnel, Text: e.Why}
			}
		}
	}
	return t.Hops[len(t.Hops)-1].cause()
}

// cause returns what has become of a frame on one bridge.
func (h *Hop) cause() Cause {
	c := Cause{Host: h.Host}
	switch {
	case h.Err != nil:
		c.Kind, c.Text = CauseUnseen, h.Err.Error()
		return c
	case len(h.Ends) > 0:
		for _, e := range h.Ends {
			if e.Kind == EndLost {
				c.Kind, c.Text = CauseTunnel, e.Why
				return c
			}
		}
		c.Kind, c.Reason, c.Text = CauseElsewhere, h.reason(), fmt.Sprintf("bridge %s sends it by %s: %s", h.Bridge, h.Ways(3), h.last())
		return c
	}
	c.Text, c.Reason = "bridge "+h.Bridge+", "+h.DropText(), h.reason()
	switch f := h.Result.Steps[len(h.Result.Steps)-1].Flow; {
	case len(h.Result.Skips) > 0:
		c.Kind, c.Reason = CauseElsewhere, 0
	case f == nil:
		c.Kind = CauseMissing
	case !pipeline.Owned(f.Cookie):
		c.Kind = CauseForeign
	case c.Reason == pipeline.Miss:
		c.Kind = CauseMissing
	default:
		c.Kind = CauseOurs
	}
	return c
}

// reason returns what the flow is for that a bridge followed last; 0 where it
// is not ours.
func (h *Hop) reason() pipeline.Reason {
	if n := len(h.Result.Steps); n > 0 {
		if f := h.Result.Steps[n-1].Flow; f != nil && pipeline.Owned(f.Cookie) {
			return pipeline.ReasonOf(f.Cookie)
		}
	}
	return 0
}

// last says what the flow is for that a bridge followed last.
func (h *Hop) last() string {
	if n := len(h.Result.Steps); n > 0 {
		return Meaning(h.Result.Steps[n-1].Flow)
	}
	return "no flow"
}
