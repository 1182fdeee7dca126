// Package plan compares the rows that are wanted on a host with those that
// its database holds, and says which operations make the one of the other.
//
//	schema.DB ──┐
//	            ├─ Diff ─► Plan ─┬─ Ops ─► one OVSDB transaction
//	Want ───────┘                ├─ Batches ─► several, for many deletions
//	                             └─ Problems, for people
//
// It is pure: it sends nothing, reads no clock and starts no goroutine. What it
// touches carries external_ids:ovsmesh-owner of this store, or is about to:
// rows of another store and of strangers are left as they are.
package plan

import (
	"net/netip"

	"github.com/ovn-org/libovsdb/ovsdb"
)

// Want is what a host should hold of ours.
type Want struct {
	Owner    string    // UUID of our store
	Complete bool      // Networks are all there are: tunnel ports of ours for others go. Otherwise only what is listed is looked at.
	Bridges  []Bridge  // to be managed
	Release  []Release // to be given back; a bridge of ours in neither list is left as it is
	Networks []Network

	// Return says that the host leaves: what the old plugin has made here, and
	// was taken over, is not deleted but given back to it, with its bridge.
	Return bool
}

// Bridge is a bridge to be managed.
type Bridge struct {
	Name         string
	Create       bool   // make it where it is missing
	DatapathType string // of a bridge that is made; "" is the kernel's
	Target       string // connection method of our controller, tcp:IP:PORT
	DatapathID   string // 16 hex digits; "" keeps the one that the bridge has

	// Hold sets our controller but not yet fail_mode or STP, and adds no
	// tunnels: flows that others have in it stay and can be read. A change of
	// fail_mode flushes them.
	Hold bool

	// Take also takes a bridge that carries the host's own network: one with
	// physical NICs, VLAN fake bridges or ports in VLANs. Such a bridge is
	// taken in another way, see Taken.
	Take bool

	// Open leaves a standalone bridge that NORMAL forwards on standalone, as the
	// old plugin has it: nothing drops its flows then. See Taken.
	Open bool

	// Spans, with Open, leaves STP as it is and tunnels open for NORMAL to send
	// from one to the other: because flows that keep it from that are not in yet,
	// or because the bridge is one of a tree with bridges that the old plugin
	// still runs, some of which reach each other through it alone.
	Spans bool

	// Plugin is what of the flows of the old plugin the bridge had, as
	// PluginNote.String writes it; "" leaves what is noted.
	Plugin string

	// Leave names settings, as Setting.Name does, that are left as they are for
	// now, though they are not as wanted.
	Leave []string

	// Normal says that NORMAL is to forward between its ports.
	Normal bool

	// Fence names VMs' ports of a taken bridge that NORMAL must not reach. A
	// port that has VLANs of its own is left as it is. Only used with Take; a
	// fence of a port that is not named goes.
	Fence []string

	// Note is what the store has of this host, for external_ids:ovsmesh-host;
	// "" leaves what is there.
	Note string
}

// Release is a bridge to be given back. One that we don't manage is left alone.
type Release struct {
	Bridge string

	// Keep puts fail_mode and the other settings back but leaves our
	// controller and what it needs, so that flows of others that the change
	// flushed can be put back. A later release without it takes these away.
	Keep bool
}

// Network is the tunnel ports of one network, or of one carrier, which are
// those that several networks share; without Tunnels all of them go.
type Network struct {
	Name    string // external_ids:ovsmesh-network
	Bridge  string
	Tunnels []Tunnel

	// Keep names ports that are not wanted and stay for now: flows still use
	// them until the ports that replace them are in.
	Keep []string

	// Note is what the store has of the network, for the bridge's
	// external_ids:ovsmesh-spec-NAME; "": no bridge is to carry one.
	Note string
}

// Tunnel is one tunnel port.
type Tunnel struct {
	Name     string     // of Port and Interface
	Type     string     // gre or vxlan
	Peer     string     // name of the host at the far end
	Key      uint32     // 0: each packet's own, key=flow
	RemoteIP netip.Addr // invalid: each packet's own, remote_ip=flow
	LocalIP  netip.Addr // invalid: the host's routing chooses
	DstPort  uint16     // UDP, VXLAN only; 0 is 4789
	BFD      bool       // Interface bfd:enable
	Fenced   bool       // NORMAL must never reach it; always so on a bridge that is Taken
}

// Plan is what to do, in groups, and what can't be done. The zero value does
// nothing.
type Plan struct {
	Groups   []Group
	Problems []Problem

	// Settings is what of bridges that are to be managed is not as wanted.
	Settings []Setting

	// Refloods names bridges whose STP the plan switches off while NORMAL
	// forwards on them: see Reflood.
	Refloods []string

	// Later names networks with tunnels that have to wait until this plan's
	// deletions are carried out (cur_cfg): make another plan for them then.
	// Open vSwitch refuses a port whose remote address and key a port has that
	// goes in the same transaction, and does not try again by itself.
	Later []string
}

// Group is operations that belong together. Each is valid by itself once the
// groups of bridges, which come first, are in: a transaction of all that is
// refused can be sent again group by group.
type Group struct {
	Bridge  string
	Network string // "" in the group of a bridge
	Ops     []ovsdb.Operation
	Steps   []string // the same for people, one a change
	Note    bool     // it does nothing but note, which is nothing to ovs-vswitchd
}

// Setting is something of a managed bridge that is not as wanted: a column or a
// key of one, its Controller, its presence, or the VLANs that fence a VM's port.
type Setting struct {
	Bridge    string
	Name      string
	Want, Got string // in words
	Left      bool   // it stays so for now, see Bridge.Leave; otherwise the plan puts it right
}

// Problem is something wanted that is not done, and why.
type Problem struct {
	Bridge  string
	Network string // "" where the bridge itself is concerned
	Tunnel  string // port name; "" where more than one is concerned
	Text    string
}

// Steps returns the steps of all groups.
func (p Plan) Steps() []string {
	var steps []string
	for _, g := range p.Groups {
		steps = append(steps, g.Steps...)
	}
	return steps
}
