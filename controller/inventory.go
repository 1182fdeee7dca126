package controller

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/schema"
)

// Inventory returns what the hosts last reported of themselves; with rows, also
// what is on their bridges, of those that are connected.
func (c *Controller) Inventory(ctx context.Context, r api.InventoryRequest) (api.Inventory, error) {
	inv := &api.Inventory{StoreID: c.env.owner, Networks: []api.InventoryNetwork{}, Hosts: []api.InventoryHost{}}
	var loops []*host // of inv.Hosts
	err := c.hub.do(ctx, func() {
		for _, n := range c.hub.intent.Networks() {
			inv.Networks = append(inv.Networks, api.InventoryNetwork{Name: n.Name, ID: n.ID, Encap: n.Encap, Key: n.Key, Pins: n.Pins})
		}
		for _, name := range slices.Sorted(maps.Keys(c.hub.facts)) {
			h := api.InventoryHost{Name: name, HostFacts: c.hub.facts[name]}
			if rec, ok := c.hub.intent.Host(name); ok {
				h.ID = rec.ID
			}
			_, h.Left = c.hub.left[h.SystemID]
			inv.Hosts = append(inv.Hosts, h)
			loops = append(loops, c.hub.hosts[name])
		}
	})
	if err != nil {
		return api.Inventory{}, err
	}
	if r.Rows {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		fillRows(ctx, inv.Hosts, loops)
	}
	return *inv, nil
}

// fillRows asks the loops of hosts, some at a time, for their rows.
func fillRows(ctx context.Context, hosts []api.InventoryHost, loops []*host) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, auditors)
	for i, h := range loops {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			hosts[i].OVS, hosts[i].Missing = h.inventory(ctx)
		})
	}
	wg.Wait()
}

// inventory returns what is on the host's bridges, or why that is not known. h
// may be nil.
func (h *host) inventory(ctx context.Context) (*api.InventoryOVS, string) {
	if h == nil {
		return nil, "it is not in the mesh"
	}
	// Written by the loop, read here only if the loop says that it is done.
	var ovs *api.InventoryOVS
	why := "it is not connected"
	if !h.ask(ctx, func(context.Context) {
		if h.att != nil {
			ovs, why = inventoryOf(h.att.db), ""
			ovs.Target = h.target()
		}
	}) {
		return nil, "it does not answer in time"
	}
	return ovs, why
}

// inventoryOf describes a host's rows; databaseOf is its reverse.
func inventoryOf(db *schema.DB) *api.InventoryOVS {
	ovs := &api.InventoryOVS{Version: db.Open.OVSVersion, Bridges: []api.InventoryBridge{}}
	full := schema.Full()
	for table, columns := range full.Columns() {
		for _, c := range columns {
			if !db.Has(table, c) {
				ovs.Lacks = append(ovs.Lacks, table+"."+c)
			}
		}
	}
	slices.Sort(ovs.Lacks)
	for _, b := range db.Bridges {
		row := api.InventoryBridge{
			Name: b.Name, DatapathID: b.DatapathID, DatapathType: b.DatapathType, FailMode: b.FailMode, Protocols: b.Protocols,
			STP: b.STPEnable, RSTP: b.RSTPEnable, ExternalIDs: b.ExternalIDs, OtherConfig: b.OtherConfig,
		}
		for _, id := range b.Ports {
			if p := db.Ports[id]; p != nil {
				row.Ports = append(row.Ports, inventoryPort(db, p))
			}
		}
		for _, id := range b.Controllers {
			if c := db.Controllers[id]; c != nil {
				row.Controllers = append(row.Controllers, api.InventoryController{
					Target: c.Target, Type: c.Type, ConnectionMode: c.ConnectionMode, ExternalIDs: c.ExternalIDs,
				})
			}
		}
		slices.SortFunc(row.Controllers, func(a, b api.InventoryController) int { return strings.Compare(a.Target, b.Target) })
		slices.SortFunc(row.Ports, func(a, b api.InventoryPort) int { return strings.Compare(a.Name, b.Name) })
		ovs.Bridges = append(ovs.Bridges, row)
	}
	slices.SortFunc(ovs.Bridges, func(a, b api.InventoryBridge) int { return strings.Compare(a.Name, b.Name) })
	return ovs
}

func inventoryPort(db *schema.DB, p *schema.Port) api.InventoryPort {
	row := api.InventoryPort{
		Name: p.Name, Mode: p.VLANMode, Trunks: p.Trunks, CVLANs: p.CVLANs,
		FakeBridge: p.FakeBridge, Protected: p.Protected, ExternalIDs: p.ExternalIDs, Interfaces: []api.InventoryInterface{},
	}
	if p.Tag >= 0 {
		tag := p.Tag
		row.Tag = &tag
	}
	for _, id := range p.Interfaces {
		if i := db.Interfaces[id]; i != nil {
			row.Interfaces = append(row.Interfaces, api.InventoryInterface{
				Name: i.Name, Type: i.Type, OFPort: i.OFPort, OFPortRequest: i.OFPortRequest, Error: i.Error,
				LinkState: i.LinkState, MTU: i.MTU, BFD: i.BFD, Options: openOptions(i.Options), ExternalIDs: i.ExternalIDs,
			})
		}
	}
	slices.SortFunc(row.Interfaces, func(a, b api.InventoryInterface) int { return cmp.Compare(a.Name, b.Name) })
	return row
}

// openOptions returns the options of an Interface that may be shown: others
// may be keys of IPsec.
func openOptions(options map[string]string) map[string]string {
	var open map[string]string
	for _, key := range []string{"key", "in_key", "out_key", "remote_ip", "local_ip", "dst_port", "peer", "csum", "df_default", "tos", "ttl"} {
		if v, ok := options[key]; ok {
			if open == nil {
				open = map[string]string{}
			}
			open[key] = v
		}
	}
	return open
}
