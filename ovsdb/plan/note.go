package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// A note is what our store has of a network, on the bridge that carries it on a
// host, and of the host, on each bridge that we manage: with these a store that
// is lost is told anew by the switches. They go with what they are of, and mean
// nothing to ovs-vswitchd.

// noteNetwork adds the group that puts the note of a network where it belongs
// and takes it from where it does not.
func (d *differ) noteNetwork(n Network) {
	g := Group{Bridge: n.Bridge, Network: n.Name, Note: true}
	key := schema.NoteKey(n.Name)
	for _, b := range d.db.Noting(n.Name) {
		if d.ours(b.ExternalIDs) && (b.Name != n.Bridge || n.Note == "") {
			g.Ops = append(g.Ops, mutate("Bridge", byUUID(b.UUID), patch("external_ids", b.ExternalIDs, map[string]string{key: ""})...))
			g.Steps = append(g.Steps, fmt.Sprintf("bridge %s no longer tells of network %s", b.Name, n.Name))
		}
	}
	if n.Note != "" && d.open[n.Bridge] {
		where, had := byName(n.Bridge), map[string]string(nil) // it may be made by this very plan
		if b := d.db.BridgeByName(n.Bridge); b != nil {
			where, had = byUUID(b.UUID), b.ExternalIDs
		}
		if ms := patch("external_ids", had, map[string]string{key: n.Note}); len(ms) > 0 {
			g.Ops = append(g.Ops, mutate("Bridge", where, ms...))
			g.Steps = append(g.Steps, fmt.Sprintf("bridge %s tells of network %s", n.Bridge, n.Name))
		}
	}
	d.add(g)
}

// noteHost adds the group that puts the note of the host on a bridge of ours.
func (d *differ) noteHost(w Bridge) {
	if w.Note == "" || !d.open[w.Name] {
		return
	}
	where, had := byName(w.Name), map[string]string(nil)
	if b := d.db.BridgeByName(w.Name); b != nil {
		where, had = byUUID(b.UUID), b.ExternalIDs
	}
	if ms := patch("external_ids", had, map[string]string{schema.KeyHost: w.Note}); len(ms) > 0 {
		d.add(Group{Bridge: w.Name, Note: true, Ops: []ovsdb.Operation{mutate("Bridge", where, ms...)},
			Steps: []string{fmt.Sprintf("bridge %s tells whose it is", w.Name)}})
	}
}

// unnoted returns the keys of all notes on a bridge, to be taken away.
func unnoted(b *schema.Bridge) map[string]string {
	none := map[string]string{schema.KeyHost: ""}
	for key := range b.ExternalIDs {
		if _, is := schema.Noted(key); is {
			none[key] = ""
		}
	}
	return none
}

// noteChanges gathers what groups of notes do, to do it once a bridge: the
// database sorts external_ids anew at every change of it.
type noteChanges []*bridgeNotes

type bridgeNotes struct {
	where []ovsdb.Condition
	gone  []any
	come  map[any]any
}

// take takes over an operation of a group of notes.
func (c *noteChanges) take(op ovsdb.Operation) {
	at := slices.IndexFunc(*c, func(b *bridgeNotes) bool { return reflect.DeepEqual(b.where, op.Where) })
	if at < 0 {
		at = len(*c)
		*c = append(*c, &bridgeNotes{where: op.Where, come: map[any]any{}})
	}
	b := (*c)[at]
	for _, m := range op.Mutations {
		switch v := m.Value.(type) {
		case ovsdb.OvsSet:
			b.gone = append(b.gone, v.GoSet...)
		case ovsdb.OvsMap:
			maps.Copy(b.come, v.GoMap)
		}
	}
}

func (c noteChanges) ops() []ovsdb.Operation {
	var ops []ovsdb.Operation
	for _, b := range c {
		var ms []ovsdb.Mutation
		if len(b.gone) > 0 {
			ms = append(ms, *ovsdb.NewMutation("external_ids", ovsdb.MutateOperationDelete, ovsdb.OvsSet{GoSet: b.gone}))
		}
		if len(b.come) > 0 {
			ms = append(ms, *ovsdb.NewMutation("external_ids", ovsdb.MutateOperationInsert, ovsdb.OvsMap{GoMap: b.come}))
		}
		ops = append(ops, mutate("Bridge", b.where, ms...))
	}
	return ops
}
