package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// moveFaults are changes of where something is.
func moveFaults() []Fault {
	return []Fault{
		{
			Name: "endpoint-moved", What: "a host gets another underlay address",
			Expect: "remote_ip of all its peers follows, in one transaction each; ports and flows stay",
			Limits: Limits{Within: 2 * time.Second, Lost: Any, Rows: Any},
			Inject: moveEndpoint,
		},
		{
			Name: "vm-migrated", What: "a VM migrates, the steps in any order: for a while it is on two hosts",
			Expect: "it is reached where it runs",
			Limits: Limits{Within: 2 * time.Second, Lost: Any, Others: Any, Rows: Any, Flows: Any},
			Inject: migrate,
		},
	}
}

func moveEndpoint(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	old := h.Addr.As4()
	moved := netip.AddrFrom4([4]byte{old[0], old[1], old[2], old[3] + 100})
	in := Injected{Host: h.Name}
	// Undone, the host is where it was.
	in.Undo = func(ctx context.Context) error { return readdress(ctx, h, moved, h.Addr) }
	before, err := m.startCount(ctx)
	if err != nil {
		return in, err
	}
	in.Since = time.Now()
	err = readdress(ctx, h, h.Addr, moved)
	in.Right = func(ctx context.Context) error {
		if err := m.follow(ctx, h, moved); err != nil {
			return err
		}
		if err := m.Settled(ctx); err != nil {
			return err
		}
		rows, _, err := before.stop(ctx)
		if peers := len(m.others(h)); err == nil && rows != peers {
			err = fmt.Errorf("%d transactions, want one on each of %d peers", rows, peers)
		}
		return errors.Join(err, m.PingAll(ctx))
	}
	return in, err
}

// readdress gives a host another underlay address and says so in its database.
func readdress(ctx context.Context, h *ovstest.Host, from, to netip.Addr) error {
	if _, err := h.Exec(ctx, "ip", "addr", "del", from.String()+"/24", "dev", "br-phy"); err != nil {
		return err
	}
	if _, err := h.Exec(ctx, "ip", "addr", "add", to.String()+"/24", "dev", "br-phy"); err != nil {
		return err
	}
	if err := sendsFrom(ctx, h, to); err != nil {
		return err
	}
	_, err := h.VSCtl(ctx, "set", "Open_vSwitch", ".", "other_config:local_ip="+to.String())
	return err
}

// sendsFrom waits until the userspace datapath of a host sends from an address.
// It looks at the addresses once for every route that comes, and at times before
// the address is there: so the route comes again.
func sendsFrom(ctx context.Context, h *ovstest.Host, addr netip.Addr) error {
	const attempts, patience = 10, 300 * time.Millisecond
	var shown string
	for range attempts {
		limit, cancel := context.WithTimeout(ctx, patience)
		err := Until(limit, func(ctx context.Context) (err error) {
			if shown, err = h.AppCtl(ctx, "ovs/route/show"); err == nil && !strings.Contains(shown, "SRC "+addr.String()+"\n") {
				err = errors.New("another source")
			}
			return err
		})
		cancel()
		if err == nil {
			return nil
		}
		for _, verb := range []string{"del", "add"} {
			if _, err := h.Exec(ctx, "ip", "addr", verb, addr.String()+"/24", "dev", "br-phy"); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%s does not send from %s: %s", h.Name, addr, shown)
}

// follow waits until the tunnels of all others lead to an address of a host.
func (m *Mesh) follow(ctx context.Context, h *ovstest.Host, addr netip.Addr) error {
	return Until(ctx, func(ctx context.Context) error {
		for _, peer := range m.others(h) {
			out, err := peer.VSCtl(ctx, "--bare", "--columns=options", "find", "Interface", "external_ids:ovsmesh-peer="+h.Name)
			if err != nil {
				return err
			}
			if n := strings.Count(out, "remote_ip="+addr.String()); n != len(networks) {
				return fmt.Errorf("%s: %d of %d tunnels lead to %s: %q", peer.Name, n, len(networks), addr, out)
			}
		}
		return nil
	})
}

// migrate moves a VM as libvirt does, from the second port that appears on the
// target to the end of the first; what follows in between comes in any order.
func migrate(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	p := m.pick(rng)
	in := Injected{Host: p.host.Name}
	vm := m.vmAt(p.name, p.host)
	if vm == nil {
		return in, fmt.Errorf("%s runs no VM of %s", p.host.Name, p.name)
	}
	in.Undo = func(ctx context.Context) error {
		if vm.Host == p.host.Name {
			return nil
		}
		return vm.Move(ctx, p.host)
	}
	if err := vm.Prepare(ctx, p.peer); err != nil {
		return in, err
	}
	target, source := *vm.Next, ovstest.VIF{Host: vm.Host, Interface: vm.Interface}
	status := func(at ovstest.VIF, word string) func() error {
		return func() error {
			_, err := m.Host(at.Host).VSCtl(ctx, "--if-exists", "set", "Interface", at.Interface, "external_ids:iface-status="+word)
			return err
		}
	}
	if err := status(target, "inactive")(); err != nil {
		return in, err
	}
	steps := []func() error{
		status(target, "active"),
		status(source, "inactive"),
		func() error { _, err := vm.Resume(ctx); return err },
		func() error { return vm.Unplug(ctx, source) },
	}
	for _, i := range rng.Perm(len(steps)) {
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
		if err := steps[i](); err != nil {
			return in, err
		}
	}
	in.Since = time.Now()
	in.Right = func(ctx context.Context) error {
		if err := m.Settled(ctx); err != nil {
			return err
		}
		return m.PingAll(ctx)
	}
	return in, nil
}
