package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// network adds the group of one network.
func (d *differ) network(m match) {
	g := Group{Bridge: m.Bridge, Network: m.Name}
	gone := map[string][]string{} // Port UUIDs by bridge name
	for _, p := range m.gone {
		if b := d.db.BridgeOfPort(p.UUID); b != nil {
			gone[b.Name] = append(gone[b.Name], p.UUID)
			g.Bridge = cmp.Or(g.Bridge, b.Name)
			g.Steps = append(g.Steps, fmt.Sprintf("delete port %s from bridge %s", p.Name, b.Name))
		}
	}
	for i, t := range m.Tunnels {
		p := m.have[i]
		if p == nil {
			continue
		}
		row := m.rows[i]
		if d.changing[row.UUID] && d.clash(m.Network, t, row) {
			continue
		}
		d.refresh(&g, p, row, m.Network, t)
	}
	added := d.missing(&g, m)
	if b := d.db.BridgeByName(m.Bridge); len(added) > 0 {
		where := byName(m.Bridge) // it may be made by this very plan
		if b != nil {
			where = byUUID(b.UUID)
		}
		g.Ops = append(g.Ops, mutate("Bridge", where, refs("ports", gone[m.Bridge], added)...))
		delete(gone, m.Bridge)
	}
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		g.Ops = append(g.Ops, mutate("Bridge", byUUID(d.db.BridgeByName(name).UUID), refs("ports", gone[name], nil)...))
	}
	d.add(g)
}

// missing takes over or adds the tunnels that are not there, and returns the
// uuid-names of new ports.
func (d *differ) missing(g *Group, m match) []string {
	if _, looked := d.open[m.Bridge]; !looked && len(m.Tunnels) > 0 {
		d.problem(m.Bridge, m.Name, "", "bridge %s is not managed", m.Bridge)
	}
	var lacking []Tunnel
	for i, t := range m.Tunnels {
		if m.have[i] == nil && d.open[m.Bridge] && !d.adopt(g, m.Network, t) {
			lacking = append(lacking, t)
		}
	}
	var added []string
	for _, t := range lacking {
		name, ok := d.freeName(m.Network, t)
		if !ok || d.waits(name, m.Network, t) || d.clash(m.Network, t, nil) {
			continue
		}
		number := d.numbersOf(m.Bridge).take()
		if number == 0 {
			d.problem(m.Bridge, m.Name, t.Name, "port %s: bridge %s has no OpenFlow port number from %d to %d left", t.Name, m.Bridge, firstNumber, lastNumber)
			continue
		}
		d.named[name] = "port " + name
		id := d.id("p")
		added = append(added, id)
		g.Ops = append(g.Ops, d.insertTunnel(id, name, number, m.Network, t)...)
		g.Steps = append(g.Steps, fmt.Sprintf("add port %s to bridge %s (%s)", name, m.Bridge, d.describe(m.Network, t)))
	}
	return added
}

func (d *differ) insertTunnel(id, name string, number int64, n Network, t Tunnel) []ovsdb.Operation {
	marks := d.marks(n, t)
	maps.DeleteFunc(marks, func(_, v string) bool { return v == "" })
	ids := textMap(marks)
	portIDs := ids
	if name != t.Name {
		marks[keyAdopted] = "true"
		portIDs = textMap(marks)
	}
	opts := wanted(t)
	maps.DeleteFunc(opts, func(_, v string) bool { return v == "" })
	iface := ovsdb.Row{"name": name, "type": t.Type, "options": textMap(opts), "external_ids": ids}
	if t.BFD && d.hasBFD(n) {
		iface["bfd"] = textMap(map[string]string{bfdEnable: "true", bfdMinRx: bfdInterval})
	}
	if d.db.Has("Interface", "ofport_request") {
		iface["ofport_request"] = number
	}
	ifaceID := "i" + id
	port := ovsdb.Row{"name": name, "interfaces": uuids([]string{ifaceID}), "external_ids": portIDs}
	if d.db.Has("Port", "protected") && !d.spans(n.Bridge) {
		port["protected"] = true
	}
	if d.fences(n, t) {
		maps.Copy(port, fenceRow(none(), fenceOfTunnel(d.db)))
	}
	return []ovsdb.Operation{insert("Interface", ifaceID, iface), insert("Port", id, port)}
}

// freeName returns the name for a new port. Where the old plugin's port for
// another peer, which we took over, has it, that is another one.
func (d *differ) freeName(n Network, t Tunnel) (string, bool) {
	by := d.holder(t.Name)
	if by == "" {
		return t.Name, true
	}
	if p := d.db.PortByName(t.Name); p != nil && (p.ExternalIDs[keyAdopted] != "" && d.ours(p.ExternalIDs) || d.named[t.Name] == taken) {
		sum := sha256.Sum256([]byte(t.Name + "\x00" + t.Peer))
		if other := t.Name[:1] + hex.EncodeToString(sum[:7]); d.holder(other) == "" {
			return other, true
		}
	}
	d.problem(n.Bridge, n.Name, t.Name, "port name %s is taken by %s", t.Name, by)
	return "", false
}

// holder says what has a name already; "" if nothing.
func (d *differ) holder(name string) string {
	if by := d.named[name]; by != "" {
		return by
	}
	p := d.db.PortByName(name)
	if i := d.db.InterfaceByName(name); p == nil && i != nil {
		if p = d.db.PortOfInterface(i.UUID); p == nil {
			return "an interface that is not ours"
		}
	}
	if p == nil || d.gone[p.UUID] {
		return ""
	}
	where := ""
	if b := d.db.BridgeOfPort(p.UUID); b != nil {
		where = " on bridge " + b.Name
	}
	switch {
	case d.ours(p.ExternalIDs):
		return fmt.Sprintf("a port of network %s%s", p.ExternalIDs[schema.KeyNetwork], where)
	case d.foreign(p.ExternalIDs):
		return fmt.Sprintf("a port of another ovsmesh store (%s)%s", p.ExternalIDs[schema.KeyOwner], where)
	}
	return "a port that is not ours" + where
}

// marks are our external_ids of a tunnel's rows; that of the peer is "", none,
// where packets go to several.
func (d *differ) marks(n Network, t Tunnel) map[string]string {
	return map[string]string{schema.KeyOwner: d.owner, schema.KeyNetwork: n.Name, schema.KeyPeer: t.Peer}
}

// refresh puts right what is off in the rows of a tunnel, in place: its ofport
// and its statistics live on.
func (d *differ) refresh(g *Group, p *schema.Port, i *schema.Interface, n Network, t Tunnel) {
	if d.settled(p, i, n, t) {
		return
	}
	marks := d.marks(n, t)
	ifaceMS := append(options(i, t), patch("external_ids", i.ExternalIDs, marks)...)
	if p.Name != t.Name {
		marks[keyAdopted] = "true"
	}
	ifaceMS = append(ifaceMS, d.bfd(i, n, t)...)
	ops := len(g.Ops)
	port := ovsdb.Row{}
	if protect := !d.spans(n.Bridge); d.db.Has("Port", "protected") && p.Protected != protect {
		port["protected"] = protect
	}
	if fence := d.fences(n, t); !d.settledFence(p, fence) {
		want := none()
		if fence {
			want = fenceOfTunnel(d.db)
		}
		maps.Copy(port, fenceRow(vlansOf(p), want))
	}
	if len(port) > 0 {
		g.Ops = append(g.Ops, update("Port", byUUID(p.UUID), port))
	}
	if ms := patch("external_ids", p.ExternalIDs, marks); len(ms) > 0 {
		g.Ops = append(g.Ops, mutate("Port", byUUID(p.UUID), ms...))
	}
	if i.OFPortRequest == 0 && i.OFPort > 0 && i.OFPort <= lastNumber && d.db.Has("Interface", "ofport_request") {
		g.Ops = append(g.Ops, update("Interface", byUUID(i.UUID), ovsdb.Row{"ofport_request": i.OFPort}))
	}
	if len(ifaceMS) > 0 {
		g.Ops = append(g.Ops, mutate("Interface", byUUID(i.UUID), ifaceMS...))
	}
	if len(g.Ops) > ops {
		g.Steps = append(g.Steps, fmt.Sprintf("set port %s of bridge %s to %s", p.Name, n.Bridge, d.describe(n, t)))
	}
}

// settled reports whether refresh has nothing to do, which of the tunnels of a
// large network nearly all are at nearly every look: so it makes nothing.
func (d *differ) settled(p *schema.Port, i *schema.Interface, n Network, t Tunnel) bool {
	return p.Name == t.Name && p.Protected != d.spans(n.Bridge) && i.OFPortRequest != 0 && fits(i, t) &&
		d.settledFence(p, d.fences(n, t)) && d.settledBFD(i, n, t) &&
		d.marked(p.ExternalIDs, n, t) && d.marked(i.ExternalIDs, n, t)
}

func (d *differ) marked(ids map[string]string, n Network, t Tunnel) bool {
	return ids[schema.KeyOwner] == d.owner && ids[schema.KeyNetwork] == n.Name && ids[schema.KeyPeer] == t.Peer
}
