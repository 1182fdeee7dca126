package controller

import (
	"errors"
	"fmt"
	"net/netip"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/trace"
)

// Trace follows a packet through dumps, or with Want through the flows that the
// bridges should hold, as Controller.Trace does. A bridge on its way without a
// dump, and lines of one that make no sense, make the report incomplete.
func (o *Offline) Trace(r api.TraceRequest, dumps Dumps) (api.TraceReport, error) {
	m := newTraceMesh()
	for _, h := range o.Hosts() {
		m.hosts[h.Name] = traceHost{loop: h.loop}
	}
	for _, h := range o.Hosts() {
		for _, on := range h.loop.on {
			m.add(h.Name, on)
		}
	}
	tables := api.TraceDump
	if r.Want {
		tables = api.TraceWant
	}
	w := &offlineWorld{mesh: m, offline: o, dumps: dumps, want: r.Want, hosts: map[string]*trace.Host{}, tables: map[[2]string]*forward.Bridge{}}
	return m.trace(r, w, tables)
}

// offlineWorld is hosts as an inventory has them, and the tables of dumps.
type offlineWorld struct {
	mesh    *traceMesh
	offline *Offline
	dumps   Dumps
	want    bool
	network string
	key     uint64
	hosts   map[string]*trace.Host
	tables  map[[2]string]*forward.Bridge
}

func (w *offlineWorld) begin(network string, key uint64) { w.network, w.key = network, key }

func (w *offlineWorld) gap(host, bridge string) error {
	if w.want {
		return nil
	}
	return w.dumps[host][bridge].Err
}

// HostAt implements trace.World.
func (w *offlineWorld) HostAt(a netip.Addr) string { return w.mesh.ends[a] }

// Host implements trace.World.
func (w *offlineWorld) Host(name string) (*trace.Host, error) {
	if h := w.hosts[name]; h != nil {
		return h, nil
	}
	known := w.mesh.hosts[name]
	if known.external {
		return &trace.Host{Name: name, Endpoint: known.endpoint, External: true}, nil
	}
	h := w.offline.Host(name)
	switch {
	case h == nil:
		return nil, errors.New("the spec and the inventory do not have it")
	case h.Missing != "":
		return nil, errors.New(h.Missing)
	}
	w.hosts[name] = h.loop.traceHost(known.endpoint, w.network, w.key)
	return w.hosts[name], nil
}

// Tables implements trace.World.
func (w *offlineWorld) Tables(host, bridge string) (*forward.Bridge, error) {
	at := [2]string{host, bridge}
	if t := w.tables[at]; t != nil {
		return t, nil
	}
	loop := w.offline.Host(host).loop
	b := loop.bridges[bridge]
	if b == nil {
		return nil, fmt.Errorf("bridge %s is not managed by ovsmesh: nothing is known of its flows", bridge)
	}
	side := loop.traceBeside(b)
	sw := forward.Switch{Ports: side.ports, Stations: side.stations}
	if w.want {
		want, err := loop.wantedOn(b)
		if err != nil {
			return nil, err
		}
		sw.Flows, sw.Groups = want, []forward.Group{}
	} else {
		d, ok := w.dumps[host][bridge]
		if !ok {
			return nil, fmt.Errorf("there is no dump of bridge %s (--dump %s/%s=FILE)", bridge, host, bridge)
		}
		if sw.Flows = d.Flows; d.Old {
			if sw.Flows = w.offline.Host(host).modern(b, d.Flows); sw.Flows == nil {
				return nil, fmt.Errorf("the dump of bridge %s: %s", bridge, notOldEnough)
			}
		}
	}
	w.tables[at] = forward.Load(sw)
	return w.tables[at], nil
}
