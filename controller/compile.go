package controller

import (
	"fmt"
	"reflect"
	"strconv"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// difference is what one network's flows on a bridge are to be, and what it
// takes to get there.
type difference struct {
	from  pipeline.Network
	have  []flow.Flow // that it starts from
	want  []flow.Flow
	delta flow.Delta
}

// difference compares the flows of one network with those that the switch
// holds. While the switch makes ports it reports false, and works the flows out
// already for the port numbers that it has been asked for.
func (h *host) difference(b *bridge, id uint32) (difference, bool, error) {
	from, sure := h.network(b, id)
	have := b.installed[id]
	if p, ok := b.prepared[id]; ok && reflect.DeepEqual(p.from, from) && len(p.have) == len(have) &&
		(len(have) == 0 || &p.have[0] == &have[0]) {
		return p, sure, nil
	}
	d := difference{from: from, have: have}
	switch {
	case id == 0:
		d.want = pipeline.Base(pipeline.Bridge{})
	case from.ID != 0:
		var err error
		if d.want, err = pipeline.Compile(from); err != nil {
			return d, false, fmt.Errorf("network %s: %w", b.nets[id], err)
		}
	}
	d.delta = flow.Diff(d.want, have)
	if !sure {
		b.prepared[id] = d
	}
	return d, sure, nil
}

// network returns one network as it is to be on a bridge; ID 0 where it is not
// to be there. It reports false while ports are being made, and then takes them
// to get the numbers that were asked for.
func (h *host) network(b *bridge, id uint32) (pipeline.Network, bool) {
	on := h.on[b.nets[id]]
	if id == 0 || on == nil || on.Bridge != b.name {
		return pipeline.Network{}, true
	}
	sure := true
	n := pipeline.Network{ID: id, PortSecurity: on.Net.PortSecurity}
	for _, v := range on.VIFs {
		i := h.att.db.InterfaceByName(v.Interface)
		if i == nil || i.OFPort < 0 {
			continue
		}
		if i.OFPort == 0 {
			sure = sure && !h.settling.active()
			continue
		}
		vif := pipeline.VIF{OFPort: uint32(i.OFPort)}
		for _, m := range v.MACs {
			vif.MACs = append(vif.MACs, m)
		}
		n.VIFs = append(n.VIFs, vif)
	}
	via := map[string]int{} // index in n.Tunnels by peer
	tunnels, _ := h.tunnels(h.att.db, on)
	for _, t := range tunnels {
		if t.row == nil || t.row.OFPort < 0 {
			continue
		}
		number := t.row.OFPort
		if number == 0 {
			sure = sure && !h.settling.active()
			if number = t.row.OFPortRequest; number == 0 || sure {
				continue
			}
		}
		via[t.Peer] = len(n.Tunnels)
		n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: uint32(number)})
	}
	for _, e := range topology.MACTable(on) {
		r := pipeline.Remote{MAC: e.MAC}
		for _, peer := range e.Peers {
			if at, ok := via[peer]; ok {
				r.Via = append(r.Via, at)
			}
		}
		if len(r.Via) > 0 {
			n.Remotes = append(n.Remotes, r)
		}
	}
	return n, sure
}

// compile returns the flows that a bridge should hold for one network; none
// where the network is not on it. It reports false while ports are being made.
func (h *host) compile(b *bridge, id uint32) ([]flow.Flow, bool, error) {
	d, ok, err := h.difference(b, id)
	return d.want, ok, err
}

// wantedTunnel is a tunnel port that is wanted, with the rows that are there
// for it.
type wantedTunnel struct {
	topology.Tunnel
	port *schema.Port
	row  *schema.Interface
}

// tunnels joins the tunnels that are wanted for a network with their rows, by
// peer and key: a port taken over from the old plugin has a name of its own.
// Tunnels that can't be wanted come second.
func (h *host) tunnels(db *schema.DB, on *topology.OnHost) ([]wantedTunnel, []topology.TunnelProblem) {
	want, failed := h.tunnelsWanted(on)
	key := strconv.FormatUint(uint64(on.Net.Key), 10)
	rowOf := func(t topology.Tunnel, p *schema.Port) *schema.Interface {
		if p == nil || len(p.Interfaces) != 1 || p.ExternalIDs[schema.KeyOwner] != h.env.owner ||
			p.ExternalIDs[schema.KeyNetwork] != on.Net.Name || p.ExternalIDs[schema.KeyPeer] != t.Peer {
			return nil
		}
		if i := db.Interfaces[p.Interfaces[0]]; i != nil && i.Type == string(t.Encap) && i.Options["key"] == key {
			return i
		}
		return nil
	}
	var byPeer map[string][]*schema.Port // made for the first that is not there under its name
	list := make([]wantedTunnel, len(want))
	for n, t := range want {
		w := &list[n]
		w.Tunnel, w.port = t, db.PortByName(t.Name)
		if w.row = rowOf(t, w.port); w.row != nil {
			continue
		}
		w.port = nil
		if byPeer == nil {
			byPeer = map[string][]*schema.Port{}
			for _, p := range db.PortsOfNetwork(on.Net.Name) {
				byPeer[p.ExternalIDs[schema.KeyPeer]] = append(byPeer[p.ExternalIDs[schema.KeyPeer]], p)
			}
		}
		for _, p := range byPeer[t.Peer] {
			if i := rowOf(t, p); i != nil {
				w.port, w.row = p, i
				break
			}
		}
	}
	return list, failed
}

// wants is what topology.Tunnels says of on, which stays the same as long as on
// does: it is asked several times in a step.
type wants struct {
	on      *topology.OnHost
	tunnels []topology.Tunnel
	failed  []topology.TunnelProblem
}

func (h *host) tunnelsWanted(on *topology.OnHost) ([]topology.Tunnel, []topology.TunnelProblem) {
	w, ok := h.wants[on.Net.Name]
	if !ok || w.on != on {
		w.on = on
		w.tunnels, w.failed = topology.Tunnels(on)
		h.wants[on.Net.Name] = w
	}
	return w.tunnels, w.failed
}
