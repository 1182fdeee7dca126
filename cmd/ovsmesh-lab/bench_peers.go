package main

import (
	"context"
	"fmt"
	"maps"
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
	number int // counted from 1
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
		number: n,
		port:   topology.TunnelName(topology.GRE, k.key(), benchHostID, benchHostID+peer),
		net:    k, peer: peer, remote: peerAddr(peer),
	}
}

func peerAddr(peer int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(peer / 250), byte(1 + peer%250)})
}

// span is the tunnels that a host has when the first gone of the made ones are
// no more.
type span struct{ gone, made int }

// tunnels returns those of the span.
func (s span) tunnels() []tunnel {
	list := make([]tunnel, 0, s.made-s.gone)
	for n := s.gone + 1; n <= s.made; n++ {
		list = append(list, benchTunnel(n))
	}
	return list
}

// benchSpec takes the measured host from some of its tunnels to others: the
// networks in which one comes or goes, with all their members, and the hosts
// that are new. Where nothing is made or goes it is all networks, with the
// measured host alone.
func benchSpec(from, to span) string {
	touched := map[benchNet]bool{}
	fresh := map[int]bool{}
	for n := from.gone + 1; n <= to.gone; n++ {
		touched[benchTunnel(n).net] = true
	}
	for n := from.made + 1; n <= to.made; n++ {
		t := benchTunnel(n)
		touched[t.net], fresh[t.peer] = true, true
	}
	members := map[benchNet]string{}
	for _, t := range to.tunnels() {
		members[t.net] += fmt.Sprintf(", p%d", t.peer)
	}
	var b strings.Builder
	b.WriteString("networks:\n")
	for k := range benchNet(benchNetworks) {
		if touched[k] || len(touched) == 0 {
			fmt.Fprintf(&b, "- name: %s\n  encap: gre\n  key: %d\n  bridge: %s\n  hosts: [real%s]\n", k.name(), k.key(), benchBridge, members[k])
		}
	}
	for i, peer := range slices.Sorted(maps.Keys(fresh)) {
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

// startBenchHost starts the measured host.
func startBenchHost(ctx context.Context) (*benchSwitch, error) {
	var vifs []benchVIF
	for k := range benchNet(benchNetworks) {
		vifs = append(vifs, benchVIF{k.vif(), k.ofport(), k.mac(), k.name()})
	}
	return startBenchSwitch(ctx, "real", benchEndpoint, vifs)
}

// check demands that the measured host holds exactly these tunnels and what
// goes with them.
func (s *benchSwitch) check(ctx context.Context, want []tunnel) error {
	remotes := make(map[string]string, len(want))
	for _, t := range want {
		remotes[t.port] = t.remote.String()
	}
	return s.demand(ctx, remotes, func(ofports map[string]uint32) ([]flow.Flow, error) {
		have := slices.Clone(want)
		for i := range have {
			have[i].ofport = ofports[have[i].port]
		}
		return benchFlows(have)
	})
}
