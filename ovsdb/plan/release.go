package plan

import (
	"fmt"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// release gives a bridge of ours back: our tunnels go, its settings are again
// what they were. One that we made goes whole, unless others have put
// something into it.
func (d *differ) release(r Release) {
	b := d.db.BridgeByName(r.Bridge)
	if b == nil || !d.ours(b.ExternalIDs) {
		return
	}
	g := Group{Bridge: b.Name}
	var tunnels []string
	alone := b.ExternalIDs[keyCreated] == "true"
	for _, p := range d.members(b) {
		switch {
		case d.givesBack(p):
			alone = false
			if !r.Keep { // until then its flows are ours
				d.giveBack(&g, b, p)
			}
		case d.ours(p.ExternalIDs):
			d.gone[p.UUID] = true
			tunnels = append(tunnels, p.UUID)
			g.Steps = append(g.Steps, fmt.Sprintf("delete port %s from bridge %s", p.Name, b.Name))
		case p.Name != b.Name:
			alone = false
		}
	}
	var own []string
	for _, id := range b.Controllers {
		if c := d.db.Controllers[id]; c != nil && d.ours(c.ExternalIDs) {
			own = append(own, id)
		} else {
			alone = false
		}
	}
	if alone {
		g.Ops = []ovsdb.Operation{mutate("Open_vSwitch", byUUID(d.db.Open.UUID), refs("bridges", []string{b.UUID}, nil)...)}
		g.Steps = append(g.Steps, "delete bridge "+b.Name)
		d.add(g)
		return
	}
	row, ms, steps := change(b, current(d.db, b), d.former(b, r.Keep))
	g.Steps = append(g.Steps, steps...)
	ms = append(ms, refs("ports", tunnels, nil)...)
	if r.Keep {
		ms = append(ms, patch("external_ids", b.ExternalIDs, map[string]string{keyTaken: ""})...)
	} else {
		ms = append(ms, refs("controller", own, nil)...)
		marks := unnoted(b)
		for _, key := range []string{schema.KeyOwner, schema.KeySaved, keyCreated, keyTaken, keyHello, schema.KeyPlugin} {
			marks[key] = ""
		}
		ms = append(ms, patch("external_ids", b.ExternalIDs, marks)...)
		g.Steps = append(g.Steps, "give bridge "+b.Name+" back")
	}
	if len(row) > 0 {
		g.Ops = append(g.Ops, update("Bridge", byUUID(b.UUID), row))
	}
	if len(ms) > 0 {
		g.Ops = append(g.Ops, mutate("Bridge", byUUID(b.UUID), ms...))
	}
	d.fenceVIFs(&g, b, Bridge{Name: b.Name})
	d.add(g)
}

// former returns the settings to put back. While our controller is kept, so is
// what it needs to get through: OpenFlow 1.3 and the datapath ID. Where what
// was there is not known, the defaults of Open vSwitch are put back: secure
// mode without a controller would carry nothing at all.
func (d *differ) former(b *schema.Bridge, keep bool) settings {
	got := current(d.db, b)
	want, err := decodeSaved(b.ExternalIDs[schema.KeySaved])
	if err != nil {
		d.problem(b.Name, "", "", "bridge %s gets default settings, its former ones are not known: %v", b.Name, err)
		want = current(d.db, &schema.Bridge{})
	}
	for k := range want {
		if _, has := got[k]; !has {
			delete(want, k)
		}
	}
	if keep {
		delete(want, protocols)
		delete(want, datapathID)
	}
	return want
}
