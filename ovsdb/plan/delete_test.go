package plan_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ovsmesh/ovsdb/plan"
)

// A bridge goes with its tunnels, but not with what somebody else has on it, and
// not if something came that nobody looked at.
func TestDeleteBridge(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "datapath_type=dummy", "--",
		"add-port", "xapi1", "t103-1-2", "--", "set", "Interface", "t103-1-2", "type=gre", "options:key=103", "options:remote_ip=192.0.2.2", "--",
		"add-port", "xapi1", "vif1.0", "--", "set", "Interface", "vif1.0", "type=internal", "--",
		"add-port", "xapi1", "t103-1-3", "--", "set", "Interface", "t103-1-3", "type=internal", "--",
		"add-port", "xapi1", "gre7", "--", "set", "Interface", "gre7", "type=gre", "options:key=7", "options:remote_ip=192.0.2.7", "--",
		"add-port", "xapi1", "v5-1-2", "--", "set", "Interface", "v5-1-2", "type=vxlan", "options:key=5", "options:remote_ip=192.0.2.2", "--",
		"set", "Port", "v5-1-2", "external_ids:ovsmesh-owner=o")
	db := database(t, s.rows())
	if got, want := plan.Occupants(db, "o", "xapi1"), []string{"gre7", "t103-1-3", "vif1.0"}; !slices.Equal(got, want) {
		t.Errorf("occupants: %q, want %q", got, want)
	}
	if got, want := plan.Occupants(db, "another", "xapi1"), []string{"gre7", "t103-1-3", "v5-1-2", "vif1.0"}; !slices.Equal(got, want) {
		t.Errorf("occupants for another store: %q, want %q", got, want)
	}
	if got, ops := plan.Occupants(db, "o", "xapi9"), plan.DeleteBridge(db, "xapi9"); got != nil || ops != nil {
		t.Errorf("a bridge that is not there: %q %v", got, ops)
	}

	s.VSCtl("del-port", "gre7", "--", "del-port", "vif1.0", "--", "del-port", "t103-1-3")
	db = database(t, s.rows())
	s.VSCtl("add-port", "xapi1", "vif2.0", "--", "set", "Interface", "vif2.0", "type=internal")
	stale, err := json.Marshal(plan.DeleteBridge(db, "xapi1"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ovsdb-client", "transact", "unix:"+s.DBSocket(), `["Open_vSwitch",`+strings.TrimPrefix(string(stale), "[")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "timed out") {
		t.Errorf("a port came meanwhile, and the answer is %s %v", out, err)
	}
	if got := s.VSCtl("list-ports", "xapi1"); got != "t103-1-2\nv5-1-2\nvif2.0" {
		t.Errorf("a port came meanwhile, and now there are %q", got)
	}

	s.VSCtl("del-port", "vif2.0")
	s.transact(plan.DeleteBridge(database(t, s.rows()), "xapi1"))
	if got := s.VSCtl("list-br"); got != "" {
		t.Errorf("bridges: %q", got)
	}
	if r := s.rows(); len(r["Port"])+len(r["Interface"])+len(r["Bridge"]) != 0 {
		t.Errorf("rows left: %v", r)
	}
}
