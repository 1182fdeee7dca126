// Package forward runs frames through a bridge's flows, as a switch does: the
// tables, the actions, and the NORMAL of a switch that learns addresses.
//
//	bytes ──Parse──► Frame ──Bridge.Run──► where it goes, changed how, by which flows
//
// New takes flows of our own and is stricter than a switch: flows of a kind that
// we never make are an error, and a frame that meets two flows of one priority
// that do different things, of which OpenFlow leaves the choice to the switch,
// is an error of Run.
//
// Load takes what real switches hold, whoever put it there: resubmits, groups,
// registers, tags and labels. What it can't follow, connection tracking above
// all, becomes a doubt of the frames that meet it: they may go on otherwise than
// it says, and it never says otherwise without a doubt.
//
// It is for proofs and for traces, not for traffic. It is pure: no I/O, no
// clock (what is learned stays learned), no goroutines. A Bridge is for one
// goroutine at a time.
package forward
