package pipeline_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
)

// world is hosts with VIFs, of which topology's work has been done: every host
// of a network has a tunnel to every other one.
type world struct {
	vifs   []vif
	nets   map[uint32]options
	shared bool // all networks of a host on one bridge, else one each

	bridges  map[bridgeID]*bridge
	stations map[uint32]map[netip.Addr][6]byte      // of networks
	seen     func(*bridge, flow.Key, forward.Frame) // told of every flow that the first frame of a way meets, unless nil
}

// options are those of a network.
type options struct {
	secure, dropBroadcast, dropUnknown, answers bool

	tunnels string // own, shared or flow; the last two with all networks on one bridge only
}

type vif struct {
	host     int
	network  uint32
	macs     [][6]byte
	ips      []netip.Addr
	allowed  []pipeline.Pair
	dhcp     bool
	router   bool
	external bool // not a VIF: a tunnel endpoint that is not ours, with what is behind it
	at       port
}

type bridgeID struct {
	host    int
	network uint32 // 0: all
}

type port struct {
	bridge bridgeID
	number uint32
}

// bridge is one bridge with what is at its ports.
type bridge struct {
	flows    []flow.Flow
	forward  *forward.Bridge
	ports    uint32            // how many
	networks map[uint32]uint32 // of VIFs and of tunnels of their own
	vifs     map[uint32]bool
	tunnels  map[uint32]tunnel // by port
}

// tunnel is what a tunnel port is configured with.
type tunnel struct {
	host int    // the other end's; 0: where the flow says
	key  uint64 // 0: which the flow says
	kind string
}

func hostIP(host int) netip.Addr { return netip.AddrFrom4([4]byte{172, 16, 0, byte(host)}) }

func keyOf(network uint32) uint64 { return uint64(network)&0xffff + 100 }

func (w *world) on(host int, network uint32) bridgeID {
	if w.shared {
		network = 0
	}
	return bridgeID{host, network}
}

// members returns the hosts of a network, external ones among them.
func (w *world) members(network uint32) []int {
	var list []int
	for _, v := range w.vifs {
		if v.network == network && !slices.Contains(list, v.host) {
			list = append(list, v.host)
		}
	}
	slices.Sort(list)
	return list
}

// kind is how two hosts of a network reach one another: what is not ours has
// tunnels of its own for each network.
func (w *world) kind(network uint32, a, b int) string {
	if !w.shared || w.external(a) || w.external(b) {
		return "own"
	}
	return w.nets[network].tunnels
}

func (w *world) external(host int) bool {
	return slices.ContainsFunc(w.vifs, func(v vif) bool { return v.host == host && v.external })
}

// build compiles all bridges.
func (w *world) build() error {
	w.bridges, w.stations = map[bridgeID]*bridge{}, map[uint32]map[netip.Addr][6]byte{}
	for id := range w.nets {
		w.stations[id] = w.findStations(id)
	}
	for i := range w.vifs {
		v := &w.vifs[i]
		if v.external {
			v.at = port{bridgeID{v.host, v.network}, 1}
			continue
		}
		b := w.bridge(w.on(v.host, v.network))
		v.at = port{w.on(v.host, v.network), b.newPort()}
		b.vifs[v.at.number], b.networks[v.at.number] = true, v.network
	}
	for _, network := range w.sortedNets() {
		for _, host := range w.members(network) {
			if w.external(host) {
				continue
			}
			flows, err := pipeline.Compile(w.network(host, network))
			if err != nil {
				return err
			}
			b := w.bridge(w.on(host, network))
			b.flows = append(b.flows, flows...)
		}
	}
	for _, b := range w.bridges {
		b.flows = append(b.flows, pipeline.Base(pipeline.Bridge{Carriers: b.carriers()})...)
		flow.Sort(b.flows)
	}
	return w.load()
}

// load takes the bridges' flows into their tables.
func (w *world) load() error {
	for _, b := range w.bridges {
		if err := b.load(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bridge) load() (err error) {
	b.forward, err = forward.New(b.flows)
	return err
}

func (w *world) sortedNets() []uint32 {
	var list []uint32
	for id := range w.nets {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

func (w *world) bridge(id bridgeID) *bridge {
	b := w.bridges[id]
	if b == nil {
		b = &bridge{networks: map[uint32]uint32{}, vifs: map[uint32]bool{}, tunnels: map[uint32]tunnel{}}
		w.bridges[id] = b
	}
	return b
}

func (b *bridge) newPort() uint32 {
	b.ports++
	return b.ports
}

func (b *bridge) carriers() []uint32 {
	var list []uint32
	for number, t := range b.tunnels {
		if t.kind != "own" {
			list = append(list, number)
		}
	}
	return list
}

// tunnelPort returns the port of a bridge that leads to a peer.
func (b *bridge) tunnelPort(t tunnel, network uint32) uint32 {
	for number, have := range b.tunnels {
		if have == t {
			return number
		}
	}
	number := b.newPort()
	b.tunnels[number] = t
	if t.kind == "own" {
		b.networks[number] = network
	}
	return number
}

// toward returns what the port to a peer is configured with.
func (w *world) toward(network uint32, from, to int) tunnel {
	switch kind := w.kind(network, from, to); kind {
	case "shared":
		return tunnel{host: to, kind: kind}
	case "flow":
		return tunnel{kind: kind}
	}
	return tunnel{to, keyOf(network), "own"}
}

// network is what one host is told of a network.
func (w *world) network(host int, id uint32) pipeline.Network {
	o := w.nets[id]
	n := pipeline.Network{ID: id, PortSecurity: o.secure, DropBroadcast: o.dropBroadcast, DropUnknown: o.dropUnknown}
	b, index := w.bridge(w.on(host, id)), map[int]int{} // in n.Tunnels, by host
	for _, peer := range w.members(id) {
		if peer == host {
			continue
		}
		t := w.toward(id, host, peer)
		index[peer] = len(n.Tunnels)
		to := pipeline.Tunnel{OFPort: b.tunnelPort(t, id)}
		if t.kind != "own" {
			to.Key = keyOf(id)
		}
		if t.kind == "flow" {
			to.Remote = hostIP(peer)
		}
		for _, v := range w.vifs {
			if v.host == peer && v.network == id {
				to.DHCPServer = to.DHCPServer || v.dhcp
				to.Router = to.Router || v.router
			}
		}
		n.Tunnels = append(n.Tunnels, to)
	}
	for _, v := range w.vifs {
		switch {
		case v.network != id:
		case v.host == host:
			n.VIFs = append(n.VIFs, pipeline.VIF{OFPort: v.at.number, MACs: v.macs, IPs: v.ips,
				Allowed: v.allowed, DHCPServer: v.dhcp, Router: v.router})
		default:
			for _, mac := range v.macs {
				n.Remotes = append(n.Remotes, pipeline.Remote{MAC: mac, Via: []int{index[v.host]}})
			}
		}
	}
	for ip, mac := range w.stations[id] {
		n.Stations = append(n.Stations, pipeline.Station{IP: ip, MAC: mac})
	}
	return n
}

// findStations returns the addresses of a network that exactly one MAC has.
func (w *world) findStations(id uint32) map[netip.Addr][6]byte {
	all := map[netip.Addr][6]byte{}
	if !w.nets[id].answers {
		return all
	}
	clash := map[netip.Addr]bool{}
	for _, v := range w.vifs {
		for _, ip := range v.ips {
			if v.network != id || len(v.macs) == 0 {
				continue
			}
			if mac, ok := all[ip]; ok && mac != v.macs[0] {
				clash[ip] = true
			}
			all[ip] = v.macs[0]
		}
	}
	for ip := range clash {
		delete(all, ip)
	}
	return all
}

// arrival is a frame that left the mesh at a port.
type arrival struct {
	at       port
	dst, src [6]byte
}

// send carries a frame from a port to all ports where it leaves the mesh, and
// counts what arrives at each.
func (w *world) send(from port, f forward.Frame) (map[arrival]int, error) {
	type hop struct {
		at    port
		frame forward.Frame
	}
	arrived := map[arrival]int{}
	queue := []hop{{from, f}}
	for hops := 0; len(queue) > 0; hops++ {
		if hops > 100 {
			return nil, fmt.Errorf("%s from %v loops", f, from)
		}
		at := queue[0]
		queue = queue[1:]
		b := w.bridges[at.at.bridge]
		r, err := b.forward.Run(at.at.number, at.frame)
		if err != nil {
			return nil, err
		}
		for _, step := range r.Steps {
			if step.Also != nil {
				return nil, fmt.Errorf("%s meets both %s and %s", f, step.Flow, step.Also)
			}
			if w.seen != nil && step.Flow != nil {
				w.seen(b, step.Flow.Key(), f)
			}
		}
		_, fromTunnel := b.tunnels[at.at.number]
		for _, out := range r.Outputs {
			from, to := b.networks[at.at.number], b.networks[out.Port]
			t, tunnel := b.tunnels[out.Port]
			switch {
			case from != to && from != 0 && to != 0:
				return nil, fmt.Errorf("%s from %v crosses from network %d to %d", f, at.at, from, to)
			case !tunnel:
				arrived[arrival{port{at.at.bridge, out.Port}, hw(&out.Frame, flow.EthDst), hw(&out.Frame, flow.EthSrc)}]++
			case fromTunnel:
				return nil, fmt.Errorf("%s from %v goes from tunnel to tunnel", f, at.at)
			default:
				peer, frame, err := w.cross(at.at.bridge, t, out.Frame)
				if err != nil {
					return nil, fmt.Errorf("%s from %v: %w", f, at.at, err)
				}
				if w.external(peer.bridge.host) {
					arrived[arrival{peer, hw(&frame, flow.EthDst), hw(&frame, flow.EthSrc)}]++
				} else {
					queue = append(queue, hop{peer, frame})
				}
			}
		}
	}
	return arrived, nil
}

// cross takes a frame through a tunnel: to which port of which bridge, and with
// what of the tunnel to be seen there.
func (w *world) cross(from bridgeID, t tunnel, f forward.Frame) (port, forward.Frame, error) {
	key, host := t.key, t.host
	if t.kind != "own" {
		key = number(&f, flow.TunnelID)
	}
	if t.kind == "flow" {
		host = int(addr(&f, flow.TunDst).As4()[3])
		if hostIP(host) != addr(&f, flow.TunDst) {
			return port{}, f, fmt.Errorf("sent to %s", addr(&f, flow.TunDst))
		}
	}
	f = tunnelled(f, key, hostIP(from.host), hostIP(host))
	for id, b := range w.bridges {
		if id.host != host {
			continue
		}
		for number, back := range b.tunnels {
			if back.kind == t.kind && (back.host == from.host || back.host == 0) && (back.key == key || back.key == 0) {
				return port{id, number}, f, nil
			}
		}
	}
	for network := range w.nets {
		if w.external(host) && keyOf(network) == key {
			return port{bridgeID{host, network}, 1}, f, nil
		}
	}
	return port{}, f, fmt.Errorf("nothing takes key %d at host %d", key, host)
}

// tunnelled is a frame as it comes out of a tunnel.
func tunnelled(f forward.Frame, key uint64, from, to netip.Addr) forward.Frame {
	return f.With(flow.TunnelID, string(binary.BigEndian.AppendUint64(nil, key))).
		With(flow.TunSrc, string(from.AsSlice())).With(flow.TunDst, string(to.AsSlice()))
}
