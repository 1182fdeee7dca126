// Package pipeline compiles one network on one bridge to flows, by the profile
// "programmed": explicit forwarding in four tables, never NORMAL.
//
//	0 classify ──tunnel──────────────────────────┐
//	   └─VIF──► 10 port security ──► 60 L2 lookup ◄┘ ──known unicast──► ports
//	                                     └─group, unknown──► 70 flood ──► ports
//
// Metadata carries the network ID in its low 32 bits; bit 32 says that the
// frame came from a tunnel, and such a frame is sent to VIFs only: that is the
// split horizon which keeps a full mesh free of loops.
//
// It is pure: no I/O, no clock, no goroutines. It knows nothing of names, keys
// or hosts (package topology).
package pipeline
