package store

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/topology"
)

func putDocument(t *testing.T, s *Store, host, bridge, kind string, d Document) DocumentInfo {
	t.Helper()
	info, err := s.PutDocument(host, bridge, kind, d)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// What is kept is there after a restart, the latest of each kind; a bridge's
// documents go together, and those of a host with it.
func TestDocuments(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	host := func(name string) topology.HostRecord {
		return topology.HostRecord{Host: topology.Host{Name: name, ID: 1}}
	}
	commit(t, s, &Batch{Changes: []*topology.Change{{PutHosts: []topology.HostRecord{host("h1"), host("h10")}, NextNetworkID: 1}}})
	if _, ok, err := s.Document("h1", "xapi1", "topology"); ok || err != nil {
		t.Fatalf("an empty store: %v %v", ok, err)
	}
	text := `{"vpc":{"cidr":"` + strings.Repeat("1", 10_000) + `"}}`
	putDocument(t, s, "h1", "xapi1", "topology", Document{Sequence: 4, Text: []byte(`{}`)})
	want := []DocumentInfo{
		putDocument(t, s, "h1", "xapi1", "policy", Document{Sequence: 2, Text: []byte(`[1]`)}),
		putDocument(t, s, "h1", "xapi1", "topology", Document{Sequence: 5, Text: []byte(text)}),
		putDocument(t, s, "h1", "xapi10", "setup", Document{}),
		putDocument(t, s, "h10", "xapi1", "setup", Document{}),
	}
	if d := cmp.Diff(want, load(t, s).Documents); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	closeStore(t, s)

	s = openStore(t, dir)
	if d := cmp.Diff(want, load(t, s).Documents); d != "" {
		t.Errorf("after a restart: -want +got\n%s", d)
	}
	if d, ok, err := s.Document("h1", "xapi1", "topology"); !ok || err != nil || d.Sequence != 5 || string(d.Text) != text {
		t.Errorf("%v %v, sequence %d, %d bytes", ok, err, d.Sequence, len(d.Text))
	}
	if err := s.ForgetDocuments("h1", "xapi1"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want[2:], load(t, s).Documents); d != "" {
		t.Errorf("a bridge gone: -want +got\n%s", d)
	}
	commit(t, s, &Batch{Changes: []*topology.Change{{DeleteHosts: []string{"h1"}, NextNetworkID: 1}}})
	if d := cmp.Diff(want[3:], load(t, s).Documents); d != "" {
		t.Errorf("a host gone: -want +got\n%s", d)
	}
	closeStore(t, s)
	closeStore(t, openStore(t, dir)) // with its sum
}
