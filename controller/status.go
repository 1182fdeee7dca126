package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// hostStatus is what a host's loop tells the rest of the process of its work.
// The loop writes it, anybody reads it; it is data for people and decides
// nothing.
type hostStatus struct {
	tell func(...api.Event) // of this host

	mu        sync.Mutex
	connected bool
	writer    bool // we hold the lock
	address   string
	version   string
	underlay  int                      // MTU of the interface by which its tunnels leave; 0: not known
	applied   uint64                   // generation that is on the switches
	waiting   string                   // what is between applied and now; "" where nothing is
	errText   string                   // of the last transaction that failed as a whole
	networks  map[string]networkStatus // while it is connected
	bridges   map[string]api.TopologyBridge

	touched  map[string]struct{} // networks to look at again; the loop's own
	released []string            // bridges that are no longer ours, to be told of; the loop's own
}

// networkStatus is one network on one host.
type networkStatus struct {
	tunnels  []api.Tunnel
	underlay int            // MTU on the way to its peers, the smallest; 0: not known
	vifMTU   map[string]int // MTU of VIFs by their port's name, as far as it is known
	problems []string       // what can't be done
	failures []string       // problems, and why tunnels are down, each once
	vifs     int
	inSync   bool
	refused  bool // its flows would break isolation or make a loop, and are not sent
}

func newHostStatus(tell func(...api.Event)) *hostStatus {
	return &hostStatus{tell: tell, networks: map[string]networkStatus{}, bridges: map[string]api.TopologyBridge{}, touched: map[string]struct{}{}}
}

func (s *hostStatus) touch(network string) { s.touched[network] = struct{}{} }

func (s *hostStatus) connect(address, version string) {
	s.mu.Lock()
	was := s.errText
	s.connected, s.address, s.version, s.errText = true, address, version, ""
	s.waiting = "just connected"
	s.mu.Unlock()
	s.tell(append(hostProblem(was, ""), api.Event{Kind: api.EventHost, State: api.EventConnected, Was: api.EventDisconnected})...)
}

func (s *hostStatus) disconnect(why string) {
	s.mu.Lock()
	s.connected, s.writer = false, false
	clear(s.networks)
	clear(s.touched)
	s.mu.Unlock()
	s.tell(api.Event{Kind: api.EventHost, State: api.EventDisconnected, Was: api.EventConnected, Error: why})
}

func (s *hostStatus) setWriter(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = held
}

func (s *hostStatus) setError(text string) {
	s.mu.Lock()
	was := s.errText
	s.errText = text
	s.mu.Unlock()
	s.tell(hostProblem(was, text)...)
}

func (s *hostStatus) setWaiting(why string) {
	s.mu.Lock()
	was := s.waiting
	s.waiting = why
	s.mu.Unlock()
	s.tell(hostSync(was, why)...)
}

func (s *hostStatus) setApplied(gen uint64) {
	s.mu.Lock()
	was, waited := s.errText, s.waiting
	s.applied, s.waiting, s.errText = gen, "", ""
	s.mu.Unlock()
	s.tell(append(hostProblem(was, ""), hostSync(waited, "")...)...)
}

func (s *hostStatus) dropNetwork(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.networks, name)
	delete(s.touched, name)
}

func (s *hostStatus) dropBridge(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.bridges[name]; ok {
		s.released = append(s.released, name)
	}
	delete(s.bridges, name)
}

// network returns one network's status, whether it has been told, and whether
// the host is connected. The slices in it are never changed.
func (s *hostStatus) network(name string) (n networkStatus, told, connected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, told = s.networks[name]
	return n, told, s.connected
}

// republish tells what has changed since the last time. Of a host that is not
// connected there is nothing to tell: whoever wants to know draws up its
// tunnels from what is wanted, see untold.
func (h *host) republish() {
	if h.att == nil {
		return
	}
	var fresh map[string]networkStatus
	if h.settling.untold() <= 0 {
		fresh = make(map[string]networkStatus, len(h.status.touched))
		for name := range h.status.touched {
			if on := h.on[name]; on != nil {
				fresh[name] = h.networkStatus(on)
			}
		}
		clear(h.status.touched)
	}
	bridges := make(map[string]api.TopologyBridge, len(h.bridges))
	for name, b := range h.bridges {
		bridges[name] = h.bridgeStatus(b)
	}
	news := h.news(fresh, bridges)
	h.status.mu.Lock()
	for _, n := range fresh {
		if n.underlay > 0 {
			h.status.underlay = n.underlay
		}
	}
	maps.Copy(h.status.networks, fresh)
	h.status.bridges = bridges
	h.status.mu.Unlock()
	h.status.tell(news...) // not before: whoever hears of it comes and looks
	if why := h.unfinished(); why != "" {
		h.status.setWaiting(why)
	} else {
		h.status.setApplied(h.seen)
	}
}

// unfinished says what is still to be done on the host, "" if nothing is.
func (h *host) unfinished() string {
	switch {
	case h.settling.active(), h.att.db.Open.CurCfg < h.att.db.Open.NextCfg:
		return fmt.Sprintf("ovs-vswitchd to carry out the change (cur_cfg %d, next_cfg %d)", h.att.db.Open.CurCfg, h.att.db.Open.NextCfg)
	case h.retry.left() > 0:
		return "the next attempt, after a transaction that failed: " + h.errText()
	case h.complete || len(h.dirty) > 0:
		return "the next transaction"
	case len(h.kept) > 0:
		return "flows to leave the ports that are replaced"
	}
	for _, name := range slices.Sorted(maps.Keys(h.bridges)) {
		b := h.bridges[name]
		switch {
		case len(b.problems) > 0:
			continue // can't be done, which is not the same as not done yet
		case b.flowErr != "":
			return "bridge " + name + ": " + b.flowErr
		case b.sess == nil:
			return "bridge " + name + " to connect over OpenFlow to " + h.target()
		case b.stage != stageOurs:
			return "bridge " + name + " to be taken over"
		case len(b.guarded.refused) > 0:
			return b.guarded.text()
		case !b.synced || len(b.dirty) > 0:
			return "the flows of bridge " + name
		}
	}
	return ""
}

func (h *host) errText() string {
	h.status.mu.Lock()
	defer h.status.mu.Unlock()
	return h.status.errText
}

func (h *host) bridgeStatus(b *bridge) api.TopologyBridge {
	t := api.TopologyBridge{Name: b.name, DPID: fmt.Sprintf("%016x", b.dpid), Connected: b.sess != nil, FlowsInstalled: b.count()}
	if b.dpid == 0 {
		t.DPID = ""
	}
	for _, n := range b.want {
		t.FlowsWanted += n
	}
	switch {
	case len(b.problems) > 0:
		t.Error = strings.Join(b.problems, "; ")
	case b.flowErr != "":
		t.Error = b.flowErr
	case len(b.guarded.refused) > 0:
		t.Error = b.guarded.text()
	}
	return t
}

// networkStatus looks at the tunnels of one network on this host.
func (h *host) networkStatus(on *topology.OnHost) networkStatus {
	n := networkStatus{vifs: len(on.VIFs), problems: slices.Clone(on.Problems), inSync: true}
	if on.Bridge != "" {
		b := h.bridges[on.Bridge]
		if b == nil || !b.synced || b.stage != stageOurs {
			n.inSync = false
		} else if _, dirty := b.dirty[on.Net.ID]; dirty {
			n.inSync = false
		}
	}
	blame := slices.Clone(h.rowErrors[on.Net.Name])
	if b := h.bridges[on.Bridge]; b != nil {
		blame = append(blame, b.problems...)
		if on.Net.Learning && b.crowded() {
			blame = append(blame, fmt.Sprintf("profile: learning needs a bridge of its own, and %d networks more are on %s: it carries nothing there; "+
				"use profile: programmed, or another bridge", len(b.nets)-1, b.name))
		}
	}
	if b := h.bridges[on.Bridge]; b != nil && b.guarded.refused[on.Net.ID] != "" {
		n.refused = true
		n.problems = append(n.problems, b.guarded.refused[on.Net.ID])
	}
	if name := h.carrierOf(on); name != "" {
		blame = append(blame, h.rowErrors[name]...)
		if at := h.carriers[name].bridge(); at != on.Bridge {
			blame = append(blame, fmt.Sprintf("tunnelPorts: %s needs all its networks of one host on one bridge: this one is on %s, others on %s; "+
				"use tunnelPorts: per-network for it, or the same bridge", on.Net.TunnelPorts, on.Bridge, at))
		}
	}
	n.problems = append(n.problems, blame...)
	tunnels, failed := h.tunnels(h.att.db, on)
	shown := h.shown(on)
	n.tunnels = make([]api.Tunnel, 0, len(tunnels)+len(failed))
	for i, t := range tunnels {
		s := shown[i]
		if t.port != nil {
			s.Port = t.port.Name
		}
		if t.row != nil {
			s.OFPort = t.row.OFPort
			if mtu := h.egressMTU(t.row); mtu > 0 && (n.underlay == 0 || mtu < n.underlay) {
				n.underlay = mtu
			}
		}
		if t.BFD {
			s.BFD = bfdText(t.row)
			s.BFDStatus = h.bfdStatus(on.Net.Name, t)
		}
		s.State, s.Error = h.tunnelState(on, t, blame)
		n.tunnels = append(n.tunnels, s)
	}
	for _, v := range on.VIFs {
		if i := h.att.db.InterfaceByName(v.Interface); i != nil && i.MTU > 0 {
			if n.vifMTU == nil {
				n.vifMTU = map[string]int{}
			}
			n.vifMTU[v.Port] = int(i.MTU)
		}
	}
	for _, p := range failed {
		n.tunnels = append(n.tunnels, impossible(on, p, api.TunnelDown))
	}
	n.failures = slices.Clone(n.problems)
	for _, t := range n.tunnels {
		switch {
		case t.State == api.TunnelPending:
			n.inSync = false
		case t.State == api.TunnelDown && t.Error != strings.Join(blame, "; "):
			n.failures = append(n.failures, "tunnel to "+t.To+": "+t.Error)
		}
	}
	sortTunnels(n.tunnels)
	return n
}

// untold draws up a network's tunnels on a host that has told nothing of them:
// because it is not connected, or because it has only just been told to have
// the network.
func untold(on *topology.OnHost, connected bool) []api.Tunnel {
	state, why, not := api.TunnelUnreachable, "the host is not connected", api.TunnelUnreachable
	if connected {
		state, why, not = api.TunnelPending, "", api.TunnelDown
	}
	want, failed := topology.Tunnels(on)
	list := make([]api.Tunnel, 0, len(want)+len(failed))
	for _, t := range want {
		s := newTunnel(on, t)
		s.State, s.Error = state, why
		list = append(list, s)
	}
	for _, p := range failed {
		list = append(list, impossible(on, p, not))
	}
	sortTunnels(list)
	return list
}

// newTunnel describes a tunnel that is wanted, its state left open.
func newTunnel(on *topology.OnHost, t topology.Tunnel) api.Tunnel {
	return api.Tunnel{
		From: on.Self.Host, To: t.Peer, Bridge: on.Bridge, Port: t.Name, Encap: t.Encap, Key: t.Key,
		LocalIP: addrText(on.Self.Endpoint), RemoteIP: addrText(t.RemoteIP),
	}
}

// impossible describes a tunnel that can't be made.
func impossible(on *topology.OnHost, p topology.TunnelProblem, state string) api.Tunnel {
	return api.Tunnel{
		From: on.Self.Host, To: p.Peer, Bridge: on.Bridge, Port: p.Name, Encap: on.Net.Encap, Key: on.Net.Key,
		LocalIP: addrText(on.Self.Endpoint), State: state, Error: p.Text,
	}
}

func sortTunnels(list []api.Tunnel) {
	byPeer := func(a, b api.Tunnel) int { return strings.Compare(a.To, b.To) }
	if !slices.IsSortedFunc(list, byPeer) {
		slices.SortFunc(list, byPeer)
	}
}

func (h *host) tunnelState(on *topology.OnHost, t wantedTunnel, blame []string) (state, why string) {
	switch {
	case t.row == nil && len(blame) > 0:
		return api.TunnelDown, strings.Join(blame, "; ")
	case t.row == nil:
		return api.TunnelPending, ""
	case t.row.Error != "":
		return api.TunnelDown, t.row.Error
	case t.row.OFPort < 0:
		return api.TunnelDown, "Open vSwitch could not make the port"
	case t.row.OFPort == 0:
		return api.TunnelPending, ""
	case t.row.Options["remote_ip"] == "flow":
		return api.TunnelUp, "" // Open vSwitch tells nothing of the ways of such a port
	}
	if why := h.noWay(on.Net.Name, t.row); why != "" {
		return api.TunnelDown, why
	}
	if t.BFD && bfdText(t.row) != "up" {
		if h.bfd.pending() {
			h.bfd.doubt(on.Net.Name)
			return api.TunnelPending, ""
		}
		return api.TunnelDown, "BFD gets no answer from " + t.Peer + " (" + bfdText(t.row) + ")"
	}
	return api.TunnelUp, ""
}

// bfdText is the state of a tunnel's BFD session, RFC 5880 §4.1 (State), as
// Open vSwitch reports it; down while it reports none.
func bfdText(i *schema.Interface) string {
	if i == nil || i.BFDStatus["state"] == "" {
		return "down"
	}
	return i.BFDStatus["state"]
}

// egressMTU returns the MTU of the interface through which a tunnel's packets
// leave the host, as far as Open vSwitch has that interface in its database; 0
// where it has not.
func (h *host) egressMTU(i *schema.Interface) int {
	e := h.att.db.InterfaceByName(i.Status["tunnel_egress_iface"])
	if e == nil {
		return 0
	}
	h.egress[e.Name] = struct{}{}
	return int(e.MTU)
}

// noWay says why packets of a tunnel can't leave the host, as far as Open
// vSwitch tells: it reports the interface through which its own routing table
// reaches the far end (Interface status of ovs-vswitchd.conf.db(5)), and
// nothing where it knows no way. Whether that interface has a carrier it
// reports too, but as of the last change of a route: after a restart that can
// be "down" for good.
func (h *host) noWay(network string, i *schema.Interface) string {
	switch {
	case i.Status["tunnel_egress_iface"] != "":
		return ""
	case h.routes.pending():
		h.routes.doubt(network)
		return ""
	}
	return "no route to " + i.Options["remote_ip"] + ": Open vSwitch on " + h.name + " can't reach that endpoint"
}

func addrText(a interface {
	IsValid() bool
	String() string
}) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
