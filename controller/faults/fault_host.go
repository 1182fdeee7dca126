package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/ovsdb/ovstest"
)

// hostFaults are those of whole hosts.
func hostFaults() []Fault {
	rebuilt := "rebuilt once, no port twice"
	return []Fault{
		{
			Name: "host-freeze", What: "all of a host stands still (SIGSTOP)",
			Expect: "shown as unreachable, and why; no other host waits for it",
			Limits: Limits{Within: 10 * time.Second, Lost: Any, Rows: Any, Flows: Any},
			Inject: freezeHost,
		},
		{
			Name: "host-unreachable", What: "the way between a host and the controller is cut, silently",
			Expect: "shown as unreachable, and why; no packet lost; no other host waits for it",
			Limits: Limits{Within: 10 * time.Second, Rows: Any, Flows: Any},
			Inject: cutManagement,
		},
		{
			Name: "host-cut-off", What: "all links of a host are cut, silently",
			Expect: "shown as unreachable, and why; no other host waits for it",
			Limits: Limits{Within: 10 * time.Second, Lost: Any, Rows: Any, Flows: Any},
			Inject: cutHost,
		},
		{
			Name: "host-wiped", What: "power lost, booted with an empty conf.db",
			Expect: rebuilt,
			Limits: Limits{Within: 15 * time.Second, Lost: Any, Rows: Any, Flows: Any},
			Inject: func(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
				return m.reboots(ctx, m.pick(rng).host, (*ovstest.Host).RebootEmpty)
			},
		},
		{
			Name: "host-without-bridges", What: "power lost, booted with --delete-bridges",
			Expect: rebuilt,
			Limits: Limits{Within: 15 * time.Second, Lost: Any, Rows: Any, Flows: Any},
			Inject: func(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
				return m.reboots(ctx, m.pick(rng).host, (*ovstest.Host).RebootWithoutBridges)
			},
		},
		{
			Name: "emer-reset", What: "ovs-vsctl emer-reset on all hosts, then set-manager",
			Expect: "no storm meanwhile; put right once, recorded, no port twice",
			Limits: Limits{Within: 15 * time.Second, Lost: Any, Others: Any, Rows: Any, Flows: Any},
			Inject: emerReset,
		},
	}
}

func freezeHost(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	return m.stands(ctx, h,
		func() error { return errors.Join(h.Freeze(), h.FreezeOVSDB()) },
		func() error { return errors.Join(h.ThawOVSDB(), h.Thaw()) },
		"its database has not answered since", api.HealthUnreachable)
}

func cutManagement(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	return m.stands(ctx, h,
		func() error { return h.CutManagement(ctx) },
		func() error { return h.RestoreManagement(context.WithoutCancel(ctx)) },
		"its database has not answered since", api.HealthUnreachable)
}

func cutHost(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	return m.stands(ctx, h,
		func() error { return errors.Join(h.CutUnderlay(ctx), h.CutManagement(ctx)) },
		func() error {
			ctx := context.WithoutCancel(ctx)
			return errors.Join(h.RestoreUnderlay(ctx), h.RestoreManagement(ctx))
		},
		"its database has not answered since", api.HealthUnreachable)
}

// reboots boots a host in a way that loses its bridges, and does what its
// toolstack does then: managers, bridges, and the VIFs of its VMs.
func (m *Mesh) reboots(ctx context.Context, h *ovstest.Host, reboot func(*ovstest.Host, context.Context) error) (Injected, error) {
	in := Injected{Host: h.Name}
	if err := reboot(h, ctx); err != nil {
		return in, err
	}
	in.Since = time.Now()
	before, err := insertions(ctx, h)
	if err != nil {
		return in, err
	}
	if err := h.SetManager(ctx, m.Server.Manager()); err != nil {
		return in, err
	}
	for _, n := range networks {
		if err := h.AddBridge(ctx, n.bridge); err != nil {
			return in, err
		}
		for _, vm := range m.VMsOf(n.name) {
			if vm.Host != h.Name {
				continue
			}
			if err := vm.Replug(ctx); err != nil {
				return in, err
			}
		}
	}
	in.Right = func(ctx context.Context) error {
		if err := m.Settled(ctx); err != nil {
			return err
		}
		return m.builtOnce(ctx, h, before)
	}
	in.Undo = m.PingAll
	return in, nil
}

// insertions counts how often each Interface was inserted, as the log of the
// host's database says.
func insertions(ctx context.Context, h *ovstest.Host) (map[string]int, error) {
	out, err := h.Exec(ctx, "ovsdb-tool", "-m", "show-log", h.Dir()+"/conf.db")
	if err != nil {
		return nil, err
	}
	n := make(map[string]int)
	for line := range strings.Lines(out) {
		rest, found := strings.CutPrefix(strings.TrimSpace(line), "table Interface insert row \"")
		if name, _, ok := strings.Cut(rest, "\""); found && ok {
			n[name]++
		}
	}
	return n, nil
}

// builtOnce demands that a host has just the tunnel ports that it should, and
// that each was made once since insertions were counted.
func (m *Mesh) builtOnce(ctx context.Context, h *ovstest.Host, before map[string]int) error {
	now, err := insertions(ctx, h)
	if err != nil {
		return err
	}
	for _, n := range networks {
		for _, peer := range m.others(h) {
			name, err := place{h, peer, n}.tunnel(ctx)
			if err != nil {
				return err
			}
			if made := now[name] - before[name]; made > 1 {
				return fmt.Errorf("%s: port %s was made %d times", h.Name, name, made)
			}
		}
	}
	return nil
}

// emerReset resets all hosts as a toolstack does when the address of their
// controller changes. Their bridges then forward by themselves, tunnels and all.
func emerReset(ctx context.Context, m *Mesh, _ *rand.Rand) (Injected, error) {
	var in Injected
	began := time.Now()
	before := make(map[string]map[string]int)
	for _, h := range m.Hosts() {
		var err error
		if before[h.Name], err = insertions(ctx, h); err != nil {
			return in, err
		}
		if _, err := h.VSCtl(ctx, "emer-reset"); err != nil {
			return in, err
		}
	}
	storm := m.stormless(ctx)
	in.Since = time.Now()
	for _, h := range m.Hosts() {
		if err := h.SetManager(ctx, m.Server.Manager()); err != nil {
			return in, errors.Join(storm, err)
		}
	}
	in.Right = func(ctx context.Context) error {
		if err := m.Settled(ctx); err != nil {
			return err
		}
		for _, h := range m.Hosts() {
			if err := m.builtOnce(ctx, h, before[h.Name]); err != nil {
				return err
			}
			if err := m.recorded(ctx, h.Name, began, audit.WrongBridgeSetting); err != nil {
				return err
			}
		}
		return nil
	}
	return in, storm
}

// stormless sends broadcasts and demands that every other host gets each of them
// once by the underlay, and passes none on.
func (m *Mesh) stormless(ctx context.Context) error {
	const sent, watch = 5, time.Second
	from := m.VMsOf(networks[0].name)[0]
	frame := append(append(bytes.Repeat([]byte{0xff}, 6), from.MAC[:]...), 0x88, 0xb5) // the local experimental EtherType
	frame = append(frame, "emer-reset"...)
	frame = append(frame, make([]byte, 60-len(frame))...)
	captures := make(map[*ovstest.Host]*ovstest.Capture)
	var errs []error
	for _, h := range m.Hosts() {
		c, err := h.StartCapture()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		captures[h] = c
	}
	if len(errs) == 0 {
		for range sent {
			errs = append(errs, from.SendFrame(frame))
		}
		select {
		case <-ctx.Done():
		case <-time.After(watch):
		}
	}
	for h, c := range captures {
		errs = append(errs, c.Stop())
		wants := map[bool]int{true: 0, false: sent} // by whether the host sent it
		if h.Name == from.Host {
			wants = map[bool]int{true: sent * (len(captures) - 1), false: 0}
		}
		for out, want := range wants {
			got := c.Count(func(f ovstest.Frame) bool {
				_, inner, ok := ovstest.Decapsulate(f)
				return ok && f.Sent == out && bytes.HasPrefix(inner.Data, frame)
			})
			if got != want {
				errs = append(errs, fmt.Errorf("%s: %d copies of %d broadcasts on the underlay (sent: %v), want %d", h.Name, got, sent, out, want))
			}
		}
	}
	return errors.Join(errs...)
}
