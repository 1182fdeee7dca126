package faults

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// Options says what Start makes.
type Options struct {
	Binary string                           // path of ovsmesh
	Hosts  int                              // 0: 4
	Log    func(format string, args ...any) // what is done, for people; nil: nobody
}

// Mesh is hosts h1 … hN, a controller, and two networks with a VM on each host.
// The VMs of both have the same addresses: VM n has 10.1.1.n and fd00::n.
//
// Its methods may be called by one goroutine at a time, but traffic may run
// meanwhile.
type Mesh struct {
	*ovstest.Bed
	Server *Server

	log     func(format string, args ...any)
	servers []*Server // all that NewServer has made
}

// network is a network of the mesh.
type network struct{ name, bridge string }

// networks are those of the spec.
var networks = [...]network{{"blue", "xapi1"}, {"red", "xapi2"}}

// spec is what a mesh starts with.
const spec = `
keyPools:
  - {encap: vxlan, range: 5000-5999}
networks:
  - {name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1}
  - {name: red, tenant: globex, encap: vxlan, bridge: xapi2, bfd: true}
`

const (
	settleEvery = 20 * time.Millisecond // between two looks at what is awaited
	startLimit  = 90 * time.Second      // for a mesh to come up on a busy machine
)

// Start makes a mesh and returns when all is in sync, the audit is clean, and
// every VM reaches every other of its network. On an error nothing stays.
func Start(ctx context.Context, opts Options) (*Mesh, error) {
	if opts.Hosts == 0 {
		opts.Hosts = 4
	}
	if opts.Log == nil {
		opts.Log = func(string, ...any) {}
	}
	bed, err := ovstest.NewBed(ctx, ovstest.Options{Management: true})
	if err != nil {
		return nil, err
	}
	m := &Mesh{Bed: bed, log: opts.Log}
	m.Server = m.NewServer("ovsmesh", opts.Binary)
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := m.build(ctx, opts.Hosts); err != nil {
		return nil, errors.Join(fmt.Errorf("start a mesh: %w", err), m.Close())
	}
	return m, nil
}

func (m *Mesh) build(ctx context.Context, hosts int) error {
	var names []string
	for i := range hosts {
		names = append(names, fmt.Sprintf("h%d", i+1))
	}
	list, err := m.AddHosts(ctx, names...)
	if err != nil {
		return err
	}
	if err := m.Server.Start(ctx); err != nil {
		return err
	}
	for i, h := range list {
		for _, n := range networks {
			if err := h.AddBridge(ctx, n.bridge); err != nil {
				return err
			}
			if _, err := h.AddVM(ctx, VMSpec(n.name, i+1)); err != nil {
				return err
			}
		}
		if err := m.Join(ctx, h, m.Server); err != nil {
			return err
		}
	}
	if err := m.Apply(ctx, spec); err != nil {
		return err
	}
	if err := m.Settled(ctx); err != nil {
		return err
	}
	return m.PingAll(ctx)
}

// Join makes a host dial in at servers, and nowhere else, with what "ovsmesh
// host join" sets: a host that finds nobody tries again every second, not every
// eight.
func (m *Mesh) Join(ctx context.Context, h *ovstest.Host, servers ...*Server) error {
	args := []string{"set-manager"}
	for _, s := range servers {
		args = append(args, s.Manager())
	}
	for _, s := range servers {
		args = append(args, "--", "set", "Manager", s.Manager(), "max_backoff=1000")
	}
	_, err := h.VSCtl(ctx, args...)
	return err
}

// VMSpec is that of VM n, 1 to 250, of a network of the mesh: its name is
// "blue-1".
func VMSpec(network string, n int) ovstest.VMSpec {
	s := ovstest.VMSpec{
		Name: fmt.Sprintf("%s-%d", network, n), MAC: topology.MAC{2, 0, 0, 0, 1, byte(n)},
		IPs: []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, 1, byte(n)}), 24),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(n)}), 64),
		},
	}
	for _, known := range networks {
		if known.name == network {
			s.Bridge = known.bridge
		}
	}
	return s
}

// VMsOf returns the VMs of a network, in the order of their names.
func (m *Mesh) VMsOf(network string) []*ovstest.VM {
	return slices.DeleteFunc(m.VMs(), func(vm *ovstest.VM) bool { return !strings.HasPrefix(vm.Name, network+"-") })
}

// Close ends all servers and removes the mesh. It is idempotent.
func (m *Mesh) Close() error {
	var errs []error
	for _, s := range m.servers {
		errs = append(errs, s.Kill())
	}
	return errors.Join(append(errs, m.Bed.Close())...)
}

// Apply applies a spec and waits until all connected hosts have it.
func (m *Mesh) Apply(ctx context.Context, spec string) error {
	res, err := m.Server.Client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "faults.yaml", Data: spec}}})
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return Until(ctx, func(ctx context.Context) error {
		st, err := m.Server.Client.Sync(ctx, res.Generation)
		if err == nil && !st.Done {
			err = fmt.Errorf("hosts don't follow: %v", st.Pending)
		}
		return err
	})
}

// PingAll pings every VM from every other of its network until each has
// answered.
func (m *Mesh) PingAll(ctx context.Context) error {
	for _, n := range networks {
		for _, from := range m.VMsOf(n.name) {
			for _, to := range m.VMsOf(n.name) {
				if from == to {
					continue
				}
				if err := from.WaitPing(ctx, to.IPs[0].Addr()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Until calls f until it is content. When ctx ends it returns what f said
// last, so that this tells what was waited for.
func Until(ctx context.Context, f func(context.Context) error) error {
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(settleEvery):
		}
	}
}
