package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/trace"
)

// traceBench measures how long it takes to follow a broadcast to all hosts of a
// network, through the flows that they should hold. These are made beforehand:
// a controller has them.
type traceBench struct {
	rounds int
	hosts  int
	laps   int // in a round

	took  []time.Duration
	flows int // on all hosts
}

// traceLimit is what a person takes for at once.
const traceLimit = 100 * time.Millisecond

func (b *traceBench) round(context.Context) error {
	w, err := newTracedMesh(b.hosts)
	if err != nil {
		return err
	}
	b.flows = w.count
	frame, err := trace.Packet(trace.Want{From: trace.Party{MAC: tracedMAC(1)}, ToAll: true})
	if err != nil {
		return err
	}
	for range b.laps {
		start := time.Now()
		t := trace.Run(w, trace.Place{Host: tracedHost(1), Bridge: benchBridge, OFPort: 1}, frame)
		b.took = append(b.took, time.Since(start))
		if n := len(t.Copies()); n != b.hosts-1 || !t.Sure() {
			return fmt.Errorf("a broadcast arrives at %d of %d hosts, sure: %v", n, b.hosts-1, t.Sure())
		}
	}
	return nil
}

func (b *traceBench) results(progress io.Writer) []benchResult {
	fmt.Fprintf(progress, "traced: a broadcast over %d hosts with %s flows\n", b.hosts, thousands(b.flows))
	return []benchResult{{
		name: fmt.Sprintf("trace of a broadcast over %d hosts: %v", b.hosts, traceLimit), ours: median(b.took), other: traceLimit, limit: 1,
	}}
}

// tracedMesh is hosts with a VM each, all in one network. It implements
// trace.World.
type tracedMesh struct {
	hosts map[string]*trace.Host
	names map[netip.Addr]string
	flows map[string][]flow.Flow
	count int
}

func tracedHost(n int) string { return fmt.Sprintf("h%d", n) }

func tracedMAC(n int) [6]byte { return [6]byte{2, 0, 0, 0, byte(n >> 8), byte(n)} }

func tracedIP(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}) }

func newTracedMesh(hosts int) (*tracedMesh, error) {
	w := &tracedMesh{hosts: map[string]*trace.Host{}, names: map[netip.Addr]string{}, flows: map[string][]flow.Flow{}}
	const key = 103
	base := pipeline.Base(pipeline.Bridge{})
	for i := 1; i <= hosts; i++ {
		n := pipeline.Network{ID: 1, PortSecurity: true, VIFs: []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{tracedMAC(i)}}}}
		ports := []trace.Port{{OFPort: 1, Name: "vif1.0", Kind: trace.KindVIF}}
		for j := 1; j <= hosts; j++ {
			if j == i {
				continue
			}
			port := uint32(firstTunnelNumber + j)
			n.Remotes = append(n.Remotes, pipeline.Remote{MAC: tracedMAC(j), Via: []int{len(n.Tunnels)}})
			n.Tunnels = append(n.Tunnels, pipeline.Tunnel{OFPort: port})
			ports = append(ports, trace.Port{OFPort: port, Name: fmt.Sprintf("t103-%d-%d", i, j), Kind: trace.KindTunnel,
				Tunnel: trace.Tunnel{Type: "gre", Key: key, Remote: tracedIP(j)}})
		}
		flows, err := pipeline.Compile(n)
		if err != nil {
			return nil, err
		}
		name := tracedHost(i)
		w.flows[name] = append(flows, base...)
		w.count += len(w.flows[name])
		w.hosts[name] = &trace.Host{Name: name, Endpoint: tracedIP(i), Bridges: []trace.Bridge{{Name: benchBridge, Ports: ports}}}
		w.names[tracedIP(i)] = name
	}
	return w, nil
}

// Host implements trace.World.
func (w *tracedMesh) Host(name string) (*trace.Host, error) { return w.hosts[name], nil }

// HostAt implements trace.World.
func (w *tracedMesh) HostAt(a netip.Addr) string { return w.names[a] }

// Tables implements trace.World. Nothing is kept from one trace for the next.
func (w *tracedMesh) Tables(host, _ string) (*forward.Bridge, error) {
	return forward.Load(forward.Switch{Flows: w.flows[host]}), nil
}
