// Package forward runs frames through a bridge's flows, as a switch does: the
// tables, the actions, and the NORMAL of a switch that learns addresses.
//
//	bytes ──Parse──► Frame ──Bridge.Run──► where it goes, changed how, by which flows
//
// It is strict where a switch is not: flows that it does not understand are an
// error of New, and a frame that meets two flows of one priority that do different things, of which
// OpenFlow leaves the choice to the switch, is an error of Run.
//
// It is for proofs and for traces, not for traffic. It is pure: no I/O, no
// clock (what is learned stays learned), no goroutines. A Bridge is for one
// goroutine at a time.
package forward
