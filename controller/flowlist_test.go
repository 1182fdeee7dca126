package controller_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

func (m *mesh) list(r api.FlowsRequest) api.FlowList {
	m.t.Helper()
	list, err := m.ctl.Flows(m.ctx, r)
	m.check(err)
	return list
}

// asFile writes a list as the command line prints it.
func (m *mesh) asFile(list api.FlowList) string {
	m.t.Helper()
	text := "# a comment\n\n"
	for _, f := range list.Flows {
		text += fmt.Sprintf("%s # %s: %s %s\n", f.Flow, f.Network, f.Reason, f.About)
	}
	file := filepath.Join(m.t.TempDir(), "flows")
	m.check(os.WriteFile(file, []byte(text), 0o600))
	return file
}

// dump is what ovs-ofctl prints of a bridge, sorted; the part of a line before
// the table is its cookie.
func (m *mesh) dump(h *ovstest.Host, bridge string) []string {
	m.t.Helper()
	out, err := h.OFCtl(m.ctx, "--no-stats", "--no-names", "dump-flows", bridge)
	m.check(err)
	var lines []string
	for line := range strings.Lines(out) {
		lines = append(lines, strings.TrimSpace(line))
	}
	slices.Sort(lines)
	return lines
}

// What is listed, ovs-ofctl can put into another switch, and that holds the same
// then.
func TestFlowLists(t *testing.T) {
	m, vms := unwatched(t)
	h1 := m.Host("h1")
	m.check(h1.AddBridge(m.ctx, "copy"))
	m.ofctl(h1, "del-flows", "copy")
	m.ofctl(h1, "add-flow", "xapi1", "cookie=0x1,priority=4000,in_port=1,idle_timeout=0,actions=drop")
	m.ofctl(h1, "add-flow", "xapi1", "cookie=0x77,table=7,priority=5,tcp6,tp_src=0x400/0xfc00,actions=set_field:02:00:00:00:00:09->eth_src,output:1")
	m.ofctl(h1, "add-flow", "xapi1", "table=7,priority=6,ip,actions=dec_ttl,push_vlan:0x8100,set_field:4101->vlan_vid,resubmit(,8),pop_vlan,"+
		"load:0x5->NXM_NX_REG3[0..7],output:NXM_NX_REG3[],note:01.02.03.04.05.06,mod_nw_ttl:9,resubmit(3,9),set_queue:4,move:NXM_NX_REG0[]->NXM_NX_REG1[],IN_PORT")
	m.ofctl(h1, "add-flow", "xapi1", "table=7,priority=7,actions=learn(table=8,hard_timeout=300,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),"+
		"multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[]),sample(probability=3,collector_set_id=1,obs_domain_id=2,obs_point_id=3)")
	at := api.FlowsRequest{Host: "h1", Bridge: "xapi1"}

	want := at
	want.View = api.ViewWant
	wanted := m.list(want)
	m.ofctl(h1, "add-flows", "copy", m.asFile(wanted))
	if got, has := m.dump(h1, "copy"), m.ownFlowsSorted(h1, "xapi1"); !slices.Equal(got, has) {
		t.Errorf("wanted flows in another bridge:\n%s\nours in the first:\n%s", strings.Join(got, "\n"), strings.Join(has, "\n"))
	}

	all := at
	all.View, all.Foreign = api.ViewWant, true
	for _, f := range m.list(all).Flows {
		if f.Opaque || f.Foreign == strings.Contains(f.Flow, "cookie=0x6f6d") {
			t.Errorf("a flow of everything: %+v", f)
		}
	}
	m.ofctl(h1, "add-flow", "copy", "table=9,actions=drop") // which goes
	m.ofctl(h1, "replace-flows", "copy", m.asFile(m.list(all)))
	if got, has := m.dump(h1, "copy"), m.dump(h1, "xapi1"); !slices.Equal(got, has) {
		t.Errorf("everything in another bridge:\n%s\nin the first:\n%s", strings.Join(got, "\n"), strings.Join(has, "\n"))
	}

	// What the switch holds; and where it differs, in both views.
	got := at
	got.View = api.ViewGot
	if l := m.list(got); l.Foreign != 4 || len(l.Flows) != len(wanted.Flows) || fmt.Sprint(l.Flows) != fmt.Sprint(wanted.Flows) {
		t.Errorf("held and wanted differ:\n%+v\n%+v", l, wanted)
	}
	diff := at
	diff.View = api.ViewDiff
	if l := m.list(diff); len(l.Flows) != 0 {
		t.Errorf("differences: %+v", l.Flows)
	}
	m.harm(vms)
	signs := map[string]int{}
	for _, f := range m.list(diff).Flows {
		signs[f.Sign]++
		if f.Network != "blue" || f.Foreign || f.Reason == "" || f.About == "" {
			t.Errorf("difference %+v", f)
		}
	}
	if signs["-"] != 3 || signs["+"] != 3 || len(signs) != 2 {
		t.Errorf("differences by sign: %v", signs)
	}

	// What is there put to what is wanted by ovs-ofctl alone: no finding is left.
	m.ofctl(h1, "replace-flows", "xapi1", m.asFile(m.list(all)))
	m.clean()
	if l := m.list(diff); len(l.Flows) != 0 {
		t.Errorf("differences after replace-flows: %+v", l.Flows)
	}

	// One network alone, and what is refused.
	part := want
	part.Network = "blue"
	for _, f := range m.list(part).Flows {
		if f.Network != "blue" {
			t.Errorf("of blue: %+v", f)
		}
	}
	for _, r := range []api.FlowsRequest{
		{Host: "h9", Bridge: "xapi1"}, {Host: "h1", Bridge: "copy"}, {Host: "h1", Bridge: "xapi1", Network: "red"}, {Host: "h1", Bridge: "xapi1", Network: "none"},
	} {
		if _, err := m.ctl.Flows(m.ctx, r); !errors.Is(err, topology.ErrNotFound) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	m.hangUp(h1)
	if _, err := m.ctl.Flows(m.ctx, want); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("of a host that is not connected: %v", err)
	}
}

func (m *mesh) ownFlowsSorted(h *ovstest.Host, bridge string) []string {
	m.t.Helper()
	return slices.DeleteFunc(m.dump(h, bridge), func(line string) bool { return !strings.Contains(line, "cookie=0x6f6d") })
}
