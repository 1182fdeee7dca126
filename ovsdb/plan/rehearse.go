package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// After returns a copy of db as it will be once the plan's operations are carried
// out and ovs-vswitchd has done its part: ports that are new have the numbers
// that they ask for, and rows that nothing refers to are gone. Rows that are new
// have made-up UUIDs. An error says that the plan does something that can't be
// rehearsed.
func (p Plan) After(db *schema.DB) (*schema.DB, error) {
	r := rehearsal{db: db.Clone(), named: map[string]string{}}
	for _, op := range p.Ops(db) {
		if err := r.do(op); err != nil {
			return nil, fmt.Errorf("rehearse %s %s: %w", op.Op, op.Table, err)
		}
	}
	r.collect()
	r.number()
	return r.db, nil
}

// rehearsal is a transaction carried out on a copy of a database.
type rehearsal struct {
	db    *schema.DB
	named map[string]string // UUIDs that are made up, by uuid-name
	loose []ref             // rows that something no longer refers to
	fresh []string          // UUIDs of Interfaces that are new
}

type ref struct{ table, uuid string }

// id returns the UUID that a uuid-name stands for, or the UUID itself.
func (r *rehearsal) id(name string) string {
	if len(name) == 36 && strings.Count(name, "-") == 4 {
		return name
	}
	if r.named[name] == "" {
		for n := len(r.named) + 1; ; n++ {
			id := fmt.Sprintf("00000000-0000-0000-0000-%012x", n)
			if !r.taken(id) {
				r.named[name] = id
				break
			}
		}
	}
	return r.named[name]
}

// taken reports whether a row has a UUID, as one may that was made up before.
func (r *rehearsal) taken(id string) bool {
	for _, given := range r.named {
		if given == id {
			return true
		}
	}
	return r.db.Bridges[id] != nil || r.db.Ports[id] != nil || r.db.Interfaces[id] != nil || r.db.Controllers[id] != nil
}

func (r *rehearsal) do(op ovsdb.Operation) error {
	switch op.Op {
	case ovsdb.OperationInsert:
		return r.insert(op)
	case ovsdb.OperationUpdate, ovsdb.OperationMutate:
	default:
		return fmt.Errorf("no such operation here")
	}
	row, err := r.find(op)
	if err != nil {
		return err
	}
	for column, v := range op.Row {
		if err := r.write(row, op.Table, column, r.value(v)); err != nil {
			return err
		}
	}
	for _, m := range op.Mutations {
		if err := r.mutate(row, op.Table, m); err != nil {
			return err
		}
	}
	return r.put(row)
}

func (r *rehearsal) insert(op ovsdb.Operation) error {
	id := r.id(op.UUIDName)
	var row schema.Columned
	switch op.Table {
	case schema.TableBridge:
		row = &schema.Bridge{UUID: id}
	case schema.TablePort:
		row = &schema.Port{UUID: id, Tag: -1}
	case schema.TableInterface:
		row = &schema.Interface{UUID: id}
		r.fresh = append(r.fresh, id)
	case schema.TableController:
		row = &schema.Controller{UUID: id}
	default:
		return fmt.Errorf("unknown table")
	}
	for column, v := range op.Row {
		if err := r.write(row, op.Table, column, r.value(v)); err != nil {
			return err
		}
	}
	return r.put(row)
}

// find returns a copy of the row that an operation is about.
func (r *rehearsal) find(op ovsdb.Operation) (schema.Columned, error) {
	if len(op.Where) != 1 || op.Where[0].Function != ovsdb.ConditionEqual {
		return nil, fmt.Errorf("where %v", op.Where)
	}
	var id string
	switch c := op.Where[0]; c.Column {
	case "_uuid":
		uuid, _ := c.Value.(ovsdb.UUID)
		id = uuid.GoUUID
	case "name":
		name, _ := c.Value.(string)
		if b := r.db.BridgeByName(name); b != nil && op.Table == schema.TableBridge {
			id = b.UUID
		}
	}
	switch op.Table {
	case schema.TableOpen:
		if r.db.Open.UUID == id {
			return schema.Copy(r.db.Open), nil
		}
	case schema.TableBridge:
		if b := r.db.Bridges[id]; b != nil {
			return schema.Copy(b), nil
		}
	case schema.TablePort:
		if p := r.db.Ports[id]; p != nil {
			return schema.Copy(p), nil
		}
	case schema.TableInterface:
		if i := r.db.Interfaces[id]; i != nil {
			return schema.Copy(i), nil
		}
	case schema.TableController:
		if c := r.db.Controllers[id]; c != nil {
			return schema.Copy(c), nil
		}
	}
	return nil, fmt.Errorf("no row where %v", op.Where)
}

// write sets a column. One that no copy of a database holds is of no interest
// here: max_backoff of a Controller is.
func (r *rehearsal) write(row schema.Columned, table, column string, v schema.Value) error {
	if !slices.Contains(schema.Columns(table), column) {
		return nil
	}
	return schema.Set(row, column, v)
}

func (r *rehearsal) mutate(row schema.Columned, table string, m ovsdb.Mutation) error {
	v, ok := schema.Get(row, m.Column)
	if !ok {
		return fmt.Errorf("no column %s", m.Column)
	}
	by := r.value(m.Value)
	switch m.Mutator {
	case ovsdb.MutateOperationAdd:
		now, _ := strconv.ParseInt(atom(v), 10, 64) // "" is 0
		more, err := strconv.ParseInt(atom(by), 10, 64)
		if err != nil {
			return fmt.Errorf("column %s: %w", m.Column, err)
		}
		v.Atoms = []string{strconv.FormatInt(now+more, 10)}
	case ovsdb.MutateOperationDelete:
		for _, a := range by.Atoms {
			delete(v.Pairs, a)
		}
		v.Atoms = slices.DeleteFunc(v.Atoms, func(a string) bool { return slices.Contains(by.Atoms, a) })
		if of := refersTo(table, m.Column); of != "" {
			for _, a := range by.Atoms {
				r.loose = append(r.loose, ref{of, a})
			}
		}
	case ovsdb.MutateOperationInsert:
		for k, a := range by.Pairs {
			if _, there := v.Pairs[k]; there {
				continue // RFC 7047 §5.1: what is there stays
			}
			if v.Pairs == nil {
				v.Pairs = map[string]string{}
			}
			v.Pairs[k] = a
		}
		v.Atoms = append(v.Atoms, by.Atoms...)
		slices.Sort(v.Atoms)
		v.Atoms = slices.Compact(v.Atoms)
	default:
		return fmt.Errorf("mutator %s", m.Mutator)
	}
	return schema.Set(row, m.Column, v)
}

// refersTo returns the table that a column's UUIDs are of; "" where it has none.
func refersTo(table, column string) string {
	switch table + "." + column {
	case "Open_vSwitch.bridges":
		return schema.TableBridge
	case "Bridge.ports":
		return schema.TablePort
	case "Bridge.controller":
		return schema.TableController
	case "Port.interfaces":
		return schema.TableInterface
	}
	return ""
}

func atom(v schema.Value) string {
	if len(v.Atoms) == 0 {
		return ""
	}
	return v.Atoms[0]
}

// value turns what operations hold into words.
func (r *rehearsal) value(raw any) schema.Value {
	switch raw := raw.(type) {
	case ovsdb.OvsSet:
		v := schema.Value{}
		for _, a := range raw.GoSet {
			v.Atoms = append(v.Atoms, r.text(a))
		}
		slices.Sort(v.Atoms)
		return v
	case ovsdb.OvsMap:
		v := schema.Value{Pairs: map[string]string{}}
		for k, a := range raw.GoMap {
			v.Pairs[r.text(k)] = r.text(a)
		}
		return v
	case string:
		if raw == "" {
			return schema.Value{}
		}
	}
	return schema.Value{Atoms: []string{r.text(raw)}}
}

func (r *rehearsal) text(atom any) string {
	if id, is := atom.(ovsdb.UUID); is {
		return r.id(id.GoUUID)
	}
	return fmt.Sprint(atom)
}

func (r *rehearsal) put(row schema.Columned) error {
	var u schema.RowUpdate
	switch row := row.(type) {
	case *schema.OpenvSwitch:
		u = schema.Put(row)
	case *schema.Bridge:
		u = schema.Put(row)
	case *schema.Port:
		u = schema.Put(row)
	case *schema.Interface:
		u = schema.Put(row)
	case *schema.Controller:
		u = schema.Put(row)
	}
	_, err := r.db.Apply([]schema.RowUpdate{u})
	return err
}

// collect drops rows that nothing refers to any longer, and what only they
// referred to, as the database does.
func (r *rehearsal) collect() {
	for len(r.loose) > 0 {
		at := r.loose[0]
		r.loose = r.loose[1:]
		if r.referred(at) {
			continue
		}
		switch at.table {
		case schema.TableBridge:
			if b := r.db.Bridges[at.uuid]; b != nil {
				r.loosen(schema.TablePort, b.Ports)
				r.loosen(schema.TableController, b.Controllers)
			}
		case schema.TablePort:
			if p := r.db.Ports[at.uuid]; p != nil {
				r.loosen(schema.TableInterface, p.Interfaces)
			}
		}
		_, _ = r.db.Apply([]schema.RowUpdate{schema.Drop(at.table, at.uuid)}) // to drop can't fail
	}
}

func (r *rehearsal) loosen(table string, ids []string) {
	for _, id := range ids {
		r.loose = append(r.loose, ref{table, id})
	}
}

func (r *rehearsal) referred(at ref) bool {
	switch at.table {
	case schema.TableBridge:
		return slices.Contains(r.db.Open.Bridges, at.uuid)
	case schema.TablePort:
		return r.db.BridgeOfPort(at.uuid) != nil
	case schema.TableInterface:
		return r.db.PortOfInterface(at.uuid) != nil
	case schema.TableController:
		for _, b := range r.db.Bridges {
			if slices.Contains(b.Controllers, at.uuid) {
				return true
			}
		}
	}
	return false
}

// localNumber is what the database says of the number of a bridge's own port,
// OpenFlow 1.0's OFPP_LOCAL.
const localNumber = 0xfffe

// number does for new rows what ovs-vswitchd would.
func (r *rehearsal) number() {
	for _, id := range r.fresh {
		i := r.db.Interfaces[id]
		if i == nil || i.OFPort != 0 {
			continue
		}
		p := r.db.PortOfInterface(id)
		if p == nil {
			continue
		}
		b := r.db.BridgeOfPort(p.UUID)
		if b == nil {
			continue
		}
		row := schema.Copy(i)
		switch row.OFPort = i.OFPortRequest; {
		case i.Name == b.Name:
			row.OFPort = localNumber
		case row.OFPort == 0: // a schema that knows no requests
			d := differ{db: r.db, numbers: map[string]*numbers{}}
			row.OFPort = d.numbersOf(b.Name).take()
		}
		_ = r.put(row) // it was put before
		if id := b.OtherConfig["datapath-id"]; b.DatapathID == "" && id != "" {
			bridge := schema.Copy(b)
			bridge.DatapathID = id
			_ = r.put(bridge)
		}
	}
}
