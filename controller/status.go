package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// hostStatus is what a host's loop tells the rest of the process of its work.
// The loop writes it, anybody reads it; it is data for people and decides
// nothing.
type hostStatus struct {
	tell func(...api.Event) // of this host

	mu        sync.Mutex
	connected bool
	writer    bool     // we hold the lock
	bar       bar      // why we do not write while it is connected
	holder    string   // of the lock, if it is not us and is known
	owners    []string // UUIDs of other stores that have rows there
	address   string
	version   string
	underlay  int                      // MTU of the interface by which its tunnels leave; 0: not known
	applied   uint64                   // generation that is on the switches
	waiting   string                   // what is between applied and now; "" where nothing is
	errText   string                   // of the last transaction that failed as a whole
	networks  map[string]networkStatus // while it is connected
	failing   map[string]struct{}      // those with failures
	bridges   map[string]api.TopologyBridge

	touched  map[string]struct{} // networks to look at again; the loop's own
	released []string            // bridges that are no longer ours, to be told of; the loop's own
}

// networkStatus is one network on one host.
type networkStatus struct {
	ends     tunnelEnds
	underlay int            // MTU on the way to its peers, the smallest; 0: not known
	vifMTU   map[string]int // MTU of VIFs by their port's name, as far as it is known
	problems []string       // what can't be done
	failures []string       // problems, and why tunnels are down, each once
	vifs     int
	inSync   bool
	refused  bool // its flows would break isolation or make a loop, and are not sent
}

func newHostStatus(tell func(...api.Event)) *hostStatus {
	return &hostStatus{tell: tell, networks: map[string]networkStatus{}, failing: map[string]struct{}{}, bridges: map[string]api.TopologyBridge{}, touched: map[string]struct{}{}}
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
	clear(s.failing)
	clear(s.touched)
	s.mu.Unlock()
	s.tell(api.Event{Kind: api.EventHost, State: api.EventDisconnected, Was: api.EventConnected, Error: why})
}

func (s *hostStatus) setWriter(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = held
}

// setBarred tells why we do not write: who does, and whose rows there are.
func (s *hostStatus) setBarred(b bar, holder string, owners []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bar, s.holder, s.owners = b, holder, owners
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

// put takes what a look at a network has found. The caller holds mu.
func (s *hostStatus) put(name string, n networkStatus) {
	s.networks[name] = n
	if n.underlay > 0 {
		s.underlay = n.underlay
	}
	if len(n.failures) > 0 {
		s.failing[name] = struct{}{}
	} else {
		delete(s.failing, name)
	}
}

func (s *hostStatus) dropNetwork(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.networks, name)
	delete(s.failing, name)
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
// connected there is nothing to tell but whether its bridges are: whoever wants
// to know draws up its tunnels from what is wanted, see untold.
func (h *host) republish() {
	if h.att == nil {
		h.republishBridges()
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
	bridges := h.bridgesNow()
	followed := len(fresh) == 0 || h.env.events.followed()
	news := h.news(fresh, bridges, followed)
	h.status.mu.Lock()
	for name, n := range fresh {
		h.status.put(name, n)
	}
	h.status.bridges = bridges
	h.status.mu.Unlock()
	h.status.tell(news...) // not before: whoever hears of it comes and looks
	if !followed {
		h.env.events.skip()
	}
	if why := h.unfinished(); why != "" {
		h.status.setWaiting(why)
	} else {
		h.status.setApplied(h.seen)
	}
}

// republishBridges is republish for a host that is not connected.
func (h *host) republishBridges() {
	bridges := h.bridgesNow()
	news := h.news(nil, bridges, false)
	h.status.mu.Lock()
	h.status.bridges = bridges
	h.status.mu.Unlock()
	h.status.tell(news...)
}

func (h *host) bridgesNow() map[string]api.TopologyBridge {
	bridges := make(map[string]api.TopologyBridge, len(h.bridges))
	for name, b := range h.bridges {
		bridges[name] = h.bridgeStatus(b)
	}
	return bridges
}

// unfinished says what is still to be done on the host, "" if nothing is.
func (h *host) unfinished() string {
	held := h.env.hub.held.Load()
	switch {
	case held != nil:
		return held.waits
	case h.writing.text != "":
		return h.writing.text
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
			return "bridge " + name + ", whose new flows are refused"
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
	t.Watched = b.watchedText()
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
	default:
		t.Error = b.complaint(nil)
	}
	if text := b.contestText(); text != "" {
		t.Error = strings.Join(append(one(t.Error), text), "; ")
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
	}
	blame = append(blame, h.misfits(on)...)
	if b := h.bridges[on.Bridge]; b != nil && b.guarded.refused[on.Net.ID] != "" {
		n.refused = true
		n.problems = append(n.problems, b.guarded.refused[on.Net.ID])
	}
	if b := h.bridges[on.Bridge]; b != nil {
		if text := b.complaint(&on.Net.ID); text != "" {
			n.inSync = false
			n.problems = append(n.problems, text)
		}
		if text := b.contestText(); text != "" {
			n.inSync = false
			n.problems = append(n.problems, text)
		}
	}
	if text := h.rowsComplaint(on.Net.Name); text != "" {
		n.inSync = false
		blame = append(blame, text)
	}
	if name := h.carrierOf(on); name != "" {
		blame = append(blame, h.rowErrors[name]...)
	}
	n.problems = append(n.problems, blame...)
	if text := h.writing.text; text != "" {
		n.inSync = false
		n.problems = append(n.problems, "waiting for "+text)
	}
	n.ends, n.underlay = h.tunnelEnds(on, blame)
	for _, v := range on.VIFs {
		if i := h.att.db.InterfaceByName(v.Interface); i != nil && i.MTU > 0 {
			if n.vifMTU == nil {
				n.vifMTU = map[string]int{}
			}
			n.vifMTU[v.Port] = int(i.MTU)
		}
	}
	n.failures = slices.Clone(n.problems)
	known := strings.Join(blame, "; ")
	n.ends.each(func(peer, state, why string) {
		switch {
		case state == api.TunnelPending:
			n.inSync = false
		case state == api.TunnelDown && why != known:
			n.failures = append(n.failures, "tunnel to "+peer+": "+why)
		}
	})
	return n
}

// misfits says why a network can't be carried where it is, whatever is done there.
func (h *host) misfits(on *topology.OnHost) []string {
	var list []string
	if b := h.bridges[on.Bridge]; b != nil && on.Net.Learning && b.crowded() {
		list = append(list, fmt.Sprintf("profile: learning needs a bridge of its own, and %d networks more are on %s: it carries nothing there; "+
			"use profile: programmed, or another bridge", len(b.nets)-1, b.name))
	}
	if name := h.carrierOf(on); name != "" {
		if at := h.carriers[name].bridge(); at != on.Bridge {
			list = append(list, fmt.Sprintf("tunnelPorts: %s needs all its networks of one host on one bridge: this one is on %s, others on %s; "+
				"use tunnelPorts: per-network for it, or the same bridge", on.Net.TunnelPorts, on.Bridge, at))
		}
	}
	return list
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
