// Package openflow holds the connections to the switches: it lets bridges dial
// in, says which of them are welcome, and gives each one that is to the caller
// as a Session, through which flows are read and changed.
//
//	bridge ──dials──► Server ──hello, features──► datapath ID
//	                    │ Expect(dpid, address)?  no: parked, then closed
//	                    ▼ yes
//	                 Session ──► Flows, Ports, Apply (one atomic bundle), Changed
//
// It keeps no wanted state and decides nothing about flows: what comes out of
// Flows and what goes into Apply is for its caller, the loop of that host. It is
// not for OpenFlow 1.0.
//
// Serve blocks until every goroutine that it started has ended: one a connection
// that greets, parks and delivers it, and the two of its Session, of which one
// reads and one writes. A Session from Dial owns its two itself; Close waits
// for them.
package openflow
