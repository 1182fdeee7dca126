package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// switchFaults are those of a host's two daemons.
func switchFaults() []Fault {
	return []Fault{
		{
			Name: "vswitchd-kill", What: "ovs-vswitchd: kill -9, started again",
			Expect: "its tables come back as they were, in one bundle a bridge, within 1 s of the switch's hello",
			Limits: Limits{Within: time.Second, Lost: Any, Rows: len(networks), Flows: Any},
			Inject: killVSwitchd,
		},
		{
			Name: "ovsdb-kill", What: "ovsdb-server: kill -9, started again",
			Expect: "rows are read anew, nothing is rewritten",
			// The userspace datapath forwards nothing while ovs-vswitchd has no
			// database, about a second; what comes waits and may find no room.
			Limits: Limits{Within: 3 * time.Second, Lost: Any},
			Inject: killOVSDB,
		},
		{
			Name: "vswitchd-freeze", What: "ovs-vswitchd stands still (SIGSTOP)",
			Expect: "shown as stuck, and why; no other host waits for it",
			Limits: Limits{Within: 10 * time.Second, Lost: Any, Rows: Any, Flows: Any},
			Inject: freezeVSwitchd,
		},
		{
			Name: "redial", What: "ovs-vswitchd: started anew, and then the controller away for 6 s",
			Expect: "bridges redial every 1 to 1.5 s, though Open vSwitch by itself waits up to 8",
			Limits: Limits{Within: 10 * time.Second, Lost: Any, Rows: Any, Flows: Any},
			Inject: redial,
		},
	}
}

func killVSwitchd(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	in := Injected{Host: h.Name}
	before := map[string][]string{}
	for _, n := range networks {
		flows, err := m.flows(ctx, h, n.bridge)
		if err != nil {
			return in, err
		}
		before[n.bridge] = flows
	}
	if err := h.KillVSwitchd(syscall.SIGKILL); err != nil {
		return in, err
	}
	mark := len(m.Server.Log())
	in.Since = time.Now() // the hello comes while ovs-vswitchd starts
	if err := h.StartVSwitchd(ctx); err != nil {
		return in, err
	}
	in.Right = func(ctx context.Context) error { return m.exact(ctx, h, before) }
	in.Undo = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, rightLimit) // the log comes after the deed
		defer cancel()
		return Until(ctx, func(context.Context) error { return m.bundles(m.Server.Log()[mark:], h.Name, before) })
	}
	return in, nil
}

// exact waits until bridges hold these flows of ours.
func (m *Mesh) exact(ctx context.Context, h *ovstest.Host, want map[string][]string) error {
	return Until(ctx, func(ctx context.Context) error {
		var errs []error
		for bridge, flows := range want {
			got, err := m.flows(ctx, h, bridge)
			if err == nil && !slices.Equal(got, flows) {
				err = fmt.Errorf("%s %s holds %d flows of ours, want %d as before", h.Name, bridge, len(got), len(flows))
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// bundles demands that a part of the server's log tells of one bundle for each
// of a host's bridges, with all its flows.
func (m *Mesh) bundles(log, host string, want map[string][]string) error {
	sent := map[string]int{}
	for line := range strings.Lines(log) {
		for bridge := range want {
			if strings.Contains(line, "\tflows\t") && strings.Contains(line, fmt.Sprintf(`"host": %q, "bridge": %q`, host, bridge)) {
				sent[bridge]++
				if !strings.Contains(line, fmt.Sprintf(`"mods": %d,`, len(want[bridge]))) {
					return fmt.Errorf("%s has %d flows of ours, and was sent: %s", bridge, len(want[bridge]), strings.TrimSpace(line))
				}
			}
		}
	}
	for bridge := range want {
		if sent[bridge] != 1 {
			return fmt.Errorf("%s %s was sent %d bundles, want one", host, bridge, sent[bridge])
		}
	}
	return nil
}

func killOVSDB(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	in := Injected{Host: h.Name}
	before, err := writesOf(ctx, h)
	if err != nil {
		return in, err
	}
	if err := h.KillOVSDB(syscall.SIGKILL); err != nil {
		return in, err
	}
	if err := m.disconnected(ctx, h.Name); err != nil {
		return in, err
	}
	in.Since = time.Now()
	if err := h.StartOVSDB(ctx); err != nil {
		return in, err
	}
	// What counts is when the rows are read and right. The tunnels with BFD come up
	// after that: it has called them down, as the userspace datapath stood still,
	// and until both ends agree that they are up it sends one packet a second
	// (RFC 5880 section 6.8.3).
	in.Right = func(ctx context.Context) error {
		return Until(ctx, func(ctx context.Context) error {
			now, err := m.hostNow(ctx, h.Name)
			switch {
			case err != nil:
				return err
			case !now.Connected || !now.InSync:
				return fmt.Errorf("%s: connected %v, in sync %v", h.Name, now.Connected, now.InSync)
			}
			return m.Clean(ctx)
		})
	}
	in.Undo = func(ctx context.Context) error {
		now, err := writesOf(ctx, h)
		if err == nil && (now.NextCfg != before.NextCfg || now.FlowTables != before.FlowTables) {
			err = fmt.Errorf("%s was written to: %+v, and %+v before", h.Name, now, before)
		}
		return err
	}
	return in, nil
}

// disconnected waits until the controller has noticed that a host is gone.
func (m *Mesh) disconnected(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, rightLimit)
	defer cancel()
	return Until(ctx, func(ctx context.Context) error {
		h, err := m.hostNow(ctx, host)
		if err == nil && h.Connected {
			err = fmt.Errorf("%s is connected", host)
		}
		return err
	})
}

func freezeVSwitchd(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	return m.stands(ctx, h, h.Freeze, h.Thaw, "ovs-vswitchd (bridge", api.HealthStuck)
}

// stands makes a host stand still, waits until that shows in a word and with
// part of a reason, and looks whether others go on as before.
func (m *Mesh) stands(ctx context.Context, h *ovstest.Host, stop, goOn func() error, part string, words ...string) (Injected, error) {
	in := Injected{Host: h.Name}
	hosts := m.others(h)
	before, err := m.changeTakes(ctx, hosts[0], hosts[1])
	if err != nil {
		return in, err
	}
	in.Since = time.Now()
	err = stop()
	in.Right = func(ctx context.Context) error { return m.alarmed(ctx, h.Name, part, words...) }
	in.Undo = func(ctx context.Context) error {
		return errors.Join(m.unmoved(ctx, h, before), goOn())
	}
	return in, err
}
