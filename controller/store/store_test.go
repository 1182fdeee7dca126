package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ovsmesh/topology"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envCommitDir); dir != "" {
		if err := commitForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, s *Store, b *Batch) {
	t.Helper()
	if err := s.Commit(b); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s *Store) State {
	t.Helper()
	st, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return st
}

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func network(name string, key uint32) topology.NetworkRecord {
	return topology.NetworkRecord{Network: topology.Network{Name: name, Tenant: "acme", Encap: topology.GRE, Key: key}, ID: key}
}

// Records without what CloudStack's calls say are written, and so read, as they
// were before there was any of it.
func TestRecordsAsBefore(t *testing.T) {
	for want, r := range map[string]any{
		`{"name":"blue","tenant":"acme","encap":"gre","key":103,"id":103,"autoKey":false}`: network("blue", 103),
		`{"name":"xen1","id":1,"autoID":false,"registered":true}`:                          topology.HostRecord{Host: topology.Host{Name: "xen1", ID: 1}, Registered: true},
	} {
		if got, err := json.Marshal(r); err != nil || string(got) != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}

// A store that has seen each kind of write says the same after it was closed
// and opened.
func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := openStore(t, dir)
	id := s.UUID()
	pools := []topology.KeyPool{{Encap: topology.VXLAN, Range: topology.KeyRange{First: 5000, Last: 6000}}}
	facts := topology.HostFacts{SystemID: "s1", PeerAddr: netip.MustParseAddr("192.0.2.1"), Bridges: []topology.BridgeFacts{{Name: "xapi1"}}}
	port := topology.Port{Name: "web-1", Network: "blue", Match: topology.PortMatch{IfaceID: "i1"}, IPs: []netip.Addr{netip.MustParseAddr("10.1.1.63")}}
	pinned := network("red", 110)
	pinned.Plugin, pinned.Pins = true, []topology.Pin{{From: "xen1", Bridge: "xapi3"}, {From: "xen1", To: "cs-7", Port: "t110-1-7", Bridge: "xapi3"}}
	assumed := topology.HostRecord{Host: topology.Host{Name: "cs-7", ID: 7, Kind: topology.KindExternal, Endpoint: netip.MustParseAddr("192.0.2.7")}, Assumed: true, PluginID: true}
	steps := []struct {
		name  string
		batch Batch
		want  func(*State)
	}{
		{"put", Batch{Changes: []*topology.Change{{
			PutNetworks: []topology.NetworkRecord{network("blue", 103), network("red", 104)},
			PutHosts:    []topology.HostRecord{{Host: topology.Host{Name: "xen1", ID: 1, SystemID: "s1"}, Registered: true}},
			PutPorts:    []topology.Port{port}, SetKeyPools: &pools, NextNetworkID: 105,
		}}}, func(st *State) {
			st.Intent = topology.Saved{
				Networks: []topology.NetworkRecord{network("blue", 103), network("red", 104)},
				Hosts:    []topology.HostRecord{{Host: topology.Host{Name: "xen1", ID: 1, SystemID: "s1"}, Registered: true}},
				Ports:    []topology.Port{port}, KeyPools: pools, NextNetworkID: 105,
			}
		}},
		{"facts and marks", Batch{
			Facts: map[string]topology.HostFacts{"xen1": facts, "xen2": {SystemID: "s2"}},
			Left:  map[string]*Left{"s7": {Name: "xen7"}, "s8": {Name: "xen8", Released: true}},
		}, func(st *State) {
			st.Facts = map[string]topology.HostFacts{"xen1": facts, "xen2": {SystemID: "s2"}}
			st.Left = map[string]Left{"s7": {Name: "xen7"}, "s8": {Name: "xen8", Released: true}}
		}},
		{"forget", Batch{Forget: []string{"xen2", "never"}, Left: map[string]*Left{"s7": nil, "never": nil}}, func(st *State) {
			delete(st.Facts, "xen2")
			delete(st.Left, "s7")
		}},
		{"deleted and made again", Batch{Changes: []*topology.Change{{
			DeleteNetworks: []string{"blue", "red"}, PutNetworks: []topology.NetworkRecord{network("red", 110)}, NextNetworkID: 111,
		}}}, func(st *State) {
			st.Intent.Networks = []topology.NetworkRecord{network("red", 110)}
			st.Intent.NextNetworkID = 111
		}},
		{"what CloudStack's calls say", Batch{Changes: []*topology.Change{{
			PutNetworks: []topology.NetworkRecord{pinned}, PutHosts: []topology.HostRecord{assumed}, NextNetworkID: 111,
		}}}, func(st *State) {
			st.Intent.Networks = []topology.NetworkRecord{pinned}
			st.Intent.Hosts = append([]topology.HostRecord{assumed}, st.Intent.Hosts...)
		}},
		{"and take back", Batch{Changes: []*topology.Change{{
			PutNetworks: []topology.NetworkRecord{network("red", 110)}, DeleteHosts: []string{"cs-7"}, NextNetworkID: 111,
		}}}, func(st *State) {
			st.Intent.Networks = []topology.NetworkRecord{network("red", 110)}
			st.Intent.Hosts = st.Intent.Hosts[1:]
		}},
		{"a host goes, and its facts", Batch{Changes: []*topology.Change{{DeleteHosts: []string{"xen1"}, DeletePorts: []string{"web-1"}, NextNetworkID: 111}}}, func(st *State) {
			st.Intent.Hosts, st.Intent.Ports = nil, nil
			delete(st.Facts, "xen1")
		}},
		{"nothing", Batch{}, func(*State) {}},
	}
	want := State{Facts: map[string]topology.HostFacts{}, Left: map[string]Left{}}
	for _, step := range steps {
		commit(t, s, &step.batch)
		step.want(&want)
		closeStore(t, s)
		s = openStore(t, dir)
		if s.UUID() != id {
			t.Fatalf("%s: UUID %s became %s", step.name, id, s.UUID())
		}
		if d := cmp.Diff(want, load(t, s), compareAddr); d != "" {
			t.Fatalf("%s: -want +got\n%s", step.name, d)
		}
	}
	closeStore(t, s)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("in the data directory: %v, %v", left, err)
	}
}

// What was left behind by who died while he made a store goes, once it is
// certain that he did; nothing else does.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	old, young, other := filepath.Join(dir, FileName+".new-1"), filepath.Join(dir, FileName+".new-2"), filepath.Join(dir, FileName+".before-1")
	for _, name := range []string{old, young, other} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ago := time.Now().Add(-2 * leftover)
	if err := errors.Join(os.Chtimes(old, ago, ago), os.Chtimes(other, ago, ago)); err != nil {
		t.Fatal(err)
	}
	closeStore(t, openStore(t, dir))
	for name, want := range map[string]bool{old: false, young: true, other: true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	closeStore(t, openStore(t, dir))
	for path, want := range map[string]os.FileMode{dir: 0o750, filepath.Join(dir, FileName): 0o600} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s: mode %v, want %v", path, got, want)
		}
	}
}

func TestForeign(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	foreign := func(host, bridge string) [][]byte {
		t.Helper()
		got, err := s.Foreign(host, bridge)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	set := func(flows [][]byte) {
		t.Helper()
		if err := s.SetForeign("xen1", "xapi1", flows); err != nil {
			t.Fatal(err)
		}
	}
	if got := foreign("xen1", "xapi1"); got != nil {
		t.Errorf("of nothing: %q", got)
	}
	for _, want := range [][][]byte{{{0, 1, 255}, []byte("xyz")}, {{9}}, {}} {
		set(want)
		closeStore(t, s)
		s = openStore(t, dir)
		if d := cmp.Diff(want, foreign("xen1", "xapi1")); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if got := foreign("xen1", "xapi2"); got != nil {
			t.Errorf("of another bridge: %q", got)
		}
	}
	set(nil)
	if got := foreign("xen1", "xapi1"); got != nil {
		t.Errorf("forgotten: %q", got)
	}
	closeStore(t, s)
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	if _, err := Open(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("second opener: %v", err)
	}
	commit(t, s, &Batch{Forget: []string{"x"}})
	closeStore(t, s)
	closeStore(t, openStore(t, dir))
}

// Of two that start at once on an empty directory one makes the store.
func TestTwoCreate(t *testing.T) {
	dir := t.TempDir()
	type result struct {
		s   *Store
		err error
	}
	results := make(chan result)
	for range 2 {
		go func() {
			s, err := Open(dir)
			results <- result{s, err}
		}()
	}
	opened := 0
	for range 2 {
		switch r := <-results; {
		case r.err == nil:
			opened++
			defer closeStore(t, r.s)
		case !errors.Is(r.err, ErrInUse):
			t.Error(r.err)
		}
	}
	if opened != 1 {
		t.Errorf("%d have it open", opened)
	}
}

func TestNewer(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	err := s.update(func(w *writer) error {
		return w.putBytes(bucketMeta, keyVersion, binary.BigEndian.AppendUint64(nil, version+1))
	})
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	refused(t, dir, ErrNewer)
}

// refused demands that a store is refused with an error that names the file,
// and left as it is.
func refused(t *testing.T, dir string, want error) {
	t.Helper()
	path := filepath.Join(dir, FileName)
	before := read(t, path)
	s, err := Open(dir)
	if err == nil {
		closeStore(t, s)
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v, want %v", err, want)
	}
	if string(before) != string(read(t, path)) {
		t.Error("the file was changed")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
