// Package trace follows a frame through the tables of many hosts: out of one
// bridge by a tunnel or a patch port, into the next, until every copy of it has
// arrived, or has ended somewhere for a reason that can be told.
//
//	World (hosts, bridges, ports, tables) ─┐
//	a port and a frame ────────────────────┴─Run─► Trace: hops, copies, ends
//
// What one bridge does with a frame is for package forward to say. This one
// knows where ports lead: by the peer of a patch port, and from a tunnel to the
// port of the other host that Open vSwitch would give its packets to.
//
// It is pure: no I/O, no clock, no goroutines. A World may do I/O when it is
// asked, and fail; the trace then says where it could not look on.
package trace
