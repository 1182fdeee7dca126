package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// bridge makes a bridge ours, and puts right what is off on one that is.
func (d *differ) bridge(w Bridge) {
	b := d.db.BridgeByName(w.Name)
	d.open[w.Name], d.taken[w.Name] = false, false
	switch {
	case b == nil && !w.Create:
		d.problem(w.Name, "", "", "bridge %s does not exist", w.Name)
		return
	case b == nil:
		d.create(w)
		return
	case d.foreign(b.ExternalIDs):
		d.problem(w.Name, "", "", "bridge %s belongs to another ovsmesh store (%s): nothing of it is changed",
			w.Name, b.ExternalIDs[schema.KeyOwner])
		return
	}
	d.taken[w.Name] = d.takes(b, w)
	d.opened[w.Name] = d.opens(b, w)
	reasons := d.obstacles(b, w)
	for _, text := range reasons {
		d.problem(w.Name, "", "", "%s", text)
	}
	// A bridge that is ours stays so, whatever was done to it since: letting
	// go of its tunnels would do more harm.
	if len(reasons) == 0 || d.ours(b.ExternalIDs) {
		d.manage(b, w)
		d.open[w.Name] = !w.Hold
	}
}

// manage writes the settings of a managed bridge, in the operations that set
// its controller. A change of ours later never empties the list of
// controllers.
func (d *differ) manage(b *schema.Bridge, w Bridge) {
	g := Group{Bridge: b.Name}
	got, taken := current(d.db, b), d.taken[b.Name]
	want := managed(got, fixedDPID(d.db, b, w.DatapathID, d.owner), d.standalone(b.Name))
	if w.Hold {
		delete(want, failMode)
	}
	if w.Hold || d.spans(b.Name) {
		delete(want, stp)
		delete(want, rstp)
	}
	d.leave(w, got, want)
	if w.Normal && (got[stp] == "true" && want[stp] == "false" || got[rstp] == "true" && want[rstp] == "false") {
		d.plan.Refloods = append(d.plan.Refloods, b.Name)
	}
	row, ms, steps := change(b, got, want)
	before := b.ExternalIDs[schema.KeySaved]
	if _, err := decodeSaved(before); err != nil {
		before = encodeSaved(got)
	}
	marks := map[string]string{schema.KeyOwner: d.owner, schema.KeySaved: before, keyTaken: ""}
	switch {
	case w.Hold:
	case taken:
		marks[keyTaken] = takenUnderlay
	default:
		marks[keyTaken] = d.opened[b.Name]
	}
	if w.Plugin != "" {
		marks[schema.KeyPlugin] = w.Plugin
	}
	for _, k := range slices.Sorted(maps.Keys(marks)) {
		if v, now := marks[k], b.ExternalIDs[k]; v != now && d.leaves(w, settingMark+k, v, now) {
			marks[k] = now
		}
	}
	ids := patch("external_ids", b.ExternalIDs, marks)
	switch {
	case marks[schema.KeyOwner] != b.ExternalIDs[schema.KeyOwner]:
		g.Steps = append(g.Steps, "manage bridge "+b.Name)
	case marks[schema.KeySaved] != b.ExternalIDs[schema.KeySaved]:
		g.Steps = append(g.Steps, "remember the former settings of bridge "+b.Name)
	}
	switch marked := b.ExternalIDs[keyTaken]; {
	case marks[keyTaken] == marked:
	case marks[keyTaken] == takenSpanning:
		g.Steps = append(g.Steps, fmt.Sprintf("leave bridge %s standalone, and its tunnels open to each other", b.Name))
	case marks[keyTaken] == takenOpen:
		g.Steps = append(g.Steps, fmt.Sprintf("leave bridge %s standalone, and its tunnels apart", b.Name))
	case marked == takenOpen, marked == takenSpanning:
		g.Steps = append(g.Steps, fmt.Sprintf("bridge %s no longer stands alone", b.Name))
	case marked == "":
		g.Steps = append(g.Steps, fmt.Sprintf("take bridge %s with the host's own network in it", b.Name))
	default:
		g.Steps = append(g.Steps, fmt.Sprintf("bridge %s no longer has the host's own network in it", b.Name))
	}
	g.Steps = append(g.Steps, steps...)
	ms = append(ms, ids...)
	ms = append(ms, d.controller(&g, b, w)...)
	if len(row) > 0 {
		g.Ops = append(g.Ops, update("Bridge", byUUID(b.UUID), row))
	}
	if len(ms) > 0 {
		g.Ops = append(g.Ops, mutate("Bridge", byUUID(b.UUID), ms...))
	}
	if !taken || w.Hold {
		w.Fence = nil
	}
	d.fenceVIFs(&g, b, w)
	d.add(g)
}

// standalone reports whether a bridge that this plan has looked at is taken without
// secure mode.
func (d *differ) standalone(bridge string) bool { return d.taken[bridge] || d.opened[bridge] != "" }

// controller makes one Controller row ours and right, unless it is to be left; it
// returns how the bridge's list of controllers changes.
func (d *differ) controller(g *Group, b *schema.Bridge, w Bridge) []ovsdb.Mutation {
	var c Group
	ms := d.rightController(&c, b, w)
	if len(c.Steps) == 0 || d.leaves(w, settingController, w.Target, d.controllers(b)) {
		return nil
	}
	g.Ops, g.Steps = append(g.Ops, c.Ops...), append(g.Steps, c.Steps...)
	return ms
}

// controllers says in words which controllers a bridge has.
func (d *differ) controllers(b *schema.Bridge) string {
	var list []string
	for _, id := range b.Controllers {
		if c := d.db.Controllers[id]; c != nil {
			text := c.Target
			for _, more := range []string{c.ConnectionMode, c.Type} {
				if more != "" {
					text += " " + more
				}
			}
			list = append(list, text)
		}
	}
	if len(list) == 0 {
		return "none"
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (d *differ) rightController(g *Group, b *schema.Bridge, w Bridge) []ovsdb.Mutation {
	var own []*schema.Controller
	for _, id := range slices.Sorted(slices.Values(b.Controllers)) {
		if c := d.db.Controllers[id]; c != nil && (d.ours(c.ExternalIDs) || c.Target == w.Target) {
			own = append(own, c)
		}
	}
	if len(own) == 0 {
		id := d.id("c")
		g.Ops = append(g.Ops, insert("Controller", id, d.controllerRow(w)))
		g.Steps = append(g.Steps, fmt.Sprintf("set controller %s on bridge %s", w.Target, b.Name))
		return refs("controller", nil, []string{id})
	}
	c, want := own[0], d.controllerRow(w)
	mode, hasMode := want["connection_mode"]
	primary := d.standalone(b.Name) && c.Type != service
	if c.Target != w.Target || hasMode && c.ConnectionMode != mode || primary {
		row := ovsdb.Row{"target": w.Target}
		if hasMode {
			row["connection_mode"] = mode
		}
		if primary {
			row["type"] = service
		}
		g.Ops = append(g.Ops, update("Controller", byUUID(c.UUID), row))
		was := strings.TrimSpace(c.Target + " " + c.ConnectionMode)
		if primary {
			was += " primary"
		}
		g.Steps = append(g.Steps, fmt.Sprintf("set controller %s on bridge %s (it was %s)", w.Target, b.Name, was))
	}
	if ms := patch("external_ids", c.ExternalIDs, map[string]string{schema.KeyOwner: d.owner}); len(ms) > 0 {
		g.Ops = append(g.Ops, mutate("Controller", byUUID(c.UUID), ms...))
		g.Steps = append(g.Steps, fmt.Sprintf("take over controller %s of bridge %s", c.Target, b.Name))
	}
	var extra []string
	for _, c := range own[1:] {
		extra = append(extra, c.UUID)
		g.Steps = append(g.Steps, fmt.Sprintf("remove controller %s from bridge %s: it is there twice", c.Target, b.Name))
	}
	return refs("controller", extra, nil)
}

// maxBackoff is the longest time between two dials of a bridge, in
// milliseconds; 8 s by default. ovs-vswitchd minds it once the bridge has been
// touched while connected, see Touch.
const maxBackoff = 1000

// service is the type of our Controller.
const service = "service"

// controllerRow is our Controller. Of type service it forwards no packets to
// us, which we have no use for, and setting or removing it flushes no flows,
// as the first or last primary controller would. Older hosts know no types.
func (d *differ) controllerRow(w Bridge) ovsdb.Row {
	row := ovsdb.Row{
		"target": w.Target, "max_backoff": maxBackoff,
		"external_ids": textMap(map[string]string{schema.KeyOwner: d.owner}),
	}
	if d.db.Has("Controller", "connection_mode") {
		row["connection_mode"] = outOfBand
	}
	if d.db.Has("Controller", "type") {
		row["type"] = service
	}
	return row
}

// create makes a bridge that is missing, ours from the start.
func (d *differ) create(w Bridge) {
	if p := d.db.PortByName(w.Name); p != nil || d.db.InterfaceByName(w.Name) != nil {
		d.problem(w.Name, "", "", "bridge %s can't be made: a port has its name", w.Name)
		return
	}
	if d.leaves(w, settingBridge, present, missing) {
		return
	}
	b := &schema.Bridge{Name: w.Name}
	got := current(d.db, b)
	row, _, _ := change(b, got, managed(got, fixedDPID(d.db, b, w.DatapathID, d.owner), false))
	iface, port, bridge, controller := d.id("i"), d.id("p"), d.id("b"), d.id("c")
	maps.Copy(row, ovsdb.Row{
		"name": w.Name, "ports": uuids([]string{port}), "controller": uuids([]string{controller}),
		"other_config": textMap(map[string]string{
			"disable-in-band": "true", "datapath-id": fixedDPID(d.db, b, w.DatapathID, d.owner),
		}),
		"external_ids": textMap(map[string]string{
			schema.KeyOwner: d.owner, schema.KeySaved: encodeSaved(got), keyCreated: "true",
		}),
	})
	if w.DatapathType != "" {
		row["datapath_type"] = w.DatapathType
	}
	d.add(Group{
		Bridge: w.Name,
		Ops: []ovsdb.Operation{
			insert("Interface", iface, ovsdb.Row{"name": w.Name, "type": "internal"}),
			insert("Port", port, ovsdb.Row{"name": w.Name, "interfaces": uuids([]string{iface})}),
			insert("Controller", controller, d.controllerRow(w)),
			insert("Bridge", bridge, row),
			mutate("Open_vSwitch", byUUID(d.db.Open.UUID), refs("bridges", nil, []string{bridge})...),
		},
		Steps: []string{strings.TrimSpace(fmt.Sprintf("create bridge %s with controller %s %s", w.Name, w.Target, w.DatapathType))},
	})
	d.named[w.Name] = "bridge " + w.Name
	d.open[w.Name] = !w.Hold
}
