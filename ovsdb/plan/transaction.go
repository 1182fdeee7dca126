package plan

import (
	"reflect"
	"slices"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// deletionBatch is how many ports go in one transaction of Batches.
//
// For each port that goes, ovs-vswitchd copies its table of all that are there,
// and until a transaction is carried out it answers nobody. With Open vSwitch
// 3.1.0, 1,000 of 2,000 GRE ports went in 1.47–1.60 s in one transaction, in
// 1.46–1.63 s by 250, 1.75 s by 100, 2.08 s by 25, each waiting for cur_cfg;
// 2,000 of 4,000 in 9.2 s in one, 7.9 s by 250. So this size costs nothing and
// lets the switch breathe.
const deletionBatch = 250

// Ops returns the operations of all groups as one transaction, and the
// increment of Open_vSwitch.next_cfg by which cur_cfg tells when ovs-vswitchd
// has done it, save where there are only notes. A plan without groups has none.
//
// What the groups do to Bridge.ports is done at the end, once a bridge: the
// database sorts that set anew at every change of it.
func (p Plan) Ops(db *schema.DB) []ovsdb.Operation {
	ops, ports := p.gather()
	ops = append(ops, ports.ops()...)
	return p.ended(db, ops)
}

// ended adds the increment of next_cfg to operations, if they are anything to
// ovs-vswitchd.
func (p Plan) ended(db *schema.DB, ops []ovsdb.Operation) []ovsdb.Operation {
	if len(ops) == 0 {
		return nil
	}
	if slices.ContainsFunc(p.Groups, func(g Group) bool { return !g.Note }) {
		ops = append(ops, bump(db))
	}
	return ops
}

// Batches returns the operations of all groups as transactions to be sent one
// after the other, which together do what that of Ops does. The first does
// everything save deletions of ports beyond deletionBatch, which the others do
// with as many each. Each ends with the increment of next_cfg, as with Ops. The first alone
// leaves a valid state, and a new plan after it finds the rest to be done.
func (p Plan) Batches(db *schema.DB) [][]ovsdb.Operation {
	ops, ports := p.gather()
	inserted := portsInserted(ops)
	rest := ports.split(deletionBatch, func(port string) bool {
		p := db.Ports[port]
		return p != nil && inserted[p.Name] // names are unique: both in one transaction
	})
	ops = append(ops, ports.ops()...)
	if len(ops) == 0 {
		return nil
	}
	batches := [][]ovsdb.Operation{p.ended(db, ops)}
	for _, more := range rest {
		batches = append(batches, append(more.ops(), bump(db)))
	}
	return batches
}

// gather returns the operations of all groups in order, notes last, apart from
// those that do nothing but change the ports of a bridge.
func (p Plan) gather() ([]ovsdb.Operation, *portChanges) {
	var ops []ovsdb.Operation
	var notes noteChanges
	ports := &portChanges{}
	for _, g := range p.Groups {
		for _, op := range g.Ops {
			switch {
			case g.Note:
				notes.take(op)
			case !ports.take(op):
				ops = append(ops, op)
			}
		}
	}
	return append(ops, notes.ops()...), ports
}

// portsInserted returns the names of the ports that operations insert.
func portsInserted(ops []ovsdb.Operation) map[string]bool {
	names := map[string]bool{}
	for _, op := range ops {
		if name, ok := op.Row["name"].(string); ok && op.Op == ovsdb.OperationInsert && op.Table == "Port" {
			names[name] = true
		}
	}
	return names
}

// portChanges gathers changes of Bridge.ports.
type portChanges struct {
	bridges []*bridgePorts // in the order of their first change
}

type bridgePorts struct {
	where      []ovsdb.Condition
	gone, come []any
}

// take takes over an operation that does nothing but change the ports of one
// bridge.
func (c *portChanges) take(op ovsdb.Operation) bool {
	if op.Op != ovsdb.OperationMutate || op.Table != "Bridge" {
		return false
	}
	for _, m := range op.Mutations {
		if _, set := m.Value.(ovsdb.OvsSet); m.Column != "ports" || !set {
			return false
		}
	}
	b := c.of(op.Where)
	for _, m := range op.Mutations {
		set := m.Value.(ovsdb.OvsSet)
		if m.Mutator == ovsdb.MutateOperationDelete {
			b.gone = append(b.gone, set.GoSet...)
		} else {
			b.come = append(b.come, set.GoSet...)
		}
	}
	return true
}

// of returns the changes of one bridge.
func (c *portChanges) of(where []ovsdb.Condition) *bridgePorts {
	at := slices.IndexFunc(c.bridges, func(b *bridgePorts) bool { return reflect.DeepEqual(b.where, where) })
	if at < 0 {
		at = len(c.bridges)
		c.bridges = append(c.bridges, &bridgePorts{where: where})
	}
	return c.bridges[at]
}

// split takes the deletions beyond the first size out, save those that must not
// wait, and returns them by size each.
func (c *portChanges) split(size int, now func(port string) bool) []*portChanges {
	all := 0
	for _, b := range c.bridges {
		all += len(b.gone)
	}
	if all <= size {
		return nil
	}
	var rest []*portChanges
	full := 0 // deletions that c or the last of rest has so far
	for _, b := range c.bridges {
		gone := b.gone
		b.gone = nil
		for _, port := range gone {
			id, _ := port.(ovsdb.UUID)
			switch {
			case now(id.GoUUID):
				b.gone = append(b.gone, port)
				continue
			case full == size:
				rest = append(rest, &portChanges{})
				full = 0
			}
			full++
			if len(rest) == 0 {
				b.gone = append(b.gone, port)
				continue
			}
			last := rest[len(rest)-1].of(b.where)
			last.gone = append(last.gone, port)
		}
	}
	return rest
}

func (c *portChanges) ops() []ovsdb.Operation {
	var ops []ovsdb.Operation
	for _, b := range c.bridges {
		var ms []ovsdb.Mutation
		if len(b.gone) > 0 {
			ms = append(ms, *ovsdb.NewMutation("ports", ovsdb.MutateOperationDelete, ovsdb.OvsSet{GoSet: b.gone}))
		}
		if len(b.come) > 0 {
			ms = append(ms, *ovsdb.NewMutation("ports", ovsdb.MutateOperationInsert, ovsdb.OvsSet{GoSet: b.come}))
		}
		if len(ms) > 0 {
			ops = append(ops, mutate("Bridge", b.where, ms...))
		}
	}
	return ops
}
