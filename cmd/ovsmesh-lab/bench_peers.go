package main

import (
	"fmt"
	"net/netip"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/topology"
)

// The one network of the benchmark and its one VIF on the host that is
// measured.
const (
	benchNetwork   = "blue"
	benchNetworkID = 1 // the first of a new store
	benchBridge    = "xapi1"
	benchKey       = 103
	benchHostID    = 1
	benchVIF       = "vif1.0"
	benchVIFNumber = 1
)

var benchMAC = topology.MAC{2, 0, 0, 0, 1, 1}

// benchEndpoint is where the measured host's tunnels would start; those of its
// peers come before it in the range for benchmarks of RFC 2544. The dummy
// datapath sends nothing there.
var benchEndpoint = netip.AddrFrom4([4]byte{198, 19, 255, 1})

// tunnel is one tunnel of the measured host.
type tunnel struct {
	port   string
	peer   string
	remote netip.Addr
	ofport uint32 // 0: not known
}

// benchTunnel returns the tunnel to the nth peer, counted from 1.
func benchTunnel(n int) tunnel {
	return tunnel{
		port:   topology.TunnelName(topology.GRE, benchKey, benchHostID, benchHostID+n),
		peer:   fmt.Sprintf("p%d", n),
		remote: netip.AddrFrom4([4]byte{198, 18, byte(n / 250), byte(1 + n%250)}),
	}
}

// benchSpec is the network with its first n peers; of these the ones after
// known are new, and declared with it.
func benchSpec(known, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "networks:\n- name: %s\n  encap: gre\n  key: %d\n  bridge: %s\n  hosts: [real", benchNetwork, benchKey, benchBridge)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, ", p%d", i)
	}
	b.WriteString("]\n")
	if n > known {
		b.WriteString("hosts:\n")
	}
	for i := known + 1; i <= n; i++ {
		fmt.Fprintf(&b, "- {name: p%d, id: %d, endpoint: %s}\n", i, benchHostID+i, benchTunnel(i).remote)
	}
	return b.String()
}

// benchFlows returns all flows of the measured bridge.
func benchFlows(tunnels []tunnel) ([]flow.Flow, error) {
	n := pipeline.Network{
		ID: benchNetworkID, PortSecurity: true,
		VIFs: []pipeline.VIF{{OFPort: benchVIFNumber, MACs: [][6]byte{benchMAC}}},
	}
	for _, t := range tunnels {
		n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: t.ofport})
	}
	flows, err := pipeline.Compile(n)
	return append(flows, pipeline.Base()...), err
}
