package controller_test

import (
	"fmt"
	"strings"
	"testing"

	"ovsmesh/controller/api"
)

// Hosts are taken over one after the other, while the plugin runs the rest: VMs
// talk all the time, and broadcast reaches each of them once. On KVM the bridges
// are a spanning tree until the last one is ours, and flood to all from then on.
func TestTakeOverHostByHost(t *testing.T) {
	for _, tc := range []struct {
		name  string
		kvm   bool
		kinds []string // of frames that the plugin itself brings to each VM once
	}{
		{"XenServer", false, []string{"broadcast"}},
		{"KVM", true, []string{"broadcast", "IPv4 multicast", "IPv6 multicast", "unknown unicast"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newPluginCloud(t, tc.kvm)
			ports := map[string]string{}
			for _, h := range c.Hosts() {
				ports[h.Name] = c.portsOf(h)
			}
			c.once(c.vms, nil, tc.kinds...)
			c.serve()
			for i, h := range c.Hosts() {
				talk := c.talk()
				c.check(h.SetManager(c.ctx, "tcp:"+c.ctl.ovsdb))
				c.connected(h.Name)
				c.adopt(api.AdoptRequest{All: true})
				c.eventually(h.Name+" taken over", func() error { return c.tunnelsUp(3 * (i + 1)) })
				if i == 3 {
					c.closed()
				}
				c.takenOver(h.Name+" taken over", talk)
				c.once(c.vms, nil, tc.kinds...)
				stp, err := h.VSCtl(c.ctx, "get", "Bridge", c.name, "stp_enable")
				c.check(err)
				if tree := tc.kvm && i < 3; strings.TrimSpace(stp) != fmt.Sprint(tree) {
					t.Errorf("%s: stp_enable is %s, want %v", h.Name, stp, tree)
				}
			}
			c.meshed("ovstunnel103", "h1", "h2", "h3", "h4")
			for i, h := range c.Hosts() {
				if now := c.portsOf(h); now != ports[h.Name] {
					t.Errorf("%s: ports were\n%s\nand are\n%s", h.Name, ports[h.Name], now)
				}
				for _, host := range c.topology(api.TopologyFilter{Host: h.Name}).Hosts {
					if host.ID != c.ids[i] {
						t.Errorf("%s has ID %d, want %d", h.Name, host.ID, c.ids[i])
					}
				}
			}
			c.clean()
			c.forgetNeighbours(c.vms...)
			c.pingAll4()
			c.once(c.vms, nil, "broadcast", "IPv4 multicast", "IPv6 multicast", "unknown unicast")
		})
	}
}

// closed waits until no host sends from tunnel to tunnel any longer.
func (c *pluginCloud) closed() {
	c.t.Helper()
	for _, h := range c.Hosts() {
		c.eventually(h.Name+" closed", func() error {
			how, err := h.VSCtl(c.ctx, "get", "Bridge", c.name, "external_ids:ovsmesh-taken")
			if err == nil && strings.TrimSpace(how) != "open" {
				err = fmt.Errorf("it is %s", how)
			}
			return err
		})
	}
}

// tunnelsUp reports whether the network has so many tunnel ends of ours, all up.
func (c *pluginCloud) tunnelsUp(want int) error {
	list := c.topology(api.TopologyFilter{}).Networks
	if len(list) != 1 {
		return fmt.Errorf("%d networks", len(list))
	}
	if n := list[0]; n.TunnelsUp != want || n.TunnelsWanted != want || !n.InSync {
		return fmt.Errorf("%d tunnels of %d up, want %d: %v", n.TunnelsUp, n.TunnelsWanted, want, n.Problems)
	}
	return nil
}
