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

// Script is what the agent on a KVM host runs: ovstunnel.py or what is in its
// place.
type Script interface {
	// Run runs the script to its end and returns all that it wrote and its exit
	// code. An error is one of starting it.
	Run(ctx context.Context, args ...string) (output string, code int, err error)
}

// KVM is CloudStack's agent on a KVM host.
type KVM struct {
	On     *ovstest.Host
	Script Script
}

// Host is the host that the agent runs on.
func (k *KVM) Host() *ovstest.Host { return k.On }

// Announcements are QEMU's: five in a second.
func (k *KVM) Announcements() []time.Duration {
	var all []time.Duration
	for i := range 4 {
		all = append(all, time.Duration(150+100*i)*time.Millisecond)
	}
	return all
}

// FetchInterface: the agent looks the address up itself.
func (k *KVM) FetchInterface(context.Context) (netip.Addr, error) { return k.On.Addr, nil }

// execute is Script.execute: nil is success, and all else is what went wrong.
// Which of them a caller takes for success is another matter.
func (k *KVM) execute(ctx context.Context, args ...string) *string {
	out, code, err := k.Script.Run(ctx, args...)
	switch {
	case err != nil:
		s := err.Error()
		return &s
	case code == 0:
		return nil
	}
	s := strings.ReplaceAll(out, "\n", "")
	return &s
}

// configure is configureTunnelNetwork. The agent splits what ovs-vsctl printed,
// quotes and all: it does not find an ID at either end of the list.
func (k *KVM) configure(ctx context.Context, network string, host int) error {
	if err := k.On.AgentBridge(ctx, network); err != nil {
		return err
	}
	id := strconv.Itoa(host)
	known, err := k.On.VSCtl(ctx, "get", "bridge", network, "other_config:ovs-host-setup")
	if err == nil && slices.Contains(strings.Split(known, ","), id) {
		return nil
	}
	if result := k.execute(ctx, "setup_ovs_bridge", "--key", network, "--cs_host_id", id, "--bridge", network); result != nil {
		return fmt.Errorf("unable to pre-configure OVS bridge %s: %s", network, *result)
	}
	return nil
}

// SetupBridge answers what became of it.
func (k *KVM) SetupBridge(ctx context.Context, cmd SetupBridge) Answer {
	err := k.configure(ctx, cmd.Network, cmd.Host)
	return Answer{OK: err == nil, Details: text(err)}
}

// CreateTunnel takes an exit code other than 0 for success, and never tells the
// port's name.
func (k *KVM) CreateTunnel(ctx context.Context, cmd CreateTunnel) Answer {
	if err := k.On.AgentBridge(ctx, cmd.Network); err != nil {
		return Answer{Details: err.Error()}
	}
	details := text(k.configure(ctx, cmd.Network, cmd.From))
	result := k.execute(ctx, "create_tunnel", "--bridge", cmd.Network, "--remote_ip", cmd.Remote.String(),
		"--key", strconv.FormatUint(uint64(cmd.Key), 10), "--src_host", strconv.Itoa(cmd.From), "--dst_host", strconv.Itoa(cmd.To))
	if result == nil {
		return Answer{Details: details}
	}
	return Answer{OK: true, Details: strings.Trim(details+"; "+*result, "; ")}
}

// DestroyTunnel: a port whose name the management server was never told can't be
// named, and Java starts no process with such an argument.
func (k *KVM) DestroyTunnel(ctx context.Context, cmd DestroyTunnel) Answer {
	if err := k.On.AgentBridge(ctx, cmd.Network); err != nil {
		return Answer{Details: err.Error()}
	}
	if cmd.Port == "" {
		return Answer{Details: "java.lang.NullPointerException"}
	}
	if result := k.execute(ctx, "destroy_tunnel", "--bridge", cmd.Network, "--iface_name", cmd.Port); result != nil {
		return Answer{Details: *result}
	}
	return Answer{OK: true}
}

// DestroyBridge makes a bridge first that is not there.
func (k *KVM) DestroyBridge(ctx context.Context, cmd DestroyBridge) Answer {
	if err := k.On.AgentBridge(ctx, cmd.Network); err != nil {
		return Answer{Details: err.Error()}
	}
	if result := k.execute(ctx, "destroy_ovs_bridge", "--bridge", cmd.Network); result != nil {
		return Answer{Details: *result}
	}
	return Answer{OK: true}
}

// Plug: libvirt plugs VIFs into the bridge of the network's name, and says no
// more of them than it does anywhere.
func (k *KVM) Plug(ctx context.Context, network string) (string, map[string]string, error) {
	if _, err := k.On.VSCtl(ctx, "br-exists", network); err != nil {
		return "", nil, fmt.Errorf("no bridge %s: %w", network, err)
	}
	return network, nil, nil
}

// Plugged and Unplugging: nobody adds flows for VIFs on KVM.
func (k *KVM) Plugged(context.Context, string, string) error { return nil }

// Unplugging does nothing, either.
func (k *KVM) Unplugging(context.Context, string, string) error { return nil }

// OldScript is CloudStack's own ovstunnel.py. Whatever its functions find, it
// says nothing and exits with 0, but for an exception.
type OldScript struct {
	On *ovstest.Host
}

// Run does what the script does.
func (s *OldScript) Run(ctx context.Context, args ...string) (string, int, error) {
	opts := make(map[string]string)
	for i := 1; i+1 < len(args); i += 2 {
		opts[strings.TrimPrefix(args[i], "--")] = args[i+1]
	}
	if err := s.run(ctx, args[0], opts); err != nil {
		return "Traceback: " + err.Error(), 1, nil
	}
	return "", 0, nil
}

func (s *OldScript) run(ctx context.Context, command string, opts map[string]string) error {
	bridge := opts["bridge"]
	switch command {
	case "setup_ovs_bridge":
		return s.On.PluginKVMSetupBridge(ctx, bridge, opts["key"], opts["cs_host_id"])
	case "create_tunnel":
		key, from, to, err := tunnelNumbers(opts["key"], opts["src_host"], opts["dst_host"])
		if err != nil {
			return err
		}
		remote, err := netip.ParseAddr(opts["remote_ip"])
		if err != nil {
			return err
		}
		_, err = s.On.PluginKVMTunnel(ctx, bridge, key, from, to, remote)
		return err
	case "destroy_tunnel":
		return s.On.PluginDestroyTunnel(ctx, bridge, opts["iface_name"])
	case "destroy_ovs_bridge":
		return s.On.PluginDestroyBridge(ctx, bridge)
	}
	return errors.New("NameError: name is not defined")
}
