package plan

import (
	"fmt"
	"slices"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// A fence keeps a port away from NORMAL by its VLANs: it neither gets what
// NORMAL floods nor may send there. Flows that name the port don't mind it. It
// is in the database, so it stands before ovs-vswitchd forwards its first
// packet after a restart, which nothing that is set over OpenFlow does.
//
// fenceVLAN is a VLAN ID that is reserved, IEEE 802.1Q-2018 table 9-2. A trunk
// of it alone takes frames only that carry it as a tag, which a VM could forge.
// A tunnel is fenced off from these, too: it takes only customer VLAN 4095
// within VLAN 4095, and Open vSwitch looks at one tag by default
// (other_config:vlan-limit). A VM's port can't be fenced in that way: dot1q-tunnel
// puts the outer tag around what comes in, and so would make of forged
// frames those that get into tunnels.
const fenceVLAN = 4095

// vlans are the columns of a Port that a fence is made of.
type vlans struct {
	mode           string
	tag            int64 // -1: none
	trunks, cvlans []int64
}

func vlansOf(p *schema.Port) vlans { return vlans{p.VLANMode, p.Tag, p.Trunks, p.CVLANs} }

func (v vlans) equal(o vlans) bool {
	return v.mode == o.mode && v.tag == o.tag && slices.Equal(v.trunks, o.trunks) && slices.Equal(v.cvlans, o.cvlans)
}

// fenceOfVIF is the fence of a VM's port, and of a tunnel where the host's
// schema has no customer VLANs.
func fenceOfVIF() vlans { return vlans{tag: -1, trunks: []int64{fenceVLAN}} }

// fenceOfTunnel is the fence of a tunnel.
func fenceOfTunnel(db *schema.DB) vlans {
	if !db.Has("Port", "cvlans") || !db.Has("Port", "vlan_mode") {
		return fenceOfVIF()
	}
	return vlans{mode: "dot1q-tunnel", tag: fenceVLAN, cvlans: []int64{fenceVLAN}}
}

// fenced reports whether a port has a fence, of either kind.
func fenced(p *schema.Port) bool {
	switch p.VLANMode {
	case "":
		return p.Tag < 0 && only4095(p.Trunks) && len(p.CVLANs) == 0
	case "dot1q-tunnel":
		return p.Tag == fenceVLAN && only4095(p.CVLANs) && len(p.Trunks) == 0
	}
	return false
}

func only4095(list []int64) bool { return len(list) == 1 && list[0] == fenceVLAN }

// fences reports whether NORMAL must be kept away from a tunnel.
func (d *differ) fences(n Network, t Tunnel) bool {
	return (t.Fenced || d.takenBridge(n.Bridge)) && d.db.Has("Port", "trunks")
}

// settledFence reports whether the fence of a tunnel is as wanted. VLANs that
// somebody gave a port that needs no fence stay.
func (d *differ) settledFence(p *schema.Port, wanted bool) bool {
	if !wanted {
		return !fenced(p)
	}
	if p.VLANMode == "" {
		return fenced(p) && !d.db.Has("Port", "cvlans")
	}
	return fenced(p)
}

// fenceRow returns the columns that take a port's VLANs from got to want.
func fenceRow(got, want vlans) ovsdb.Row {
	row := ovsdb.Row{}
	if got.mode != want.mode {
		row["vlan_mode"] = texts(nil)
		if want.mode != "" {
			row["vlan_mode"] = want.mode
		}
	}
	if got.tag != want.tag {
		row["tag"] = numberSet(nil)
		if want.tag >= 0 {
			row["tag"] = want.tag
		}
	}
	if !slices.Equal(got.trunks, want.trunks) {
		row["trunks"] = numberSet(want.trunks)
	}
	if !slices.Equal(got.cvlans, want.cvlans) {
		row["cvlans"] = numberSet(want.cvlans)
	}
	return row
}

// none are the VLANs of a port that has none of its own.
func none() vlans { return vlans{tag: -1} }

// fenceVIFs puts fences around the VMs' ports of a bridge that w names, and takes
// those of others away. Nobody but us makes a trunk of VLAN 4095 alone, so
// nothing needs to be remembered.
func (d *differ) fenceVIFs(g *Group, b *schema.Bridge, w Bridge) {
	if !d.db.Has("Port", "trunks") {
		return
	}
	named := make(map[string]bool, len(w.Fence))
	for _, n := range w.Fence {
		named[n] = true
	}
	var off []*schema.Port
	for _, id := range b.Ports {
		p := d.db.Ports[id]
		if p == nil || p.Name == b.Name || p.ExternalIDs[schema.KeyOwner] != "" {
			continue
		}
		if schema.Underlay(d.db, b, p) {
			delete(named, p.Name) // whoever named it: the host would be cut off
		}
		if v := vlansOf(p); named[p.Name] && v.equal(none()) || !named[p.Name] && v.equal(fenceOfVIF()) {
			off = append(off, p)
		}
	}
	for _, p := range sorted(off, func(p *schema.Port) string { return p.Name }) {
		want, step := none(), "let NORMAL reach port %s of bridge %s again"
		texts := [2]string{"none", "trunks=4095"} // wanted, found
		if named[p.Name] {
			want, step = fenceOfVIF(), "keep NORMAL away from port %s of bridge %s"
			texts[0], texts[1] = texts[1], texts[0]
		}
		if d.leaves(w, settingFence+p.Name, texts[0], texts[1]) {
			continue
		}
		g.Ops = append(g.Ops, update("Port", byUUID(p.UUID), fenceRow(vlansOf(p), want)))
		g.Steps = append(g.Steps, fmt.Sprintf(step, p.Name, b.Name))
	}
}

func numberSet(list []int64) ovsdb.OvsSet {
	set := ovsdb.OvsSet{GoSet: make([]any, len(list))}
	for i, n := range list {
		set.GoSet[i] = n
	}
	return set
}
