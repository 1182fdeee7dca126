package cloudstacktest

import (
	"context"
	"net/netip"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// Resource carries out the management server's commands on one host.
type Resource interface {
	// FetchInterface tells where the host's tunnels are to start:
	// OvsFetchInterfaceCommand.
	FetchInterface(ctx context.Context) (netip.Addr, error)

	SetupBridge(ctx context.Context, cmd SetupBridge) Answer
	CreateTunnel(ctx context.Context, cmd CreateTunnel) Answer
	DestroyTunnel(ctx context.Context, cmd DestroyTunnel) Answer
	DestroyBridge(ctx context.Context, cmd DestroyBridge) Answer

	// Plug prepares the host for VIFs of a network and returns the bridge that
	// they go to and what their Interface rows say.
	Plug(ctx context.Context, network string) (bridge string, ids map[string]string, err error)
	// Plugged and Unplugging are called when a VIF is there, and before it goes.
	Plugged(ctx context.Context, bridge, vif string) error
	Unplugging(ctx context.Context, bridge, vif string) error

	// Announcements are how often, and each after how long, a VM that has
	// migrated is announced once more.
	Announcements() []time.Duration

	Host() *ovstest.Host
}

// Answer is what the management server learns of a command.
type Answer struct {
	OK      bool
	Port    string // of a tunnel that was created; KVM's agent never tells it
	Details string
}

// SetupBridge is OvsSetupBridgeCommand. Network is the name that both sides know
// a network by, OVSTunnel103.
type SetupBridge struct {
	Network string
	Host    int
}

// CreateTunnel is OvsCreateTunnelCommand.
type CreateTunnel struct {
	Network  string
	UUID     string // CloudStack's, of the network
	Key      uint32
	From, To int
	Remote   netip.Addr
}

// DestroyTunnel is OvsDestroyTunnelCommand.
type DestroyTunnel struct {
	Network string
	Port    string
}

// DestroyBridge is OvsDestroyBridgeCommand.
type DestroyBridge struct {
	Network string
	Host    int
}
