package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/topology"
)

// cloud is hosts with one integration bridge each, and networks of which each
// has a VIF on every host.
type cloud struct{ hosts, networks int }

// Hosts and networks count from 1.
func cloudHost(i int) string         { return fmt.Sprintf("h%02d", i) }
func cloudEndpoint(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 19, 0, byte(i)}) }
func cloudNetwork(k int) string      { return fmt.Sprintf("net-%03d", k) }
func cloudKey(k int) uint32          { return 1000 + uint32(k) }
func cloudMAC(i, k int) topology.MAC { return topology.MAC{2, 0, 0, byte(i), byte(k >> 8), byte(k)} }

// cloudOwn is a network that a host has for itself, so that its bridge is
// managed before there is any tunnel.
func cloudOwn(i int) string { return "own-" + cloudHost(i) }

// cloudPort is the port by which tunnelPorts flow reaches all peers.
const cloudPort = "fg0"

// before is the spec of hosts that are in no mesh yet.
func (c cloud) before() string {
	var hosts, networks strings.Builder
	for i := 1; i <= c.hosts; i++ {
		fmt.Fprintf(&hosts, "- {name: %s, id: %d, systemID: %s}\n", cloudHost(i), i, cloudHost(i))
		fmt.Fprintf(&networks, "- {name: %s, encap: gre, key: %d, bridge: %s, hosts: [%s]}\n", cloudOwn(i), i, benchBridge, cloudHost(i))
	}
	return "hosts:\n" + hosts.String() + "networks:\n" + networks.String()
}

// spec is that of the networks.
func (c cloud) spec(tunnelPorts string) string {
	var b strings.Builder
	b.WriteString("networks:\n")
	for k := 1; k <= c.networks; k++ {
		fmt.Fprintf(&b, "- {name: %s, encap: gre, key: %d, tunnelPorts: %s}\n", cloudNetwork(k), cloudKey(k), tunnelPorts)
	}
	return b.String()
}

// start starts the hosts, with all VIFs.
func (c cloud) start(ctx context.Context) (_ []*benchSwitch, err error) {
	hosts := make([]*benchSwitch, c.hosts)
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(hosts))
		}
	}()
	for i := 1; i <= c.hosts; i++ {
		var vifs []benchVIF
		for k := 1; k <= c.networks; k++ {
			vifs = append(vifs, benchVIF{fmt.Sprintf("vif%d.0", k), k, cloudMAC(i, k), cloudNetwork(k)})
		}
		if hosts[i-1], err = startBenchSwitch(ctx, cloudHost(i), cloudEndpoint(i), vifs); err != nil {
			return nil, fmt.Errorf("%s: %w", cloudHost(i), err)
		}
	}
	return hosts, nil
}

func removeAll(hosts []*benchSwitch) error {
	var errs []error
	for _, h := range hosts {
		if h != nil {
			errs = append(errs, h.Remove())
		}
	}
	return errors.Join(errs...)
}

// tunnels returns the ports of host i in a mode, by name, with where they lead.
func (c cloud) tunnels(i int, tunnelPorts string) map[string]string {
	switch tunnelPorts {
	case "":
		return nil
	case topology.TunnelPortsFlow:
		return map[string]string{cloudPort: "flow"}
	}
	remotes := make(map[string]string, c.networks*c.hosts)
	for k := 1; k <= c.networks; k++ {
		for peer := 1; peer <= c.hosts; peer++ {
			if peer != i {
				remotes[topology.TunnelName(topology.GRE, cloudKey(k), i, peer)] = cloudEndpoint(peer).String()
			}
		}
	}
	return remotes
}

// flows returns all flows of host i's bridge in a mode, "" before it is in any
// mesh, given the networks' IDs and the tunnel ports' numbers.
func (c cloud) flows(i int, tunnelPorts string, ids map[string]uint32, ofports map[string]uint32) ([]flow.Flow, error) {
	var base pipeline.Bridge
	nets := []pipeline.Network{{ID: ids[cloudOwn(i)], PortSecurity: true}}
	for k := 1; k <= c.networks && tunnelPorts != ""; k++ {
		n := pipeline.Network{
			ID: ids[cloudNetwork(k)], PortSecurity: true,
			VIFs: []pipeline.VIF{{OFPort: uint32(k), MACs: [][6]byte{cloudMAC(i, k)}}},
		}
		for peer := 1; peer <= c.hosts; peer++ {
			if peer == i {
				continue
			}
			t := pipeline.Tunnel{OFPort: ofports[topology.TunnelName(topology.GRE, cloudKey(k), i, peer)]}
			if tunnelPorts == topology.TunnelPortsFlow {
				t = pipeline.Tunnel{OFPort: ofports[cloudPort], Key: uint64(cloudKey(k)), Remote: cloudEndpoint(peer)}
			}
			n.Remotes = append(n.Remotes, pipeline.Remote{MAC: cloudMAC(peer, k), Via: []int{len(n.Tunnels)}})
			n.Tunnels = append(n.Tunnels, t)
		}
		nets = append(nets, n)
	}
	if tunnelPorts == topology.TunnelPortsFlow {
		base.Carriers = []uint32{ofports[cloudPort]}
	}
	flows := pipeline.Base(base)
	for _, n := range nets {
		f, err := pipeline.Compile(n)
		if err != nil {
			return nil, err
		}
		flows = append(flows, f...)
	}
	return flows, nil
}

// check demands that all hosts hold exactly what a mode asks for.
func (c cloud) check(ctx context.Context, hosts []*benchSwitch, tunnelPorts string, ids map[string]uint32) error {
	for n, h := range hosts {
		i := n + 1
		err := h.demand(ctx, c.tunnels(i, tunnelPorts), func(ofports map[string]uint32) ([]flow.Flow, error) {
			return c.flows(i, tunnelPorts, ids, ofports)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", cloudHost(i), err)
		}
	}
	return nil
}
