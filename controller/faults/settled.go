package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ovsmesh/controller/api"
)

// Settled waits until all is as it should be: every host of the bed is
// connected, healthy and in sync, every network has a tunnel up between any two
// of the hosts that run its VMs, and a complete audit finds nothing. On the end
// of ctx it says what is not so.
func (m *Mesh) Settled(ctx context.Context) error {
	err := Until(ctx, func(ctx context.Context) error {
		if err := m.inSync(ctx); err != nil {
			return err
		}
		return m.Clean(ctx)
	})
	if err != nil {
		return fmt.Errorf("not settled: %w", err)
	}
	return nil
}

// Clean has the switches audited once; an error says what is found.
func (m *Mesh) Clean(ctx context.Context) error {
	rep, err := m.Server.Client.Audit(ctx, api.AuditRequest{})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if rep.Clean && rep.Complete {
		return nil
	}
	return errors.New("audit: " + findings(rep))
}

// findings says what an audit found, the first few in full.
func findings(rep api.AuditReport) string {
	const most = 3
	lines := []string{fmt.Sprintf("complete %v, %d findings", rep.Complete, len(rep.Findings))}
	for i, f := range rep.Findings {
		if i == most {
			break
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s: want %q, got %q", f.Host, f.Bridge, f.Network, f.Kind, f.Want, f.Got))
	}
	return strings.Join(lines, "; ")
}

// inSync looks once at what the controller says of hosts and networks.
func (m *Mesh) inSync(ctx context.Context) error {
	top, err := m.Server.Client.Topology(ctx, api.TopologyFilter{})
	if err != nil {
		return err
	}
	if want := len(m.Hosts()); len(top.Hosts) != want {
		return fmt.Errorf("%d hosts are known, want %d", len(top.Hosts), want)
	}
	for _, h := range top.Hosts {
		if !h.Connected || !h.InSync || h.Health != api.HealthOK || len(h.Problems) > 0 {
			return fmt.Errorf("%s: connected %v, in sync %v, health %s (%s), problems %q", h.Name, h.Connected, h.InSync, h.Health, h.HealthReason, h.Problems)
		}
		for _, b := range h.Bridges {
			if !b.Connected || b.Error != "" || b.FlowsInstalled != b.FlowsWanted {
				return fmt.Errorf("%s: %s: connected %v, %d flows of %d: %s", h.Name, b.Name, b.Connected, b.FlowsInstalled, b.FlowsWanted, b.Error)
			}
		}
	}
	for _, want := range networks {
		hosts := make(map[string]bool)
		for _, vm := range m.VMsOf(want.name) {
			hosts[vm.Host] = true
		}
		if err := meshed(top, want.name, len(hosts)); err != nil {
			return err
		}
	}
	for _, n := range top.Networks {
		if !n.InSync || n.TunnelsUp != n.TunnelsWanted || len(n.Problems) > 0 {
			return fmt.Errorf("%s: in sync %v, %d tunnels up of %d, problems %q", n.Name, n.InSync, n.TunnelsUp, n.TunnelsWanted, n.Problems)
		}
	}
	return nil
}

// meshed demands a full mesh of so many hosts.
func meshed(top api.Topology, network string, hosts int) error {
	for _, n := range top.Networks {
		if n.Name != network {
			continue
		}
		if want := hosts * (hosts - 1); len(n.Hosts) != hosts || n.TunnelsWanted != want {
			return fmt.Errorf("%s: members %v and %d tunnels, want %d and %d", network, n.Hosts, n.TunnelsWanted, hosts, want)
		}
		return nil
	}
	return fmt.Errorf("there is no network %s", network)
}
