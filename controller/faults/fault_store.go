package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// storeFaults are those that keep the controller from writing its store. Time
// counts from when it could be written again.
func storeFaults() []Fault {
	const expect = "changes are refused with the reason, drift is mended; once it can be written, all is kept"
	limits := Limits{Within: 10 * time.Second, Rows: Any, Flows: Any}
	return []Fault{
		{
			Name: "store-limit", What: "store: no file may be written beyond 8 KiB (RLIMIT_FSIZE)", Expect: expect, Limits: limits,
			Inject: func(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
				return m.breakStore(ctx, rng, storeBreak{advice: "limit on the size of files", ports: fewPorts, put: m.limitFiles, lift: m.freeFiles})
			},
		}, {
			Name: "store-full", What: "store: its disk is full", Expect: expect, Limits: limits, Apart: true,
			Inject: func(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
				d := &smallDisk{m: m}
				return m.breakStore(ctx, rng, storeBreak{advice: "make room", ports: morePorts, prepare: d.use, put: d.fill, lift: d.empty, undo: d.leave})
			},
		}, {
			Name: "store-readonly", What: "store: its file system is read-only when the controller starts", Expect: expect, Limits: limits, Apart: true,
			Inject: func(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
				d := &smallDisk{m: m}
				return m.breakStore(ctx, rng, storeBreak{advice: "mount its file system for writing", ports: fewPorts, prepare: d.use, put: d.lock, lift: d.unlock, undo: d.leave})
			},
		},
	}
}

// Ports that a change brings. On a disk that is full there must be more than the
// pages have room for that are free in the store's file.
const (
	fewPorts  = 10
	morePorts = 6000
)

// storeBreak is a way to keep a store from being written.
type storeBreak struct {
	advice string // in the text that an operator gets
	ports  int    // that a change is to bring
	// prepare and undo may be nil; lift takes away what put has made.
	prepare, put, lift, undo func(context.Context) error
}

// manyPorts is a network with so many ports.
func manyPorts(n int) string {
	var b strings.Builder
	b.WriteString("networks:\n  - {name: many, tenant: acme, encap: vxlan, key: 77777, bridge: none}\nports:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {name: many-%d, network: many, match: {ifaceID: i%064d}}\n", i, i)
	}
	return b.String()
}

// breakStore makes it so that the store can't be written, looks at what the
// controller does then, and lifts it.
func (m *Mesh) breakStore(ctx context.Context, rng *rand.Rand, b storeBreak) (in Injected, err error) {
	before, err := m.Server.Client.Export(ctx)
	if err != nil {
		return in, err
	}
	broken := false
	in.Undo = func(ctx context.Context) error {
		var errs []error
		if broken {
			errs = append(errs, b.lift(ctx))
		}
		errs = append(errs, m.leaveAsBefore(ctx, before))
		if b.undo != nil {
			errs = append(errs, b.undo(ctx))
		}
		return errors.Join(errs...)
	}
	if b.prepare != nil {
		if err := b.prepare(ctx); err != nil {
			return in, err
		}
	}
	broken = true
	if err := b.put(ctx); err != nil {
		return in, err
	}
	if err := m.storeRefuses(ctx, b); err != nil {
		return in, err
	}
	if err := m.mendsMeanwhile(ctx, rng); err != nil {
		return in, err
	}
	if err := m.holds(ctx, before); err != nil {
		return in, fmt.Errorf("what was refused: %w", err)
	}
	if err := b.lift(ctx); err != nil {
		return in, err
	}
	broken = false
	in.Since = time.Now()
	in.Right = func(ctx context.Context) error {
		if err := Until(ctx, m.storeWritable); err != nil {
			return err
		}
		return m.Settled(ctx)
	}
	in.Check = func(ctx context.Context) error {
		if err := m.applyText(ctx, manyPorts(b.ports), false); err != nil {
			return fmt.Errorf("what was refused, once more: %w", err)
		}
		return m.keptOverKill(ctx)
	}
	return in, nil
}

func (m *Mesh) applyText(ctx context.Context, spec string, prune bool) error {
	_, err := m.Server.Client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "store.yaml", Data: spec}}, Prune: prune})
	return err
}

// storeRefuses demands that a change is refused, and that whoever looks is told
// why and what to do.
func (m *Mesh) storeRefuses(ctx context.Context, b storeBreak) error {
	said := func(where, text string) error {
		if path := m.storeFile(); !strings.Contains(text, path) || !strings.Contains(text, b.advice) {
			return fmt.Errorf("%s: %q does not name %s, or what to do: %s", where, text, path, b.advice)
		}
		return nil
	}
	err := m.applyText(ctx, manyPorts(b.ports), false)
	var status *api.StatusError
	if !errors.As(err, &status) || status.Status != http.StatusInsufficientStorage || !strings.HasPrefix(status.Body.Message, api.ErrNotKept.Error()) {
		return fmt.Errorf("a change while the store can't be written came to: %v", err)
	}
	ready, err := m.Server.get(ctx, "/readyz")
	if err != nil {
		return err
	}
	top, err := m.Server.Client.Topology(ctx, api.TopologyFilter{Limit: api.NoTunnels})
	if err != nil {
		return err
	}
	now, err := m.Server.metrics(ctx, metricWritable, metricStoreErrors)
	if err == nil && (now[metricWritable] != 0 || now[metricStoreErrors] < 1) {
		err = fmt.Errorf("metrics while the store can't be written: %v", now)
	}
	return errors.Join(err, said("the refusal", status.Body.Message), said("/readyz", ready), said("topology", strings.Join(top.Problems, "\n")))
}

const (
	metricWritable    = "ovsmesh_store_writable"
	metricStoreErrors = "ovsmesh_store_write_errors_total"
)

func (m *Mesh) storeFile() string { return filepath.Join(m.Server.DataDir(), "ovsmesh.db") }

// storeWritable reports whether the controller has found by itself that the
// store can be written again.
func (m *Mesh) storeWritable(ctx context.Context) error {
	now, err := m.Server.Metric(ctx, metricWritable)
	if err == nil && now != 1 {
		err = errors.New("the store can't be written")
	}
	return err
}

// mendsMeanwhile changes a row of ours by hand and waits until it is right.
func (m *Mesh) mendsMeanwhile(ctx context.Context, rng *rand.Rand) error {
	p := m.pick(rng)
	port, err := p.tunnel(ctx)
	if err != nil {
		return err
	}
	if _, err := p.host.VSCtl(ctx, "remove", "Port", port, "external_ids", "ovsmesh-peer"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, rightLimit)
	defer cancel()
	return Until(ctx, func(ctx context.Context) error {
		out, err := p.host.VSCtl(ctx, "get", "Port", port, "external_ids")
		if err == nil && !strings.Contains(out, "ovsmesh-peer="+p.peer.Name) {
			err = fmt.Errorf("%s on %s is not mended: %s", port, p.host.Name, out)
		}
		return err
	})
}

// holds demands that the spec is this one.
func (m *Mesh) holds(ctx context.Context, want topology.Spec) error {
	got, err := m.Server.Client.Export(ctx)
	if err == nil && !reflect.DeepEqual(got, want) {
		err = fmt.Errorf("the spec is another: %d networks and %d ports, want %d and %d", len(got.Networks), len(got.Ports), len(want.Networks), len(want.Ports))
	}
	return err
}

// keptOverKill demands that what was acknowledged is there after a kill -9.
func (m *Mesh) keptOverKill(ctx context.Context) error {
	want, err := m.Server.Client.Export(ctx)
	if err != nil {
		return err
	}
	if err := m.Server.Kill(); err != nil {
		return err
	}
	if err := m.Server.Start(ctx); err != nil {
		return err
	}
	if err := m.holds(ctx, want); err != nil {
		return fmt.Errorf("after kill -9: %w", err)
	}
	return m.Settled(ctx)
}

// leaveAsBefore makes the spec what it was.
func (m *Mesh) leaveAsBefore(ctx context.Context, spec topology.Spec) error {
	ctx, cancel := context.WithTimeout(ctx, rightLimit)
	defer cancel()
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return Until(ctx, func(ctx context.Context) error {
		if err := m.applyText(ctx, string(text), true); err != nil {
			return err
		}
		return m.holds(ctx, spec)
	})
}

// limitFiles keeps the server from writing any file beyond the first two pages
// of a store. What it logs meanwhile is lost.
func (m *Mesh) limitFiles(context.Context) error { return m.setFileLimit(2 * 4096) }

func (m *Mesh) freeFiles(context.Context) error { return m.setFileLimit(unix.RLIM_INFINITY) }

func (m *Mesh) setFileLimit(bytes uint64) error {
	return unix.Prlimit(m.Server.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil)
}
