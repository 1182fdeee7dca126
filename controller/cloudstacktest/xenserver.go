package cloudstacktest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// Plugin is what XAPI runs for host.call_plugin: the plugin ovstunnel.
type Plugin interface {
	// Call runs a function of the plugin; an error is an exception of XenAPI's.
	Call(ctx context.Context, function string, args map[string]string) (string, error)
}

// XenServer is CloudStack's resource of a host that runs XenServer or XCP-ng.
type XenServer struct {
	On     *ovstest.Host
	Pool   *Pool
	Plugin Plugin
	Label  string // of the physical network; XCP is asked for it instead

	// VIFScript says whether CloudStack's udev script for VIFs is there.
	VIFScript bool
}

// Host is the host that the resource stands for.
func (x *XenServer) Host() *ovstest.Host { return x.On }

// Announcements: a guest announces itself once.
func (x *XenServer) Announcements() []time.Duration { return nil }

// call is callHostPlugin.
func (x *XenServer) call(ctx context.Context, function string, args ...string) (string, error) {
	m := make(map[string]string)
	for i := 0; i < len(args); i += 2 {
		m[args[i]] = args[i+1]
	}
	value, err := x.Plugin.Call(ctx, function, m)
	if err != nil {
		return "", fmt.Errorf("callHostPlugin failed for cmd %s: %w", function, err)
	}
	return strings.ReplaceAll(value, "\n", ""), nil
}

// FetchInterface asks the plugin for the network's label on XCP; its interface
// has the address of the host.
func (x *XenServer) FetchInterface(ctx context.Context) (netip.Addr, error) {
	platform, err := x.call(ctx, "is_xcp")
	if err != nil {
		// No wrapper catches it: the server answers that it knows no such
		// command, and the management server fails to cast that.
		return netip.Addr{}, fmt.Errorf("class UnsupportedAnswer cannot be cast to class OvsFetchInterfaceAnswer: %w", err)
	}
	label := x.Label
	if platform == "XCP" {
		if label, err = x.call(ctx, "getLabel"); err != nil {
			return netip.Addr{}, err
		}
	}
	uuid, err := x.Pool.find("name-label", label)
	if err != nil {
		return netip.Addr{}, err
	}
	if uuid == "" {
		return netip.Addr{}, fmt.Errorf("unable to locate the network with name-label %q on %s", label, x.On.Name)
	}
	return x.On.Addr, nil
}

// configure is configureTunnelNetwork: it sets the bridge up unless XAPI knows
// that it is. What goes wrong there is only logged by whoever creates a tunnel.
func (x *XenServer) configure(ctx context.Context, network string, host int) (uuid, bridge string, err error) {
	if uuid, err = x.Pool.tunnelNetwork(network); err != nil {
		return "", "", err
	}
	if bridge, err = x.Pool.bridge(uuid); err != nil {
		return "", "", err
	}
	id := strconv.Itoa(host)
	up, err := x.Pool.SetUp(network)
	if err != nil || slices.Contains(up, id) {
		return uuid, bridge, err
	}
	// There is no kernel datapath here, on which bridges are made otherwise.
	if err := x.On.AddBridge(ctx, bridge); err != nil {
		return uuid, bridge, err
	}
	result, err := x.call(ctx, "setup_ovs_bridge", "bridge", bridge, "key", network, "xs_nw_uuid", uuid, "cs_host_id", id)
	if err != nil {
		return uuid, bridge, err
	}
	if f := javaSplit(result, ":"); len(f) != 2 || !strings.EqualFold(f[0], "SUCCESS") {
		return uuid, bridge, fmt.Errorf("unable to pre-configure OVS bridge %s: %q", bridge, result)
	}
	return uuid, bridge, nil
}

// SetupBridge is answered with success whatever happened.
func (x *XenServer) SetupBridge(ctx context.Context, cmd SetupBridge) Answer {
	_, _, err := x.configure(ctx, cmd.Network, cmd.Host)
	return Answer{OK: true, Details: text(err)}
}

// CreateTunnel sets the bridge up first; should that fail, it goes on.
func (x *XenServer) CreateTunnel(ctx context.Context, cmd CreateTunnel) Answer {
	_, bridge, failed := x.configure(ctx, cmd.Network, cmd.From)
	if bridge == "" {
		return Answer{Details: "cannot create network: " + text(failed)}
	}
	result, err := x.call(ctx, "create_tunnel", "bridge", bridge, "remote_ip", cmd.Remote.String(), "key", strconv.FormatUint(uint64(cmd.Key), 10),
		"from", strconv.Itoa(cmd.From), "to", strconv.Itoa(cmd.To), "cloudstack-network-id", cmd.UUID)
	if err != nil {
		return Answer{Details: text(errors.Join(failed, err))}
	}
	if f := javaSplit(result, ":"); len(f) == 2 && strings.EqualFold(f[0], "SUCCESS") {
		return Answer{OK: true, Port: f[1], Details: text(failed)}
	}
	return Answer{Details: result}
}

// DestroyTunnel names the port as its creation was answered.
func (x *XenServer) DestroyTunnel(ctx context.Context, cmd DestroyTunnel) Answer {
	uuid, err := x.Pool.tunnelNetwork(cmd.Network)
	if err != nil {
		return Answer{Details: err.Error()}
	}
	bridge, err := x.Pool.bridge(uuid)
	if err != nil {
		return Answer{Details: err.Error()}
	}
	result, err := x.call(ctx, "destroy_tunnel", "bridge", bridge, "in_port", cmd.Port)
	if err != nil {
		return Answer{Details: err.Error()}
	}
	if !strings.EqualFold(result, "SUCCESS") {
		return Answer{Details: result}
	}
	return Answer{OK: true}
}

// DestroyBridge is answered with success whatever happened.
func (x *XenServer) DestroyBridge(ctx context.Context, cmd DestroyBridge) Answer {
	uuid, err := x.Pool.tunnelNetwork(cmd.Network)
	if err != nil {
		return Answer{Details: err.Error()}
	}
	bridge, err := x.Pool.bridge(uuid)
	if err != nil {
		return Answer{Details: err.Error()}
	}
	result, err := x.call(ctx, "destroy_ovs_bridge", "bridge", bridge, "cs_host_id", strconv.Itoa(cmd.Host))
	if f := javaSplit(result, ":"); err == nil && (len(f) != 2 || !strings.EqualFold(f[0], "SUCCESS")) {
		err = fmt.Errorf("unable to remove OVS bridge %s: %q", bridge, result)
	}
	return Answer{OK: true, Details: text(err)}
}

// Plug makes the network's bridge as the toolstack does for a VIF, with its list
// of networks; the plugin's own note of the network has another name.
func (x *XenServer) Plug(ctx context.Context, network string) (string, map[string]string, error) {
	uuid, err := x.Pool.tunnelNetwork(network)
	if err != nil {
		return "", nil, err
	}
	bridge, err := x.Pool.bridge(uuid)
	if err != nil {
		return "", nil, err
	}
	if err := x.On.AddBridge(ctx, bridge, "external_ids:xs-network-uuids="+uuid); err != nil {
		return "", nil, err
	}
	return bridge, map[string]string{"xs-network-uuid": uuid, "xs-vif-uuid": ovstest.NewUUID(), "xs-vm-uuid": ovstest.NewUUID()}, nil
}

// Plugged is what udev starts for a new VIF.
func (x *XenServer) Plugged(ctx context.Context, bridge, vif string) error {
	if !x.VIFScript {
		return nil
	}
	if err := x.On.PluginVIF(ctx, bridge, vif); err != nil {
		return err
	}
	ports, err := x.On.VSCtl(ctx, "list-ports", bridge)
	if err != nil {
		return err
	}
	var vifs []string
	for _, p := range strings.Fields(ports) {
		if strings.HasPrefix(p, "vif") {
			vifs = append(vifs, p)
		}
	}
	return x.On.PluginDelivery(ctx, bridge, vifs...)
}

// Unplugging is what udev starts when a VIF goes.
func (x *XenServer) Unplugging(ctx context.Context, bridge, vif string) error {
	if !x.VIFScript {
		return nil
	}
	return x.On.PluginVIFGone(ctx, bridge, vif)
}

// OldPlugin is CloudStack's own plugin on a XenServer host.
type OldPlugin struct {
	On   *ovstest.Host
	Pool *Pool
}

// Call does what the function of the plugin does.
func (p *OldPlugin) Call(ctx context.Context, function string, args map[string]string) (string, error) {
	bridge := args["bridge"]
	switch function {
	case "is_xcp":
		return "XCP", nil
	case "getLabel":
		uuid, err := p.Pool.find("bridge", "br-phy")
		if err != nil {
			return "", err
		}
		return p.Pool.get("networks/" + uuid + "/name-label")
	case "setup_ovs_bridge":
		if err := p.On.PluginSetupBridge(ctx, bridge, args["key"], args["xs_nw_uuid"]); err != nil {
			return "", err
		}
		return "SUCCESS:" + bridge, errors.Join(
			p.Pool.put("networks/"+args["xs_nw_uuid"]+"/other-config/is-ovs-tun-network", "True"),
			p.Pool.noteSetUp(args["xs_nw_uuid"], args["cs_host_id"], true))
	case "create_tunnel":
		key, from, to, err := tunnelNumbers(args["key"], args["from"], args["to"])
		if err != nil {
			return "", err
		}
		remote, err := netip.ParseAddr(args["remote_ip"])
		if err != nil {
			return "", err
		}
		port, err := p.On.PluginTunnel(ctx, bridge, key, from, to, remote)
		if err != nil {
			return "", err
		}
		return "SUCCESS:" + port, nil
	case "destroy_tunnel":
		return "SUCCESS", p.On.PluginDestroyTunnel(ctx, bridge, args["in_port"])
	case "destroy_ovs_bridge":
		if err := p.On.PluginDestroyBridge(ctx, bridge); err != nil {
			return "", err
		}
		uuid, err := p.Pool.find("bridge", bridge)
		if err != nil {
			return "", err
		}
		return "SUCCESS:" + bridge, p.Pool.noteSetUp(uuid, args["cs_host_id"], false)
	}
	return "", fmt.Errorf("UNKNOWN_XENAPI_PLUGIN_FUNCTION %s", function)
}

func tunnelNumbers(key, from, to string) (uint32, int, int, error) {
	k, err := strconv.ParseUint(key, 10, 32)
	f, ferr := strconv.Atoi(from)
	t, terr := strconv.Atoi(to)
	return uint32(k), f, t, errors.Join(err, ferr, terr)
}

// javaSplit is String.split for a separator that is no pattern: what is empty at
// the end is left out.
func javaSplit(s, sep string) []string {
	f := strings.Split(s, sep)
	for len(f) > 1 && f[len(f)-1] == "" {
		f = f[:len(f)-1]
	}
	return f
}

// text is what an error says, and nothing where there is none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
