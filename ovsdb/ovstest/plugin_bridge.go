package ovstest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// PluginSetupBridge makes a bridge as CloudStack's ovstunnel plugin does on a
// XenServer host for a network of that label, OVSTunnel103, and UUID. It is on
// the userspace datapath, as there is no other here.
func (h *Host) PluginSetupBridge(ctx context.Context, bridge, label, xsNetworkUUID string) error {
	return h.each(ctx,
		[]string{"--may-exist", "add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev", "other_config:gre_key=" + label},
		[]string{"set", "Bridge", bridge, "external_ids:xs-network-uuid=" + xsNetworkUUID},
		[]string{"set", "Bridge", bridge, "stp_enable=true"})
}

// PluginDestroyTunnel takes a tunnel and its flows away as the plugin does. One
// that is not there is an error.
func (h *Host) PluginDestroyTunnel(ctx context.Context, bridge, port string) error {
	ofport, err := h.VSCtl(ctx, "get", "interface", port, "ofport")
	if err != nil {
		return err
	}
	if _, err := h.OFCtl(ctx, "-O", "OpenFlow10", "del-flows", bridge, "in_port="+ofport); err != nil {
		return err
	}
	_, err = h.VSCtl(ctx, "del-port", bridge, port)
	return err
}

// PluginDestroyBridge takes a bridge away with all that is on it, as the plugin
// does. One that is not there is an error.
func (h *Host) PluginDestroyBridge(ctx context.Context, bridge string) error {
	_, err := h.VSCtl(ctx, "del-br", bridge)
	return err
}

// PluginVIFGone takes away the flows for what a VIF sends, as the plugin's udev
// script does when the VIF goes, which must still be there. The flows at
// priority 1100 keep its port: that part of the script never worked.
func (h *Host) PluginVIFGone(ctx context.Context, bridge, iface string) error {
	ofport, err := h.VSCtl(ctx, "get", "interface", iface, "ofport")
	if err != nil {
		return err
	}
	_, err = h.OFCtl(ctx, "-O", "OpenFlow10", "del-flows", bridge, "in_port="+ofport)
	return err
}

// AgentBridge makes a bridge as CloudStack's KVM agent does before it runs a
// script for a network, unless it is there.
func (h *Host) AgentBridge(ctx context.Context, bridge string) error {
	if _, err := h.VSCtl(ctx, "br-exists", bridge); err == nil {
		return nil
	}
	return h.AddBridge(ctx, bridge, `other_config:ovs-host-setup="-1"`)
}

// PluginKVMSetupBridge sets up the bridge that the agent has made, as the plugin
// does on a KVM host of that CloudStack ID. Each call adds the ID once more.
func (h *Host) PluginKVMSetupBridge(ctx context.Context, bridge, label, hostID string) error {
	err := h.each(ctx,
		[]string{"set", "bridge", bridge, "other_config:gre_key=" + label},
		[]string{"set", "Bridge", bridge, "stp_enable=true"},
		[]string{"set", "bridge", bridge, "other_config:is-ovs-tun-network=True"})
	if err != nil {
		return err
	}
	known, err := h.VSCtl(ctx, "get", "bridge", bridge, "other_config:ovs-host-setup")
	if err != nil {
		return err
	}
	_, err = h.VSCtl(ctx, "set", "bridge", bridge, fmt.Sprintf("other_config:ovs-host-setup=%q", hostID+","+strings.Trim(known, `"`)))
	return err
}

// PluginKVMTunnel makes a tunnel as the plugin does on a KVM host: without
// flows. One that is there already is an error.
func (h *Host) PluginKVMTunnel(ctx context.Context, bridge string, key uint32, from, to int, remote netip.Addr) (string, error) {
	name := fmt.Sprintf("t%d-%d-%d", key, from, to)
	return name, h.each(ctx,
		[]string{"--timeout=30", "wait-until", "bridge", bridge, "--", "get", "bridge", bridge, "name"},
		[]string{"add-port", bridge, name, "--", "set", "interface", name, "type=gre",
			fmt.Sprintf("options:key=%d", key), "options:remote_ip=" + remote.String()})
}

// each runs ovs-vsctl once for each list of arguments, until one fails.
func (h *Host) each(ctx context.Context, calls ...[]string) error {
	for _, args := range calls {
		if _, err := h.VSCtl(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}
