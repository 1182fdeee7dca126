// Package pipeline compiles one network on one bridge to flows.
//
// By the profile "programmed" forwarding is explicit, in five tables:
//
//	0 classify ──tunnel──────────────────────────────────────┐
//	   └─VIF──► 10 port security ──► 20 ARP and ND ──► 60 L2 lookup ──known unicast──► ports
//	                                      └─► back to the asker     └─group, unknown──► 70 flood ──► ports
//
// Metadata carries the network ID in its low 32 bits; bit 32 says that the
// frame came from a tunnel, and such a frame is sent to VIFs only: that is the
// split horizon which keeps a full mesh free of loops. Bits 33 to 35 say what
// later tables need to know of the source. NORMAL serves ports of the host
// itself, which are in no network.
//
// By the profile "learning" the switch's NORMAL forwards, with the flows of
// CloudStack's plugin and a split horizon for all that NORMAL floods.
//
// It is pure: no I/O, no clock, no goroutines. It knows nothing of names, or of
// hosts (package topology).
package pipeline
