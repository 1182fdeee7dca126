package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/topology"
)

// What is measured is a host of a cloud: benchNetworks networks on one bridge,
// with one VIF each on the host and the same number of peers each. Tunnels are
// dealt to the networks in turn.
const (
	benchNetworks = 50
	benchBridge   = "xapi1"
	benchHostID   = 1
)

// benchEndpoint is where the measured host's tunnels would start; those of its
// peers come before it in the range for benchmarks of RFC 2544. The dummy
// datapath sends nothing there.
var (
	benchEndpoint = netip.AddrFrom4([4]byte{198, 19, 255, 1})
	benchRange    = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, 0, 0}), 15)
)

// benchNet is the kth network, counted from 0: its ID in a new store is k+1,
// and so is the OpenFlow port number of its VIF.
type benchNet int

func (k benchNet) name() string { return fmt.Sprintf("net-%02d", int(k)+1) }
func (k benchNet) key() uint32  { return 1001 + uint32(k) }
func (k benchNet) vif() string  { return fmt.Sprintf("vif%d.0", int(k)+1) }
func (k benchNet) ofport() int  { return int(k) + 1 }
func (k benchNet) mac() topology.MAC {
	return topology.MAC{2, 0, 0, 0, 1, byte(k) + 1}
}

// tunnel is one tunnel of the measured host.
type tunnel struct {
	port   string
	net    benchNet
	peer   int // counted from 1
	remote netip.Addr
	ofport uint32 // 0: not known
}

// benchTunnel returns the nth tunnel, counted from 1.
func benchTunnel(n int) tunnel {
	k, peer := benchNet((n-1)%benchNetworks), (n-1)/benchNetworks+1
	return tunnel{
		port: topology.TunnelName(topology.GRE, k.key(), benchHostID, benchHostID+peer),
		net:  k, peer: peer, remote: peerAddr(peer),
	}
}

func peerAddr(peer int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(peer / 250), byte(1 + peer%250)})
}

// benchSpec takes the host from its first known tunnels to its first n: the
// networks that get one, with all their members, and the hosts that are new in
// them. Without tunnels it is all networks with the measured host alone.
func benchSpec(known, n int) string {
	touched := map[benchNet]bool{}
	fresh := map[int]bool{}
	for i := known + 1; i <= n; i++ {
		t := benchTunnel(i)
		touched[t.net] = true
		fresh[t.peer] = true
	}
	var b strings.Builder
	b.WriteString("networks:\n")
	for k := range benchNet(benchNetworks) {
		if n > 0 && !touched[k] {
			continue
		}
		fmt.Fprintf(&b, "- name: %s\n  encap: gre\n  key: %d\n  bridge: %s\n  hosts: [real", k.name(), k.key(), benchBridge)
		for i := 1; i <= n; i++ {
			if t := benchTunnel(i); t.net == k {
				fmt.Fprintf(&b, ", p%d", t.peer)
			}
		}
		b.WriteString("]\n")
	}
	peers := make([]int, 0, len(fresh))
	for peer := range fresh {
		peers = append(peers, peer)
	}
	slices.Sort(peers)
	for i, peer := range peers {
		if i == 0 {
			b.WriteString("hosts:\n")
		}
		fmt.Fprintf(&b, "- {name: p%d, id: %d, endpoint: %s}\n", peer, benchHostID+peer, peerAddr(peer))
	}
	return b.String()
}

// benchFlows returns all flows of the measured bridge.
func benchFlows(tunnels []tunnel) ([]flow.Flow, error) {
	var nets [benchNetworks]pipeline.Network
	for k := range benchNet(benchNetworks) {
		nets[k] = pipeline.Network{
			ID: uint32(k) + 1, PortSecurity: true,
			VIFs: []pipeline.VIF{{OFPort: uint32(k.ofport()), MACs: [][6]byte{k.mac()}}},
		}
	}
	for _, t := range tunnels {
		nets[t.net].Tunnels = append(nets[t.net].Tunnels, pipeline.Tunnel{OFPort: t.ofport})
	}
	flows := pipeline.Base(pipeline.Bridge{})
	for _, n := range nets {
		f, err := pipeline.Compile(n)
		if err != nil {
			return nil, err
		}
		flows = append(flows, f...)
	}
	return flows, nil
}
