package controller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// mesh is a controller in this process and a bed of real hosts.
type mesh struct {
	*ovstest.Bed
	t   *testing.T
	ctx context.Context
	dir string // of the store
	ctl *running

	sweep  time.Duration              // how often switches are read back; 0: the default
	config []func(*controller.Config) // further settings
}

// running is a controller that runs.
type running struct {
	*controller.Controller
	ovsdb, openflow string // where it listens
	stop            func()
	refuses         bool // flows may be refused: the test sees to it that some are wrong
}

// testLimit bounds whatever a test does with a mesh.
const testLimit = 8 * time.Minute

// startMesh makes hosts h1 … hN that dial in to a controller.
func startMesh(t *testing.T, hosts int, opts ...func(*mesh)) *mesh {
	t.Helper()
	m := newMesh(t, hosts)
	for _, o := range opts {
		o(m)
	}
	m.start()
	for _, h := range m.Hosts() {
		m.check(h.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	}
	m.eventually("all hosts connected", func() error {
		top := m.topology(api.TopologyFilter{})
		for _, h := range top.Hosts {
			if !h.Connected {
				return fmt.Errorf("%s is not connected", h.Name)
			}
		}
		if len(top.Hosts) != hosts {
			return fmt.Errorf("%d hosts of %d", len(top.Hosts), hosts)
		}
		return nil
	})
	return m
}

// newMesh makes the hosts, but starts no controller.
func newMesh(t *testing.T, hosts int) *mesh {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	t.Cleanup(cancel)
	m := &mesh{Bed: ovstest.StartBed(t, ovstest.Options{Management: true}), t: t, ctx: ctx, dir: t.TempDir()}
	for i := range hosts {
		_, err := m.AddHost(ctx, fmt.Sprintf("h%d", i+1))
		m.check(err)
	}
	return m
}

// start starts the controller on the ports that it had before, if any.
func (m *mesh) start() {
	m.t.Helper()
	db, of := "0", "0"
	if m.ctl != nil {
		_, db, _ = net.SplitHostPort(m.ctl.ovsdb)
		_, of, _ = net.SplitHostPort(m.ctl.openflow)
	}
	m.ctl = startController(m.t, m.dir, m.listen(db), m.listen(of), m.sweep, m.config...)
}

func (m *mesh) listen(port string) net.Listener {
	m.t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(m.Controller.String(), port))
	m.check(err)
	return l
}

func startController(t *testing.T, dir string, db, of net.Listener, sweep time.Duration, opts ...func(*controller.Config)) *running {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	log := zaptest.NewLogger(t, zaptest.Level(zap.InfoLevel))
	cfg := controller.Config{
		Log: log, Store: st, OVSDB: []net.Listener{db}, OpenFlow: []net.Listener{of}, AutoRegister: true, SweepEvery: sweep, Version: "test",
	}
	for _, o := range opts {
		o(&cfg)
	}
	ctl, err := controller.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- ctl.Run(ctx) }()
	r := &running{Controller: ctl, ovsdb: db.Addr().String(), openflow: of.Addr().String()}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		if n := counted(t, ctl, "ovsmesh_openflow_refused_total"); n != 0 && !r.refuses {
			t.Errorf("flows were refused %v times, and nothing was wrong with them", n)
		}
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("controller: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("controller did not stop within 5 s")
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

func (m *mesh) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// patience is how long a test waits for what is to come, whatever else the machine
// has to do. How soon that is to be is the matter of package faults, which measures
// it on a mesh of its own.
const patience = time.Minute

// eventually waits until f is content.
func (m *mesh) eventually(what string, f func() error) {
	m.t.Helper()
	m.within(patience, what, f)
}

func (m *mesh) within(limit time.Duration, what string, f func() error) {
	m.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// apply applies a spec and waits until all hosts have it.
func (m *mesh) apply(spec string) {
	m.t.Helper()
	res, err := m.ctl.Apply(m.ctx, api.ApplyRequest{Files: []api.File{{Name: "test.yaml", Data: spec}}})
	m.check(err)
	m.synced(res.Generation)
}

func (m *mesh) remove(kind, name string) {
	m.t.Helper()
	res, err := m.ctl.Delete(m.ctx, kind, name)
	m.check(err)
	m.synced(res.Generation)
}

func (m *mesh) synced(gen uint64) {
	m.t.Helper()
	m.eventually("in sync", func() error {
		st, err := m.ctl.Sync(m.ctx, gen)
		m.check(err)
		if !st.Done {
			return fmt.Errorf("%+v", st.Pending)
		}
		return nil
	})
}

func (m *mesh) topology(f api.TopologyFilter) api.Topology {
	m.t.Helper()
	top, err := m.ctl.Topology(m.ctx, f)
	m.check(err)
	return top
}

// meshed waits until a network has exactly these hosts and all its tunnels.
func (m *mesh) meshed(network string, hosts ...string) {
	m.t.Helper()
	m.eventually(network+" meshed", func() error { return m.isMeshed(network, hosts...) })
}

func (m *mesh) isMeshed(network string, hosts ...string) error {
	top := m.topology(api.TopologyFilter{Network: network})
	if len(top.Networks) != 1 {
		return fmt.Errorf("no network %s", network)
	}
	n := top.Networks[0]
	if got, want := strings.Join(n.Hosts, " "), strings.Join(hosts, " "); got != want {
		return fmt.Errorf("hosts: want %s, got %s", want, got)
	}
	if want := len(hosts) * (len(hosts) - 1); n.TunnelsUp != want || n.TunnelsWanted != want || !n.InSync || len(n.Problems) > 0 {
		b, _ := json.Marshal(n)
		return fmt.Errorf("want %d tunnels up: %s", want, b)
	}
	return nil
}

// clean demands that what the switches hold is what is wanted.
func (m *mesh) clean() {
	m.t.Helper()
	rep, err := m.ctl.Audit(m.ctx, api.AuditRequest{})
	m.check(err)
	if !rep.Clean || !rep.Complete {
		b, _ := json.MarshalIndent(rep, "", "  ")
		m.t.Fatalf("audit: %s", b)
	}
}

// vm starts a VM with addresses 10.1.1.n/24 and fd00::n/64 and a MAC that ends
// in n: the same for every network, so that tenants overlap.
func (m *mesh) vm(host, name, bridge string, n int, network string) *ovstest.VM {
	m.t.Helper()
	vm, err := m.Host(host).AddVM(m.ctx, ovstest.VMSpec{
		Name: name, Bridge: bridge, MAC: mac(n), Network: network,
		IPs: []netip.Prefix{netip.PrefixFrom(ip4(n), 24), netip.PrefixFrom(ip6(n), 64)},
	})
	m.check(err)
	return vm
}

func mac(n int) topology.MAC { return topology.MAC{2, 0, 0, 0, 1, byte(n)} }
func ip4(n int) netip.Addr   { return netip.AddrFrom4([4]byte{10, 1, 1, byte(n)}) }
func ip6(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(n)})
}

// pingAll pings every VM from every other, IPv4 and IPv6.
func (m *mesh) pingAll(vms ...*ovstest.VM) {
	m.t.Helper()
	for _, from := range vms {
		for _, to := range vms {
			if from == to {
				continue
			}
			for _, p := range to.IPs {
				if err := from.WaitPing(m.ctx, p.Addr()); err != nil {
					m.t.Fatalf("%s to %s (%s): %v", from.Name, to.Name, p.Addr(), err)
				}
			}
		}
	}
}

// bridges makes a bridge of each name on every host.
func (m *mesh) bridges(names ...string) {
	m.t.Helper()
	for _, h := range m.Hosts() {
		for _, name := range names {
			m.check(h.AddBridge(m.ctx, name))
		}
	}
}
