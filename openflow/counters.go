package openflow

import "sync/atomic"

// Counters counts what happened on all connections since the start. They only
// grow; any goroutine may read them.
type Counters struct {
	Accepted atomic.Uint64 // sessions delivered to who expected them

	RefusedLimit      atomic.Uint64 // connections beyond a limit
	RefusedVersion    atomic.Uint64 // peers without OpenFlow 1.3
	RefusedHandshake  atomic.Uint64 // peers that did not get through the handshake for another reason
	RefusedUnexpected atomic.Uint64 // switches that nobody expected in time
	RefusedDuplicate  atomic.Uint64 // switches whose datapath has a session that lives

	MessagesIn  atomic.Uint64 // whole messages read after the handshake
	MessagesOut atomic.Uint64 // messages handed to the writer after the handshake

	FlowUpdates atomic.Uint64 // changes of watched flows that others made, as switches told them
	FlowPauses  atomic.Uint64 // times that a switch stopped telling them, as we did not read on

	FlowMods         atomic.Uint64 // flow-mods sent, whatever became of their bundles
	BundlesCommitted atomic.Uint64 // bundles that the switch confirmed
	BundleErrors     atomic.Uint64 // bundles that were not confirmed
}
