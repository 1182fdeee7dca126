package pipeline_test

import (
	"fmt"
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// world is hosts with VIFs, of which topology's work has been done: every host
// of a network has a tunnel to every other one.
type world struct {
	vifs   []vif
	secure map[uint32]bool // networks with port security
	shared bool            // all networks of a host on one bridge, else one each

	bridges map[bridgeID]*bridge
}

type vif struct {
	host    int
	network uint32
	macs    [][6]byte
	at      port
}

type bridgeID struct {
	host    int
	network uint32 // 0: all
}

type port struct {
	bridge bridgeID
	number uint32
}

type bridge struct {
	flows []flow.Flow
	table table
	peers map[uint32]port   // the other ends of tunnels
	nets  map[uint32]uint32 // networks of ports
}

func (w *world) on(host int, network uint32) bridgeID {
	if w.shared {
		network = 0
	}
	return bridgeID{host, network}
}

// build compiles all bridges.
func (w *world) build() error {
	w.bridges = map[bridgeID]*bridge{}
	hosts := map[uint32][]int{} // of networks
	for i := range w.vifs {
		v := &w.vifs[i]
		v.at = w.newPort(w.on(v.host, v.network), v.network)
		if !slices.Contains(hosts[v.network], v.host) {
			hosts[v.network] = append(hosts[v.network], v.host)
		}
	}
	tunnels := map[uint32]map[[2]int]port{}
	for network, list := range hosts {
		tunnels[network] = map[[2]int]port{}
		for _, a := range list {
			for _, b := range list {
				if a != b {
					tunnels[network][[2]int{a, b}] = w.newPort(w.on(a, network), network)
				}
			}
		}
		for ends, at := range tunnels[network] {
			w.bridges[at.bridge].peers[at.number] = tunnels[network][[2]int{ends[1], ends[0]}]
		}
	}
	for network, list := range hosts {
		for _, host := range list {
			flows, err := pipeline.Compile(w.network(host, network, tunnels[network]))
			if err != nil {
				return err
			}
			b := w.bridges[w.on(host, network)]
			b.flows = append(b.flows, flows...)
		}
	}
	for _, b := range w.bridges {
		b.flows = append(b.flows, pipeline.Base(pipeline.Bridge{})...)
		flow.Sort(b.flows)
	}
	return w.load()
}

// load takes the bridges' flows into their tables.
func (w *world) load() error {
	for _, b := range w.bridges {
		t, err := newTable(b.flows)
		if err != nil {
			return err
		}
		b.table = t
	}
	return nil
}

func (w *world) newPort(id bridgeID, network uint32) port {
	b := w.bridges[id]
	if b == nil {
		b = &bridge{peers: map[uint32]port{}, nets: map[uint32]uint32{}}
		w.bridges[id] = b
	}
	number := uint32(len(b.nets) + 1)
	b.nets[number] = network
	return port{id, number}
}

// network is what one host is told of a network.
func (w *world) network(host int, id uint32, tunnels map[[2]int]port) pipeline.Network {
	n := pipeline.Network{ID: id, PortSecurity: w.secure[id]}
	index := map[[2]int]int{} // in n.Tunnels
	for ends, at := range tunnels {
		if ends[0] == host {
			index[ends] = len(n.Tunnels)
			n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: at.number})
		}
	}
	for _, v := range w.vifs {
		switch {
		case v.network != id:
		case v.host == host:
			n.VIFs = append(n.VIFs, pipeline.VIF{OFPort: v.at.number, MACs: v.macs})
		default:
			for _, mac := range v.macs {
				n.Remotes = append(n.Remotes, pipeline.Remote{
					MAC: mac, Via: []int{index[[2]int{host, v.host}]},
				})
			}
		}
	}
	return n
}

// send carries a frame from a port to all ports where it leaves the mesh, and
// counts what arrives at each.
func (w *world) send(from port, f frame) (map[port]int, error) {
	arrived := map[port]int{}
	queue := []port{from}
	for hops := 0; len(queue) > 0; hops++ {
		if hops > 1000 {
			return nil, fmt.Errorf("%s from %v loops", f, from)
		}
		at := queue[0]
		queue = queue[1:]
		b := w.bridges[at.bridge]
		out, err := b.table.run(at.number, f)
		if err != nil {
			return nil, err
		}
		_, fromTunnel := b.peers[at.number]
		for _, number := range out {
			if b.nets[number] != b.nets[at.number] {
				return nil, fmt.Errorf("%s from %v crosses from network %d to %d", f, from, b.nets[at.number], b.nets[number])
			}
			peer, tunnel := b.peers[number]
			switch {
			case !tunnel:
				arrived[port{at.bridge, number}]++
			case fromTunnel:
				return nil, fmt.Errorf("%s from %v goes from tunnel to tunnel", f, from)
			default:
				queue = append(queue, peer)
			}
		}
	}
	return arrived, nil
}
