package schema

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// MaxRows is how many rows one host's copy may have in all. A peer that sends
// more is not taken seriously.
const MaxRows = 500_000

// DB is one host's copy of the tables that ovsmesh uses. Rows are immutable:
// Apply replaces them, so one may be kept and compared with its successor. The
// maps are for reading only. A DB is owned by one goroutine.
type DB struct {
	Open        *OpenvSwitch // never nil; zero until the host has sent the row
	Bridges     map[string]*Bridge
	Ports       map[string]*Port
	Interfaces  map[string]*Interface
	Controllers map[string]*Controller

	schema          *Schema
	bridgeByName    map[string]*Bridge
	portByName      map[string]*Port
	interfaceByName map[string]*Interface
	bridgeOfPort    map[string]string // Port UUID → Bridge UUID
	portOfInterface map[string]string // Interface UUID → Port UUID
	owned           map[string]*Port  // Ports with KeyOwner, by UUID
	ofNetwork       map[string]map[string]*Port
	owners          map[string]int                // rows by KeyOwner; see Owners
	noting          map[string]map[string]*Bridge // Bridges with a note of a network, by network and UUID
}

// NewDB returns an empty copy of a database with that schema.
func NewDB(s *Schema) *DB {
	return &DB{
		Open:        &OpenvSwitch{},
		Bridges:     map[string]*Bridge{},
		Ports:       map[string]*Port{},
		Interfaces:  map[string]*Interface{},
		Controllers: map[string]*Controller{},

		schema:          s,
		bridgeByName:    map[string]*Bridge{},
		portByName:      map[string]*Port{},
		interfaceByName: map[string]*Interface{},
		bridgeOfPort:    map[string]string{},
		portOfInterface: map[string]string{},
		owned:           map[string]*Port{},
		ofNetwork:       map[string]map[string]*Port{},
		owners:          map[string]int{},
		noting:          map[string]map[string]*Bridge{},
	}
}

// Schema returns what the host's database can hold.
func (db *DB) Schema() *Schema { return db.schema }

// Has reports whether the host's schema has a column, see Schema.Has.
func (db *DB) Has(table, column string) bool { return db.schema.Has(table, column) }

// BridgeByName returns the bridge of that name, nil if there is none.
func (db *DB) BridgeByName(name string) *Bridge { return db.bridgeByName[name] }

// PortByName returns the port of that name, nil if there is none.
func (db *DB) PortByName(name string) *Port { return db.portByName[name] }

// InterfaceByName returns the interface of that name, nil if there is none.
func (db *DB) InterfaceByName(name string) *Interface { return db.interfaceByName[name] }

// BridgeOfPort returns the bridge that holds a port, by the port's UUID; nil if
// none does.
func (db *DB) BridgeOfPort(port string) *Bridge { return db.Bridges[db.bridgeOfPort[port]] }

// PortOfInterface returns the port that holds an interface, by the interface's
// UUID; nil if none does.
func (db *DB) PortOfInterface(iface string) *Port { return db.Ports[db.portOfInterface[iface]] }

// PortsOfNetwork returns the ports that carry an owner, whoever it is, and that
// network, sorted by name.
func (db *DB) PortsOfNetwork(network string) []*Port { return sorted(db.ofNetwork[network]) }

// OwnedPorts returns the ports that carry an owner, whoever it is, sorted by
// name.
func (db *DB) OwnedPorts() []*Port { return sorted(db.owned) }

// Owners returns the stores that have rows here, bridges and ports, and how many:
// by the UUID in KeyOwner. The map is for reading only, until the next Apply.
func (db *DB) Owners() map[string]int { return db.owners }

// Noting returns the bridges that carry a note of a network, whoever's it is,
// sorted by name.
func (db *DB) Noting(network string) []*Bridge {
	if len(db.noting[network]) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Values(db.noting[network]), func(a, b *Bridge) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UUID, b.UUID))
	})
}

// NotedNetworks returns the networks of which a bridge carries a note, whoever's
// it is, sorted.
func (db *DB) NotedNetworks() []string { return slices.Sorted(maps.Keys(db.noting)) }

func sorted(m map[string]*Port) []*Port {
	ports := make([]*Port, 0, len(m))
	for _, p := range m {
		ports = append(ports, p)
	}
	slices.SortFunc(ports, func(a, b *Port) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UUID, b.UUID))
	})
	return ports
}

// Apply takes over updates in their order and tells what they changed. Its cost
// grows with the updates, and with the number of ports of a bridge that
// changed. On an error, which says that the peer sends nonsense, the DB is of
// no further use.
func (db *DB) Apply(updates []RowUpdate) (Changes, error) {
	t := tally{db: db}
	for _, u := range updates {
		switch u.Table {
		case TableOpen:
			row, _ := u.row.(*OpenvSwitch)
			db.putOpen(&t, u, row)
		case TableBridge:
			row, _ := u.row.(*Bridge)
			db.putBridge(&t, u.UUID, row)
		case TablePort:
			row, _ := u.row.(*Port)
			db.putPort(&t, u.UUID, row)
		case TableInterface:
			row, _ := u.row.(*Interface)
			db.putInterface(&t, u.UUID, row)
		case TableController:
			row, _ := u.row.(*Controller)
			db.putController(&t, u.UUID, row)
		default:
			return Changes{}, fmt.Errorf("update of unknown table %.40q", u.Table)
		}
	}
	if n := len(db.Bridges) + len(db.Ports) + len(db.Interfaces) + len(db.Controllers); n > MaxRows {
		return Changes{}, fmt.Errorf("%d rows, more than %d", n, MaxRows)
	}
	return t.changes(), nil
}
