package controller

import (
	"fmt"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/schema"
)

// databaseOf makes the copy of a host's database that inventoryOf described.
// Rows that a database can't hold beside each other are an error.
func databaseOf(ovs *api.InventoryOVS) (*schema.DB, error) {
	s := schema.Full()
	for _, lacking := range ovs.Lacks {
		table, column, ok := strings.Cut(lacking, ".")
		if !ok || !s.Has(table, column) {
			return nil, fmt.Errorf("lacks: %q is not a TABLE.COLUMN that is used", lacking)
		}
		s = s.Without(table, column)
	}
	r := &rows{seen: map[string]bool{}}
	open := &schema.OpenvSwitch{UUID: "Open_vSwitch", OVSVersion: ovs.Version}
	for i := range ovs.Bridges {
		open.Bridges = append(open.Bridges, r.bridge(&ovs.Bridges[i]))
	}
	if r.err != nil {
		return nil, r.err
	}
	db := schema.NewDB(s)
	if _, err := db.Apply(append(r.updates, schema.Put(open))); err != nil {
		return nil, err
	}
	return db, nil
}

// rows collects rows. Their names, which are unique in a database, serve as
// UUIDs.
type rows struct {
	updates []schema.RowUpdate
	seen    map[string]bool
	err     error // the first
}

// id returns the UUID for a row of a table.
func (r *rows) id(table, name string) string {
	id := table + " " + name
	if (name == "" || r.seen[id]) && r.err == nil {
		r.err = fmt.Errorf("%s %q twice, or without a name", strings.ToLower(table), name)
	}
	r.seen[id] = true
	return id
}

func (r *rows) bridge(b *api.InventoryBridge) string {
	row := &schema.Bridge{
		UUID: r.id(schema.TableBridge, b.Name), Name: b.Name, DatapathID: b.DatapathID, DatapathType: b.DatapathType,
		FailMode: b.FailMode, Protocols: b.Protocols, STPEnable: b.STP, RSTPEnable: b.RSTP,
		ExternalIDs: b.ExternalIDs, OtherConfig: b.OtherConfig,
	}
	for i := range b.Ports {
		row.Ports = append(row.Ports, r.port(&b.Ports[i]))
	}
	for i, c := range b.Controllers {
		id := fmt.Sprintf("Controller %d of %s", i, b.Name) // several bridges may have the same one
		row.Controllers = append(row.Controllers, id)
		r.updates = append(r.updates, schema.Put(&schema.Controller{
			UUID: id, Target: c.Target, Type: c.Type, ConnectionMode: c.ConnectionMode, ExternalIDs: c.ExternalIDs,
		}))
	}
	r.updates = append(r.updates, schema.Put(row))
	return row.UUID
}

func (r *rows) port(p *api.InventoryPort) string {
	row := &schema.Port{
		UUID: r.id(schema.TablePort, p.Name), Name: p.Name, VLANMode: p.Mode, Tag: -1, Trunks: p.Trunks, CVLANs: p.CVLANs,
		FakeBridge: p.FakeBridge, Protected: p.Protected, ExternalIDs: p.ExternalIDs,
	}
	if p.Tag != nil {
		row.Tag = *p.Tag
	}
	for _, i := range p.Interfaces {
		id := r.id(schema.TableInterface, i.Name)
		row.Interfaces = append(row.Interfaces, id)
		r.updates = append(r.updates, schema.Put(&schema.Interface{
			UUID: id, Name: i.Name, Type: i.Type, OFPort: i.OFPort, OFPortRequest: i.OFPortRequest, Error: i.Error,
			LinkState: i.LinkState, MTU: i.MTU, BFD: i.BFD, Options: i.Options, ExternalIDs: i.ExternalIDs,
		}))
	}
	r.updates = append(r.updates, schema.Put(row))
	return row.UUID
}
