package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/ovsdb/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager is a Server on loopback whose sessions the test takes itself.
type manager struct {
	target   string
	server   *ovsdb.Server
	sessions chan *ovsdb.Session
}

func startManager(t *testing.T, cfg ovsdb.Config) *manager {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{target: "tcp:" + l.Addr().String(), sessions: make(chan *ovsdb.Session, 16)}
	cfg.Handle = func(ctx context.Context, s *ovsdb.Session) {
		m.sessions <- s
		<-s.Done()
	}
	m.server = ovsdb.NewServer(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve does not return")
		}
	})
	return m
}

func (m *manager) next(t *testing.T) *ovsdb.Session {
	t.Helper()
	select {
	case s := <-m.sessions:
		return s
	case <-time.After(patience):
		t.Fatal("no host dialled in")
		return nil
	}
}

// until applies updates until ok, and fails the test if that takes too long.
func until(t *testing.T, s *ovsdb.Session, db *schema.DB, what string, ok func() bool) {
	t.Helper()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-s.Changed():
			if _, err := db.Apply(s.Take()); err != nil {
				t.Fatal(err)
			}
		case <-s.Done():
			t.Fatalf("%s: session ended: %v", what, s.Err())
		case <-limit:
			t.Fatalf("%s: not so after %v", what, patience)
		}
	}
}

func touch(value string) ovsdb.Operation {
	return ovsdb.Operation{Op: "mutate", Table: "Open_vSwitch", Mutations: []ovsdb.Mutation{
		{Column: "external_ids", Mutator: "insert", Value: ovsdb.OvsMap{GoMap: map[any]any{"test-" + value: value}}},
	}}
}

func TestHostDialsIn(t *testing.T) {
	sw := ovstest.StartSwitch(t, ovstest.WithSystemID("11111111-2222-3333-4444-555555555555"))
	sw.VSCtl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "external_ids:a=ä\"\\b")
	m := startManager(t, ovsdb.Config{})
	sw.SetManager(m.target)
	s := m.next(t)
	db := s.DB()
	if got := db.Open.ExternalIDs["system-id"]; got != "11111111-2222-3333-4444-555555555555" {
		t.Errorf("system-id %q", got)
	}
	br := db.BridgeByName("br0")
	if br == nil || br.DatapathID == "" || br.ExternalIDs["a"] != `ä"\b` || len(br.Ports) != 1 {
		t.Fatalf("bridge br0: %+v", br)
	}
	port := db.PortByName("br0")
	if port == nil || db.BridgeOfPort(port.UUID) != br || port.Tag != -1 {
		t.Fatalf("port br0: %+v", port)
	}
	iface := db.InterfaceByName("br0")
	if iface == nil || db.PortOfInterface(iface.UUID) != port || iface.Type != "internal" {
		t.Fatalf("interface br0: %+v", iface)
	}
	if !s.RemoteAddr().IsValid() || "tcp:"+s.LocalAddr().String() != m.target {
		t.Errorf("from %v to %v, want to %s", s.RemoteAddr(), s.LocalAddr(), m.target)
	}
	if s.Lock() != ovsdb.LockHeld {
		t.Errorf("lock %v", s.Lock())
	}

	sw.VSCtl("add-port", "br0", "t1", "--", "set", "interface", "t1", "type=gre", "options:remote_ip=192.0.2.1", "options:key=7",
		"external_ids:ovsmesh-owner=o", "--", "set", "port", "t1", "external_ids:ovsmesh-owner=o", "external_ids:ovsmesh-network=blue")
	until(t, s, db, "tunnel with an ofport", func() bool {
		i := db.InterfaceByName("t1")
		return i != nil && i.OFPort > 0 && i.Options["key"] == "7" && len(db.PortsOfNetwork("blue")) == 1
	})
	sw.VSCtl("del-port", "br0", "t1")
	until(t, s, db, "no tunnel", func() bool {
		return db.InterfaceByName("t1") == nil && db.PortByName("t1") == nil && len(db.OwnedPorts()) == 0
	})

	fresh, err := s.SelectDB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Open.ExternalIDs["system-id"] == "" || fresh.BridgeByName("br0") == nil || len(fresh.Interfaces) != len(db.Interfaces) {
		t.Errorf("fresh copy: %+v", fresh.Open)
	}
	if err := s.Echo(t.Context()); err != nil {
		t.Error(err)
	}
	s.Close()
	s.Close()
	if !errors.Is(s.Err(), ovsdb.ErrClosed) {
		t.Errorf("after Close: %v", s.Err())
	}
	if _, err := s.TransactLocked(t.Context(), touch("x")); !errors.Is(err, ovsdb.ErrClosed) {
		t.Errorf("Transact after Close: %v", err)
	}
	m.next(t) // it dials in again
}

func TestTransact(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	s, err := ovsdb.Dial(t.Context(), "unix:"+sw.DBSocket(), ovsdb.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db := s.DB()

	// Every transaction's effects are there when it returns.
	for i := range 50 {
		key := fmt.Sprint(i)
		if _, err := s.TransactLocked(t.Context(), touch(key)); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Apply(s.Take()); err != nil {
			t.Fatal(err)
		}
		if db.Open.ExternalIDs["test-"+key] != key {
			t.Fatalf("transaction %d has returned, its update is not there", i)
		}
	}

	timeout := 0
	res, err := s.TransactLocked(t.Context(),
		ovsdb.Operation{Op: "insert", Table: "Bridge", Row: ovsdb.Row{"name": "br1", "datapath_type": "dummy"}, UUIDName: "b"},
		ovsdb.Operation{Op: "mutate", Table: "Open_vSwitch", Mutations: []ovsdb.Mutation{
			{Column: "bridges", Mutator: "insert", Value: ovsdb.UUID{GoUUID: "b"}}}},
		ovsdb.Operation{Op: "select", Table: "Bridge", Columns: []string{"_uuid", "name", "external_ids", "ports"}},
		ovsdb.Operation{Op: "wait", Table: "Bridge", Timeout: &timeout, Until: "!=", Columns: []string{"name"}}, // not "no rows"
	)
	if err != nil {
		t.Fatal(err)
	}
	if len(res) != 4 || res[0].UUID.GoUUID == "" || res[1].Count != 1 || len(res[2].Rows) != 1 || res[2].Rows[0]["name"] != "br1" {
		t.Fatalf("results %+v", res)
	}
	if id, ok := res[2].Rows[0]["_uuid"].(ovsdb.UUID); !ok || id != res[0].UUID {
		t.Errorf("_uuid %v, want %v", res[2].Rows[0]["_uuid"], res[0].UUID)
	}
	if _, ok := res[2].Rows[0]["external_ids"].(ovsdb.OvsMap); !ok {
		t.Errorf("external_ids is a %T", res[2].Rows[0]["external_ids"])
	}

	// The refused operation is named by its place among the caller's.
	for _, c := range []struct {
		name  string
		ops   []ovsdb.Operation
		index int
		code  string
	}{
		{"column", []ovsdb.Operation{touch("a"), {Op: "update", Table: "Bridge", Row: ovsdb.Row{"nonsense": 1}}}, 1, "unknown column"},
		{"commit", []ovsdb.Operation{touch("a"), {Op: "insert", Table: "Bridge", Row: ovsdb.Row{"name": "br1"}},
			{Op: "mutate", Table: "Open_vSwitch", Mutations: []ovsdb.Mutation{{Column: "bridges", Mutator: "insert",
				Value: ovsdb.UUID{GoUUID: "00000000-0000-0000-0000-000000000001"}}}}}, 3, "referential integrity violation"},
	} {
		_, err := s.TransactLocked(t.Context(), c.ops...)
		var e *ovsdb.Error
		if !errors.As(err, &e) || !e.Refused() || e.Index != c.index || !strings.Contains(e.Error(), c.code) && e.Code != c.code && !strings.Contains(e.Details, "nonsense") {
			t.Errorf("%s: %v", c.name, err)
		}
	}

	// No where means every row, for delete too.
	if _, err := s.TransactLocked(t.Context(), ovsdb.Operation{Op: "update", Table: "Open_vSwitch", Row: ovsdb.Row{"bridges": ovsdb.OvsSet{}}},
		ovsdb.Operation{Op: "delete", Table: "Bridge"}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Apply(s.Take()); err != nil {
		t.Fatal(err)
	}
	if len(db.Bridges) != 0 || db.BridgeByName("br1") != nil {
		t.Errorf("bridges left: %v", db.Bridges)
	}

	// Many at once.
	errs := make(chan error)
	for i := range 20 {
		go func() {
			_, err := s.TransactLocked(t.Context(), touch(fmt.Sprint("p", i)))
			errs <- err
		}()
	}
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestLockPassesOn(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	m1, m2 := startManager(t, ovsdb.Config{}), startManager(t, ovsdb.Config{})
	sw.SetManager(m1.target)
	first := m1.next(t)
	if first.Lock() != ovsdb.LockHeld {
		t.Fatalf("the only manager: %v", first.Lock())
	}
	second, err := ovsdb.Dial(t.Context(), "unix:"+sw.DBSocket(), ovsdb.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if second.Lock() != ovsdb.LockWaiting {
		t.Fatalf("the second: %v", second.Lock())
	}
	if _, err := second.TransactLocked(t.Context(), touch("x")); !errors.Is(err, ovsdb.ErrNotLocked) {
		t.Fatalf("write without the lock: %v", err)
	}
	first.Close()
	until(t, second, second.DB(), "lock held", func() bool { return second.Lock() == ovsdb.LockHeld })
	if _, err := second.TransactLocked(t.Context(), touch("y")); err != nil {
		t.Fatal(err)
	}
	again := m1.next(t)
	if again.Lock() != ovsdb.LockWaiting {
		t.Errorf("the first, back again: %v", again.Lock())
	}
	// Two managers of one host.
	sw.SetManager(m1.target, m2.target)
	if third := m2.next(t); third.Lock() != ovsdb.LockWaiting {
		t.Errorf("another manager: %v", third.Lock())
	}
}

func TestOVSDBRestarts(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	sw.VSCtl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy")
	m := startManager(t, ovsdb.Config{})
	sw.SetManager(m.target)
	s := m.next(t)
	uuid := s.DB().BridgeByName("br0").UUID
	sw.RestartOVSDB()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the session outlives its server")
	}
	again := m.next(t)
	if b := again.DB().BridgeByName("br0"); b == nil || b.UUID != uuid || again.Lock() != ovsdb.LockHeld {
		t.Errorf("after the restart: bridge %+v, lock %v", b, again.Lock())
	}
}

func TestFrozenHostIsLetGo(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	const silent = 2 * time.Second
	m := startManager(t, ovsdb.Config{EchoAfter: 100 * time.Millisecond, SilentAfter: silent, CallTimeout: 2 * patience})
	sw.SetManager(m.target)
	s := m.next(t)
	select { // echoes keep a live one
	case <-s.Done():
		t.Fatalf("a live host was let go: %v", s.Err())
	case <-time.After(3 * silent / 2):
	}
	pid, _ := sw.Pids()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT)
	start := time.Now()
	_, err := s.TransactLocked(t.Context(), touch("x"))
	if err == nil || time.Since(start) > patience { // before the call's own time is up
		t.Errorf("a transaction with a frozen host: %v after %v", err, time.Since(start))
	}
	<-s.Done()
	if !errors.Is(s.Err(), ovsdb.ErrSilent) {
		t.Errorf("session ended with %v", s.Err())
	}
}
