package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// place is where a fault is made: a host, a network's bridge there, and another
// host of that network.
type place struct {
	host, peer *ovstest.Host
	network
}

// pick chooses a place.
func (m *Mesh) pick(rng *rand.Rand) place {
	hosts := m.Hosts()
	at := rng.Perm(len(hosts))
	return place{hosts[at[0]], hosts[at[1]], networks[rng.IntN(len(networks))]}
}

// others returns the hosts but one.
func (m *Mesh) others(host *ovstest.Host) []*ovstest.Host {
	return slices.DeleteFunc(m.Hosts(), func(h *ovstest.Host) bool { return h == host })
}

// tunnel returns the name of the port from the place's host to its peer.
func (p place) tunnel(ctx context.Context) (string, error) {
	out, err := p.host.VSCtl(ctx, "--bare", "--columns=name", "find", "Interface",
		"external_ids:ovsmesh-network="+p.name, "external_ids:ovsmesh-peer="+p.peer.Name)
	if err != nil {
		return "", err
	}
	if names := strings.Fields(out); len(names) == 1 {
		return names[0], nil
	}
	return "", fmt.Errorf("%s has not one port for the tunnel of %s to %s but %q", p.host.Name, p.name, p.peer.Name, out)
}

// flows returns our flows on a bridge, sorted, as ovs-ofctl prints them.
func (m *Mesh) flows(ctx context.Context, h *ovstest.Host, bridge string) ([]string, error) {
	out, err := h.OFCtl(ctx, "--no-stats", "--no-names", "dump-flows", bridge)
	if err != nil {
		return nil, err
	}
	var ours []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "cookie="+ourCookie) {
			ours = append(ours, strings.TrimSpace(line))
		}
	}
	slices.Sort(ours)
	return ours, nil
}

// ourCookie is how the cookies of our flows begin.
const ourCookie = "0x6f6d"

// matchOf returns what of a flow as ovs-ofctl prints it names it to ovs-ofctl.
func matchOf(line string) string {
	line, _, _ = strings.Cut(line, " actions=")
	_, rest, _ := strings.Cut(line, ", ")
	return strings.ReplaceAll(rest, ", ", ",")
}

// recorded waits until the history has an entry of each kind on a host since a
// moment, and all are mended.
func (m *Mesh) recorded(ctx context.Context, host string, since time.Time, kinds ...string) error {
	return Until(ctx, func(ctx context.Context) error {
		h, err := m.Server.Client.AuditHistory(ctx, api.HistoryRequest{Host: host, Since: since})
		if err != nil {
			return err
		}
		missing := slices.Clone(kinds)
		for _, e := range h.Entries {
			if !e.Repaired {
				return fmt.Errorf("the history has, not mended: %s %s: want %q, got %q %s", e.Bridge, e.Kind, e.Want, e.Got, e.Note)
			}
			missing = slices.DeleteFunc(missing, func(k string) bool { return k == e.Kind })
		}
		if len(missing) > 0 {
			return fmt.Errorf("the history of %s has no %s", host, strings.Join(missing, ", "))
		}
		return nil
	})
}

// hostNow is what the controller says of a host.
func (m *Mesh) hostNow(ctx context.Context, name string) (api.TopologyHost, error) {
	top, err := m.Server.Client.Topology(ctx, api.TopologyFilter{Host: name, Limit: api.NoTunnels})
	if err != nil {
		return api.TopologyHost{}, err
	}
	for _, h := range top.Hosts {
		if h.Name == name {
			return h, nil
		}
	}
	return api.TopologyHost{}, fmt.Errorf("host %s is not known", name)
}

// alarmed waits until a host shows as not well, in one of some words and with a
// reason that has some part, and all others as well.
func (m *Mesh) alarmed(ctx context.Context, host, part string, words ...string) error {
	return Until(ctx, func(ctx context.Context) error {
		top, err := m.Server.Client.Topology(ctx, api.TopologyFilter{Limit: api.NoTunnels})
		if err != nil {
			return err
		}
		var errs []error
		for _, h := range top.Hosts {
			switch {
			case h.Name == host:
				if !slices.Contains(words, h.Health) || !strings.Contains(h.HealthReason, part) {
					errs = append(errs, fmt.Errorf("%s is %s (%s), want %q in %q", h.Name, h.Health, h.HealthReason, part, words))
				}
			case h.Health != api.HealthOK && h.Health != api.HealthSlow: // this machine may be busy
				errs = append(errs, fmt.Errorf("%s is %s, too: %s", h.Name, h.Health, h.HealthReason))
			}
		}
		return errors.Join(errs...)
	})
}

// probe gives the VM on a host one more address. That changes flows on all hosts
// of its network, which answer for it, and no port: Open vSwitch's userspace
// datapath loses packets with each port that comes or goes.
const probe = `ports: [{name: probe, network: %s, match: {host: %s, interface: %s}, ips: [%s, %s, %s]}]`

const probeIP = "10.1.1.251"

// changeTakes returns how long it takes, in the middle of several times, from a
// change that concerns a VM on one host until another one goes by it.
func (m *Mesh) changeTakes(ctx context.Context, at, seen *ovstest.Host) (time.Duration, error) {
	const times = 5
	n := networks[0]
	vm := m.vmAt(n.name, at)
	if vm == nil {
		return 0, fmt.Errorf("%s runs no VM of %s", at.Name, n.name)
	}
	change := fmt.Sprintf(probe, n.name, at.Name, vm.Interface, vm.IPs[0].Addr(), vm.IPs[1].Addr(), probeIP)
	var took []time.Duration
	for range times {
		begin := time.Now()
		if _, err := m.Server.Client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "probe.yaml", Data: change}}}); err != nil {
			return 0, err
		}
		if err := m.answers(ctx, seen, n.bridge, probeIP, true); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begin))
		if _, err := m.Server.Client.Delete(ctx, api.KindPorts, "probe"); err != nil {
			return 0, err
		}
		if err := m.answers(ctx, seen, n.bridge, probeIP, false); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[times/2], nil
}

// vmAt returns the VM of a network on a host, or nil.
func (m *Mesh) vmAt(network string, h *ovstest.Host) *ovstest.VM {
	for _, vm := range m.VMsOf(network) {
		if vm.Host == h.Name {
			return vm
		}
	}
	return nil
}

// answers waits until a bridge has flows that answer for an address, or none.
func (m *Mesh) answers(ctx context.Context, h *ovstest.Host, bridge, ip string, want bool) error {
	ctx, cancel := context.WithTimeout(ctx, rightLimit)
	defer cancel()
	return Until(ctx, func(ctx context.Context) error {
		out, err := h.OFCtl(ctx, "--no-stats", "dump-flows", bridge, "arp,arp_tpa="+ip)
		if err == nil && strings.Contains(out, ip) != want {
			err = fmt.Errorf("%s %s: flows that answer for %s: %v, want %v", h.Name, bridge, ip, !want, want)
		}
		return err
	})
}

// unmoved demands that a change among other hosts takes no longer than it did
// before a fault, but for what a busy machine makes of it: one good time of a few
// will do. A host that waited for another would wait for seconds each time.
func (m *Mesh) unmoved(ctx context.Context, broken *ovstest.Host, before time.Duration) error {
	hosts := m.others(broken)
	var now time.Duration
	for range 3 {
		var err error
		if now, err = m.changeTakes(ctx, hosts[0], hosts[1]); err != nil {
			return err
		}
		m.log("a change among other hosts takes %v, and took %v before", now.Round(time.Millisecond), before.Round(time.Millisecond))
		if now <= 2*before+250*time.Millisecond {
			return nil
		}
	}
	return fmt.Errorf("a change among other hosts takes %v, and took %v before", now, before)
}
