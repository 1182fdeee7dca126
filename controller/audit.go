package controller

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// auditors bounds how many hosts are looked at at the same time: each holds
// the whole of its database and its flow tables in memory.
const auditors = 16

// Audit reads rows and flows back from the switches now and compares them with
// what is wanted. A host that can't be looked at makes the report incomplete.
func (c *Controller) Audit(ctx context.Context, r api.AuditRequest) (api.AuditReport, error) {
	v, err := c.look(ctx)
	if err != nil {
		return api.AuditReport{}, err
	}
	if r.Network != "" && !v.hasNetwork(r.Network) {
		return api.AuditReport{}, fmt.Errorf("network %q: %w", r.Network, topology.ErrNotFound)
	}
	var (
		mu       sync.Mutex
		checked  audit.Checked
		findings []audit.Finding
		wg       sync.WaitGroup
		slots    = make(chan struct{}, auditors)
		found    = r.Host == ""
	)
	for _, now := range v.hosts {
		if r.Host != "" && now.rec.Name != r.Host {
			continue
		}
		found = true
		if now.left || now.rec.Kind == topology.KindExternal || r.Network != "" && !slices.Contains(now.networks, r.Network) {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			l := &hostAudit{request: r, host: now.rec.Name}
			l.run(ctx, now.loop)
			mu.Lock()
			defer mu.Unlock()
			checked.Hosts += l.checked.Hosts
			checked.Bridges += l.checked.Bridges
			checked.Tunnels += l.checked.Tunnels
			checked.Flows += l.checked.Flows
			findings = append(findings, l.findings...)
		})
	}
	wg.Wait()
	if !found {
		return api.AuditReport{}, fmt.Errorf("host %q: %w", r.Host, topology.ErrNotFound)
	}
	return audit.NewReport(checked, findings), nil
}

// hostAudit is the look at one host.
type hostAudit struct {
	request  api.AuditRequest
	host     string
	checked  audit.Checked
	findings []audit.Finding
}

// run looks at the host on its loop's goroutine, so that what is wanted can't
// change meanwhile.
func (a *hostAudit) run(ctx context.Context, h *host) {
	if h == nil {
		a.unreachable("it has never dialled in")
		return
	}
	// Written by the loop, read here only if the loop says that it is done.
	look := *a
	if !h.ask(ctx, func(ctx context.Context) { look.look(ctx, h) }) {
		a.unreachable("it does not answer in time")
		return
	}
	*a = look
}

func (a *hostAudit) unreachable(why string) {
	a.findings = append(a.findings, audit.UnreachableHostFinding(a.host, why))
}

func (a *hostAudit) look(ctx context.Context, h *host) {
	if h.att == nil {
		a.unreachable("it is not connected")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	db, err := h.att.sess.SelectDB(ctx)
	if err != nil {
		a.unreachable(err.Error())
		return
	}
	a.checked.Hosts++
	a.tunnels(h, db)
	for _, b := range h.bridges {
		if id, on := a.onBridge(h, b); on {
			a.bridge(ctx, h, db, b, id)
		}
	}
}

// onBridge reports whether a bridge is within the request; id is the only
// network to look at, 0 for all.
func (a *hostAudit) onBridge(h *host, b *bridge) (id uint32, on bool) {
	if a.request.Network == "" {
		return 0, true
	}
	w := h.on[a.request.Network]
	if w == nil || w.Bridge != b.name {
		return 0, false
	}
	return w.Net.ID, true
}

func (a *hostAudit) tunnels(h *host, db *schema.DB) {
	var want, got []audit.Tunnel
	for name, on := range h.on {
		if !a.concerns(h, name) {
			continue
		}
		tunnels, _ := h.tunnels(db, on)
		for _, t := range tunnels {
			if t.Carrier != "" {
				continue
			}
			w := auditTunnel(name, on.Bridge, ownTunnel(t.Tunnel))
			if t.port != nil {
				w.Name = t.port.Name // taken over from the old plugin, under its name
			}
			want = append(want, w)
		}
	}
	for name, c := range h.carriers {
		if a.concerns(h, name) {
			for _, t := range c.tunnels() {
				want = append(want, auditTunnel(name, c.bridge(), t))
			}
		}
	}
	for i := range want {
		if b := h.bridges[want[i].Bridge]; b != nil {
			want[i].Fenced = b.takes()
		}
	}
	for _, t := range plan.Tunnels(db, h.env.owner) {
		if a.concerns(h, t.Network) {
			got = append(got, audit.Tunnel{
				Name: t.Name, Type: t.Type, Bridge: t.Bridge, Network: networkNamed(t.Network), Peer: t.Peer, Key: t.Key,
				RemoteIP: t.RemoteIP, LocalIP: t.LocalIP, DstPort: t.DstPort, BFD: t.BFD, Fenced: t.Fenced, OFPort: t.OFPort, Error: t.Error,
			})
		}
	}
	a.checked.Tunnels += len(want)
	a.findings = append(a.findings, audit.Tunnels(a.host, want, got)...)
}

// concerns reports whether the request covers a network, or a carrier that
// carries the network asked for.
func (a *hostAudit) concerns(h *host, name string) bool {
	return a.request.Network == "" || a.request.Network == name ||
		topology.IsCarrier(name) && slices.Contains(h.carriers[name].users(), a.request.Network)
}

// networkNamed returns the network of a tunnel port; "" of one that several
// networks share.
func networkNamed(name string) string {
	if topology.IsCarrier(name) {
		return ""
	}
	return name
}

func auditTunnel(network, bridge string, t plan.Tunnel) audit.Tunnel {
	w := audit.Tunnel{
		Name: t.Name, Type: t.Type, Bridge: bridge, Network: networkNamed(network), Peer: t.Peer,
		Key: "flow", RemoteIP: "flow", LocalIP: addrText(t.LocalIP), BFD: t.BFD,
	}
	if t.Key != 0 {
		w.Key = strconv.FormatUint(uint64(t.Key), 10)
	}
	if t.RemoteIP.IsValid() {
		w.RemoteIP = t.RemoteIP.String()
	}
	if t.DstPort != topology.DefaultVXLANPort {
		w.DstPort = t.DstPort
	}
	return w
}

func (a *hostAudit) bridge(ctx context.Context, h *host, db *schema.DB, b *bridge, only uint32) {
	if only == 0 {
		want, got := plan.Settings(db, b.name)
		a.findings = append(a.findings, audit.Settings(a.host, b.name, want, got)...)
	}
	if b.sess == nil {
		a.unreachable("bridge " + b.name + " is not connected over OpenFlow")
		return
	}
	got, err := b.sess.Flows(ctx)
	if err != nil {
		a.unreachable("bridge " + b.name + ": " + err.Error())
		return
	}
	a.checked.Bridges++
	look := audit.Bridge{
		Host: a.host, Name: b.name, Foreign: a.request.Foreign,
		Network: func(id uint32) string { return b.nets[id] },
		Port:    h.portNames(db, b),
		MAC:     h.macNames(b),
	}
	ids := []uint32{only}
	if only == 0 {
		for id := range b.nets {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		want, ok, err := h.compile(b, id)
		if err != nil {
			a.unreachable("bridge " + b.name + ": " + err.Error())
			continue
		}
		if !ok {
			want = b.installed[id] // until its ports have been made
		}
		look.Want = append(look.Want, want...)
	}
	look.Got = slices.DeleteFunc(got, func(f flow.Flow) bool {
		return only != 0 && pipeline.Owned(f.Cookie) && pipeline.NetworkOf(f.Cookie) != only
	})
	a.checked.Flows += len(look.Want)
	a.findings = append(a.findings, audit.Flows(look)...)
}

// portNames returns a function that names a bridge's ports for people: a VIF
// by its port's name, a tunnel by the host that it leads to.
func (h *host) portNames(db *schema.DB, b *bridge) func(uint32) string {
	names := map[uint32]string{}
	for _, network := range b.nets {
		on := h.on[network]
		if on == nil {
			continue
		}
		for _, v := range on.VIFs {
			if i := db.InterfaceByName(v.Interface); i != nil && i.OFPort > 0 {
				names[uint32(i.OFPort)] = v.Port
			}
		}
		tunnels, _ := h.tunnels(db, on)
		for _, t := range tunnels {
			switch {
			case t.row == nil || t.row.OFPort <= 0:
			case t.row.Options["remote_ip"] == "flow":
				names[uint32(t.row.OFPort)] = "other hosts"
			default:
				names[uint32(t.row.OFPort)] = t.Peer
			}
		}
	}
	return func(ofport uint32) string { return names[ofport] }
}

// macNames returns a function that says whose a MAC address is, as far as the
// networks of a bridge agree on it.
func (h *host) macNames(b *bridge) func([6]byte) string {
	names := map[[6]byte]string{}
	note := func(mac [6]byte, name string) {
		if was, ok := names[mac]; ok && was != name {
			name = ""
		}
		names[mac] = name
	}
	for _, network := range b.nets {
		on := h.on[network]
		if on == nil {
			continue
		}
		for _, v := range on.VIFs {
			for _, m := range v.MACs {
				note(m, v.Port)
			}
		}
	}
	return func(mac [6]byte) string { return names[mac] }
}
