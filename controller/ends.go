package controller

import (
	"slices"
	"strconv"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// tunnelEnds are a network's tunnels on one host as they were at one look. Looks are
// many and most are never asked for, so they are drawn up for people only then.
// It is not changed once it is made.
type tunnelEnds struct {
	on     *topology.OnHost
	want   []topology.Tunnel // shared with other looks
	failed []topology.TunnelProblem
	runs   []run                     // of want, in its order
	lost   string                    // the state of failed
	bfd    map[string]*api.BFDStatus // by peer, where a session is reported
}

// run is what holds of some tunnels that follow each other: all of a flow port
// are alike.
type run struct {
	n int
	end
}

// end is what can be told of a tunnel at one of its hosts.
type end struct {
	state, why string
	bfd        string // "" without BFD
	port       string // "" if it has the name that is wanted
	ofport     int64
}

// tunnelEnds looks at the tunnels of a network on this host; blame is why rows are
// missing. It returns also the least MTU on the ways to the peers, 0 if none is
// known.
func (h *host) tunnelEnds(on *topology.OnHost, blame []string) (tunnelEnds, int) {
	tunnels, failed := h.tunnels(h.att.db, on)
	e := tunnelEnds{on: on, want: h.wantsOf(on).tunnels, failed: failed, lost: api.TunnelDown}
	underlay := 0
	for i := range tunnels {
		t := &tunnels[i]
		if i > 0 && t.row != nil && t.row == tunnels[i-1].row {
			e.runs[len(e.runs)-1].n++
			continue
		}
		var is end
		if t.port != nil && t.port.Name != t.Name {
			is.port = t.port.Name
		}
		if t.row != nil {
			is.ofport = t.row.OFPort
			if mtu := h.egressMTU(t.row); mtu > 0 && (underlay == 0 || mtu < underlay) {
				underlay = mtu
			}
		}
		if t.BFD {
			is.bfd = bfdText(t.row)
			if s := h.bfdStatus(on.Net.Name, t); s != nil {
				if e.bfd == nil {
					e.bfd = make(map[string]*api.BFDStatus, len(tunnels))
				}
				e.bfd[t.Peer] = s
			}
		}
		is.state, is.why = h.tunnelState(on, t, blame)
		if last := len(e.runs) - 1; last >= 0 && e.runs[last].end == is {
			e.runs[last].n++
			continue
		}
		if e.runs == nil && is.ofport > 0 && on.Net.TunnelPorts != topology.TunnelPortsFlow {
			e.runs = make([]run, 0, len(tunnels)) // each has a number of its own
		}
		e.runs = append(e.runs, run{1, is})
	}
	return e, underlay
}

// untold are the tunnels of a host that has told nothing of them: because it is
// not connected, or because it has only just been told to have the network.
func untold(on *topology.OnHost, connected bool) tunnelEnds {
	e := tunnelEnds{on: on, lost: api.TunnelUnreachable}
	is := end{state: api.TunnelUnreachable, why: "the host is not connected"}
	if connected {
		e.lost, is = api.TunnelDown, end{state: api.TunnelPending}
	}
	e.want, e.failed = topology.Tunnels(on)
	e.runs = []run{{len(e.want), is}}
	return e
}

// each goes through all tunnels.
func (e *tunnelEnds) each(tell func(peer, state, why string)) {
	at := 0
	for i := range e.runs {
		for range e.runs[i].n {
			tell(e.want[at].Peer, e.runs[i].state, e.runs[i].why)
			at++
		}
	}
	for i := range e.failed {
		tell(e.failed[i].Peer, e.lost, e.failed[i].Text)
	}
}

// states returns how many tunnels are in each state.
func (e *tunnelEnds) states() map[string]int {
	n := map[string]int{}
	for i := range e.runs {
		n[e.runs[i].state] += e.runs[i].n
	}
	if len(e.failed) > 0 {
		n[e.lost] += len(e.failed)
	}
	return n
}

// tunnels draws up all tunnels for people, sorted by peer.
func (e *tunnelEnds) tunnels() []api.Tunnel {
	list := make([]api.Tunnel, 0, len(e.want)+len(e.failed))
	for i := range e.runs {
		r := &e.runs[i]
		for range r.n {
			t := &e.want[len(list)]
			s := e.tunnel(t.Peer, t.Name)
			s.Encap, s.Key, s.RemoteIP = t.Encap, t.Key, addrText(t.RemoteIP)
			s.State, s.Error, s.BFD, s.BFDStatus, s.OFPort = r.state, r.why, r.bfd, e.bfd[t.Peer], r.ofport
			if r.port != "" {
				s.Port = r.port
			}
			list = append(list, s)
		}
	}
	for _, p := range e.failed {
		s := e.tunnel(p.Peer, p.Name)
		s.Encap, s.Key = e.on.Net.Encap, e.on.Net.Key
		s.State, s.Error = e.lost, p.Text
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b api.Tunnel) int { return strings.Compare(a.To, b.To) })
	return list
}

func (e *tunnelEnds) tunnel(peer, port string) api.Tunnel {
	return api.Tunnel{From: e.on.Self.Host, To: peer, Bridge: e.on.Bridge, Port: port, LocalIP: addrText(e.on.Self.Endpoint)}
}

// tunnelState says what can be told of one tunnel.
func (h *host) tunnelState(on *topology.OnHost, t *wantedTunnel, blame []string) (state, why string) {
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
		if h.bfd.pending() && !wasUp(t.row) {
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

// wasUp reports whether a tunnel's BFD session has been up before: it has come
// and gone, each of which counts as a flap. It is not one that is just beginning.
func wasUp(i *schema.Interface) bool {
	n, err := strconv.Atoi(i.BFDStatus["flap_count"])
	return err == nil && n > 1
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
