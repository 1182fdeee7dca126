package plan_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovsmesh/ovsdb/plan"
)

// What of a bridge is not as wanted is named, with what is wanted and found.
func TestSettingsThatAreOff(t *testing.T) {
	for dir, want := range map[string][]string{
		"as-wanted": nil,
		"drift": {
			"fail_mode: secure, not standalone", "stp_enable: false, not true", "protocols: OpenFlow10,OpenFlow13, not OpenFlow10",
			"other_config:disable-in-band: true, not ", "other_config:datapath-id: 0000aabbccddeeff, not ",
			"controller: tcp:192.0.2.1:6653, not tcp:192.0.2.2:6653 in-band service",
		},
		"create-bridge": {"bridge: present, not missing"},
		"another-store": nil,
	} {
		w := readWorld(t, filepath.Join("testdata", dir))
		var got []string
		for _, s := range plan.Diff(database(t, w.have), w.want).Settings {
			if s.Bridge != "xapi1" || s.Left {
				t.Errorf("%s: %+v", dir, s)
			}
			got = append(got, fmt.Sprintf("%s: %s, not %s", s.Name, s.Want, s.Got))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", dir, got, want)
		}
	}
}

// A setting that is to be left stays as it is, and all others are put right. With
// all of them left nothing of the bridge is touched.
func TestLeave(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			w := readWorld(t, dir)
			if len(w.want.Bridges) == 0 {
				return
			}
			db := database(t, w.have)
			off := map[string][]string{} // by bridge
			for _, s := range plan.Diff(db, w.want).Settings {
				off[s.Bridge] = append(off[s.Bridge], s.Name)
			}
			leave := func(only string) plan.Want {
				want := w.want
				want.Bridges = slices.Clone(want.Bridges)
				for i := range want.Bridges {
					b := &want.Bridges[i]
					if b.Leave = off[b.Name]; only != "" {
						b.Leave = []string{only}
					}
				}
				return want
			}
			all := plan.Diff(db, leave(""))
			for _, g := range all.Groups {
				if g.Network == "" && len(off[g.Bridge]) > 0 {
					t.Errorf("all are left:\n%s", strings.Join(g.Steps, "\n"))
				}
			}
			for _, name := range slices.Concat(slices.Collect(maps.Values(off))...) {
				want := leave(name)
				after := database(t, w.have.apply(t, plan.Diff(db, want).Ops(db)))
				for _, s := range plan.Diff(after, want).Settings {
					if s.Name != name || !s.Left {
						t.Errorf("without %s: %+v", name, s)
					}
				}
			}
		})
	}
}

// The tunnels of one network are those that a list of all has of it.
func TestTunnelsOf(t *testing.T) {
	for _, dir := range cases(t) {
		w := readWorld(t, dir)
		db := database(t, w.have)
		of := map[string][]plan.TunnelPort{}
		for _, p := range plan.Tunnels(db, w.want.Owner) {
			of[p.Network] = append(of[p.Network], p)
		}
		for _, n := range w.want.Networks {
			if got := plan.TunnelsOf(db, w.want.Owner, n.Name); !slices.Equal(got, of[n.Name]) {
				t.Errorf("%s: %s: %+v, not %+v", dir, n.Name, got, of[n.Name])
			}
		}
	}
}
