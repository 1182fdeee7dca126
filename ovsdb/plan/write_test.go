package plan_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

func TestMarks(t *testing.T) {
	w := readWorld(t, "testdata/as-wanted")
	db := database(t, w.have)
	if ops := plan.Touch(db, "nowhere", "1"); ops != nil {
		t.Errorf("touch of no bridge: %v", ops)
	}
	if ops := plan.ClearLeave(db); ops != nil {
		t.Errorf("nothing to clear: %v", ops)
	}
	for _, value := range []string{"1", "2"} {
		w.have = w.have.apply(t, plan.Touch(database(t, w.have), "xapi1", value))
		if got := w.have["Bridge"][uuidOf("xapi1")]["external_ids"].pairs["ovsmesh-hello"]; got != value {
			t.Errorf("hello %q, not %q", got, value)
		}
		w.have = w.have.apply(t, plan.MarkLeave(database(t, w.have), value))
		if got := database(t, w.have).Open.ExternalIDs["ovsmesh-leave"]; got != value {
			t.Errorf("leave %q, not %q", got, value)
		}
	}
	w.have = w.have.apply(t, plan.ClearLeave(database(t, w.have)))
	if got, there := database(t, w.have).Open.ExternalIDs["ovsmesh-leave"]; there {
		t.Errorf("leave is still %q", got)
	}
	if p := plan.Diff(database(t, w.have), w.want); len(p.Groups) > 0 {
		t.Errorf("marks are drift:\n%s", w.text(t, p))
	}
}

func TestSettings(t *testing.T) {
	w := readWorld(t, "testdata/drift")
	want, got := plan.Settings(database(t, w.have), "xapi1", w.want.Owner, "tcp:192.0.2.1:6653")
	for k, v := range map[string][2]string{
		"fail_mode":                    {"secure", "standalone"},
		"stp_enable":                   {"false", "true"},
		"rstp_enable":                  {"false", "false"},
		"protocols":                    {"OpenFlow10,OpenFlow13", "OpenFlow10"},
		"other_config:disable-in-band": {"true", ""},
		"other_config:datapath-id":     {"0000aabbccddeeff", ""},
		"controller":                   {"tcp:192.0.2.1:6653", "tcp:192.0.2.2:6653"},
		"connection_mode":              {"out-of-band", "in-band"},
	} {
		if want[k] != v[0] || got[k] != v[1] {
			t.Errorf("%s: want %q got %q, not %q and %q", k, want[k], got[k], v[0], v[1])
		}
	}
	if want, got := plan.Settings(database(t, w.have), "nowhere", "", ""); want != nil || got != nil {
		t.Errorf("of no bridge: %v %v", want, got)
	}
}

// A bridge that is taken with the host's own network in it must be standalone,
// and nothing of it is off when it is.
func TestSettingsOfTakenBridge(t *testing.T) {
	for dir, off := range map[string]bool{"testdata/taken": false, "testdata/taken-drift": true} {
		want, got := plan.Settings(database(t, readWorld(t, dir).have), "xapi1", "", "")
		if want["fail_mode"] != "standalone" || (got["fail_mode"] != "standalone") != off {
			t.Errorf("%s: fail_mode %q, wanted %q", dir, got["fail_mode"], want["fail_mode"])
		}
	}
}

// A tunnel that should be watched where there is no BFD is made all the same,
// and what lacks is said once.
func TestNoBFD(t *testing.T) {
	w := readWorld(t, "testdata/carriers")
	p := plan.Diff(databaseOf(t, schema.Full().Without("Interface", "bfd"), w.have), w.want)
	if len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Text, "too old for bfd") || p.Problems[0].Network != "shared/gre" {
		t.Errorf("problems: %+v", p.Problems)
	}
	if !strings.Contains(strings.Join(p.Steps(), "\n"), "add port sg-1-2") {
		t.Errorf("steps: %q", p.Steps())
	}
}

// What a host's ovsmesh-saved says goes back into its database only if it is
// what ovsmesh writes.
func TestOddMemoryIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "null", `{"version":1,"settings":{"fail_mode":"open"}}`, `{"version":1,"settings":{"stp_enable":"yes"}}`,
		`{"version":1,"settings":{"controller":"tcp:1.2.3.4"}}`, `{"version":1,"settings":{"fail_mode":1}}`, `{"version":2,"settings":{}}`,
	} {
		w := readWorld(t, "testdata/release")
		w.have["Bridge"][uuidOf("xapi1")]["external_ids"].pairs["ovsmesh-saved"] = text
		p := plan.Diff(database(t, w.have), w.want)
		if len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Text, "default settings") {
			t.Errorf("%q: %+v", text, p.Problems)
		}
		after := w.have.apply(t, p.Ops(database(t, w.have)))
		if mode := after["Bridge"][uuidOf("xapi1")]["fail_mode"].atoms; len(mode) != 0 {
			t.Errorf("%q: fail_mode %v", text, mode)
		}
	}
}

// OpenFlow port numbers are the lowest that are free, and those of ports that
// go are not given out in the same breath.
func TestNumbers(t *testing.T) {
	w := readWorld(t, "testdata/as-wanted")
	w.want.Networks[0].Tunnels = nil
	for i := range 5000 {
		w.want.Networks[0].Tunnels = append(w.want.Networks[0].Tunnels, plan.Tunnel{
			Name: fmt.Sprintf("t9-1-%05d", i), Type: "gre", Peer: fmt.Sprint(i), Key: 9,
			RemoteIP: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}),
		})
	}
	db := database(t, w.have)
	n := int64(20000)
	for _, op := range plan.Diff(db, w.want).Ops(db) {
		if op.Op == "insert" && op.Table == "Interface" {
			if n++; op.Row["ofport_request"] != n {
				t.Fatalf("%s: %v, not %d", op.Row["name"], op.Row["ofport_request"], n)
			}
		}
	}
	if n != 25000 {
		t.Errorf("last number %d", n)
	}
}

// Columns that an old host lacks are not named: one alone would have the
// whole transaction refused.
func TestOldHost(t *testing.T) {
	lacks := [][2]string{
		{"Bridge", "protocols"}, {"Bridge", "rstp_enable"}, {"Port", "protected"},
		{"Interface", "ofport_request"}, {"Interface", "error"}, {"Controller", "type"},
		{"Port", "cvlans"}, {"Port", "vlan_mode"}, {"Interface", "bfd"},
	}
	host := schema.Full()
	for _, c := range lacks {
		host = host.Without(c[0], c[1])
	}
	for _, dir := range cases(t) {
		w := readWorld(t, dir)
		for _, c := range lacks {
			for _, row := range w.have[c[0]] {
				delete(row, c[1])
			}
		}
		db := databaseOf(t, host, w.have)
		p := plan.Diff(db, w.want)
		for _, op := range p.Ops(db) {
			for _, c := range lacks {
				if _, named := op.Row[c[1]]; named && op.Table == c[0] {
					t.Errorf("%s: %s %s names %s", dir, op.Op, op.Table, c[1])
				}
				for _, m := range op.Mutations {
					if m.Column == c[1] && op.Table == c[0] {
						t.Errorf("%s: %s %s mutates %s", dir, op.Op, op.Table, c[1])
					}
				}
			}
		}
		after := w.have.apply(t, p.Ops(db))
		if len(p.Later) > 0 {
			db = databaseOf(t, host, after)
			after = after.apply(t, plan.Diff(db, w.want).Ops(db))
		}
		if again := plan.Diff(databaseOf(t, host, after), w.want); len(again.Groups) > 0 {
			t.Errorf("%s: second plan:\n%s", dir, w.text(t, again))
		}
	}
}

// Ports of ours that name no network are nobody's, and go with a complete look.
func TestNamelessPortGoes(t *testing.T) {
	w := readWorld(t, "testdata/as-wanted")
	delete(w.have["Port"][uuidOf("p-t103-1-2")]["external_ids"].pairs, "ovsmesh-network")
	w.want.Networks = nil
	p := plan.Diff(database(t, w.have), w.want)
	if after := w.have.apply(t, p.Ops(database(t, w.have))); after["Port"][uuidOf("p-t103-1-2")] != nil {
		t.Error("still there")
	}
}
