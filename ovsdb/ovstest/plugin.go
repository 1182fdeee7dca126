package ovstest

import (
	"context"
	"fmt"
	"net/netip"
)

// PluginTunnel makes a tunnel as CloudStack's ovstunnel plugin does on a
// XenServer host: a GRE port t<key>-<from>-<to>, and two flows that take
// broadcast and local multicast off it, as the VIFs' own flows distribute what
// tunnels bring. It returns the port's name.
func (h *Host) PluginTunnel(ctx context.Context, bridge string, key uint32, from, to int, remote netip.Addr) (string, error) {
	name := fmt.Sprintf("t%d-%d-%d", key, from, to)
	for _, args := range [][]string{
		{"--timeout=5", "wait-until", "bridge", bridge, "--", "get", "bridge", bridge, "name"},
		{"add-port", bridge, name, "--", "set", "interface", name, "type=gre",
			fmt.Sprintf("options:key=%d", key), "options:remote_ip=" + remote.String()},
	} {
		if _, err := h.VSCtl(ctx, args...); err != nil {
			return "", err
		}
	}
	ofport, err := h.VSCtl(ctx, "get", "interface", name, "ofport")
	if err != nil {
		return "", err
	}
	for _, match := range []string{"dl_dst=ff:ff:ff:ff:ff:ff", "ip,nw_dst=224.0.0.0/24"} {
		flow := fmt.Sprintf("priority=1000,in_port=%s,%s,actions=drop", ofport, match)
		if err := h.pluginFlow(ctx, bridge, flow); err != nil {
			return "", err
		}
	}
	return name, nil
}

// PluginVIF adds the flows that the plugin's udev script has for a VIF:
// broadcast and local multicast from it go everywhere.
func (h *Host) PluginVIF(ctx context.Context, bridge, iface string) error {
	ofport, err := h.VSCtl(ctx, "get", "interface", iface, "ofport")
	if err != nil {
		return err
	}
	for _, match := range []string{"dl_dst=ff:ff:ff:ff:ff:ff", "nw_dst=224.0.0.0/24,ip"} {
		if err := h.pluginFlow(ctx, bridge, fmt.Sprintf("priority=1200,in_port=%s,%s,actions=NORMAL", ofport, match)); err != nil {
			return err
		}
	}
	return nil
}

// PluginDelivery has what floods and arrives otherwise put out at all VIFs, as
// the plugin does at priority 1100.
func (h *Host) PluginDelivery(ctx context.Context, bridge string, ifaces ...string) error {
	actions := ""
	for _, iface := range ifaces {
		ofport, err := h.VSCtl(ctx, "get", "interface", iface, "ofport")
		if err != nil {
			return err
		}
		actions += ",output:" + ofport
	}
	for _, match := range []string{"dl_dst=ff:ff:ff:ff:ff:ff", "ip,nw_dst=224.0.0.0/24"} {
		if err := h.pluginFlow(ctx, bridge, "priority=1100,"+match+",actions="+actions[1:]); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) pluginFlow(ctx context.Context, bridge, flow string) error {
	_, err := h.OFCtl(ctx, "-O", "OpenFlow10", "add-flow", bridge, flow)
	return err
}
