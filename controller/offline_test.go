package controller_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/ofctl"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// exported returns spec and inventory as the commands write them.
func (m *mesh) exported() (spec []topology.File, inv api.Inventory) {
	m.t.Helper()
	s, err := m.ctl.Export(m.ctx)
	m.check(err)
	text, err := json.Marshal(s)
	m.check(err)
	got, err := m.ctl.Inventory(m.ctx, api.InventoryRequest{Rows: true})
	m.check(err)
	file, err := json.Marshal(got)
	m.check(err)
	m.check(json.Unmarshal(file, &inv))
	return []topology.File{{Name: "spec.json", Data: text}}, inv
}

// offline works the mesh out from files.
func (m *mesh) offline() *controller.Offline {
	m.t.Helper()
	spec, inv := m.exported()
	o, err := controller.NewOffline(spec, inv)
	m.check(err)
	return o
}

// dumpFile returns what ovs-ofctl prints of a bridge into a file.
func (m *mesh) dumpFile(h *ovstest.Host, args ...string) string {
	m.t.Helper()
	out, err := h.OFCtl(m.ctx, args...)
	m.check(err)
	return strings.TrimRight(out, "\n") + "\n"
}

// forms are arguments of ovs-ofctl that make it print the same flows otherwise.
var forms = [][]string{
	{"-O", "OpenFlow13"},
	{"-O", "OpenFlow13", "--names"},
	{"-O", "OpenFlow15", "--no-stats", "--no-names"},
	{"-O", "OpenFlow14", "--names", "--rsort", "--no-stats"},
	{"-O", "OpenFlow13", "--color=always"},
}

// dumped reads every bridge that o knows of, in one form after the other.
func (m *mesh) dumped(o *controller.Offline) controller.Dumps {
	m.t.Helper()
	dumps := controller.Dumps{}
	n := 0
	for _, h := range o.Hosts() {
		dumps[h.Name] = map[string]controller.BridgeDump{}
		for _, bridge := range h.Bridges() {
			form := slices.Concat(forms[n%len(forms)], []string{"dump-flows", bridge})
			n++
			d, err := ofctl.ReadDump(strings.NewReader(m.dumpFile(m.Host(h.Name), form...)), h.Name+".dump", h.Names(bridge))
			m.check(err)
			dumps[h.Name][bridge] = controller.BridgeDump{Flows: d.Flows, Old: d.Old}
		}
	}
	m.check(o.Check(dumps))
	return dumps
}

// agree demands that the audits of files and of switches say the same.
func (m *mesh) agree(o *controller.Offline, dumps controller.Dumps, r api.AuditRequest) api.AuditReport {
	m.t.Helper()
	got, err := o.Audit(r, dumps)
	m.check(err)
	if diff := cmp.Diff(m.audit(r), got); diff != "" {
		m.t.Errorf("%+v: the audit of switches (-) and that of files (+):\n%s", r, diff)
	}
	return got
}

// What a spec and an inventory demand is what the controller demands, of
// networks of every kind, and what is off it finds as the controller does.
func TestOfflineAudit(t *testing.T) {
	t.Parallel()
	m := startInBand(t)
	m.bridges("br-int", "xapi1", "xapi2")
	for i, h := range m.Hosts() {
		for network, bridge := range map[string]string{"host": phy, "shared": "br-int", "flow": "br-int", "learns": "xapi1", "red": "xapi2"} {
			named := ""
			if bridge == "br-int" {
				named = network
			}
			m.knownVM(h.Name, fmt.Sprintf("%s-%d", network, i+1), bridge, i+1, named)
		}
	}
	m.apply(everyOption)
	var hosts []string
	for _, h := range m.Hosts() {
		hosts = append(hosts, h.Name)
	}
	m.whole(hosts...)
	m.clean()

	o := m.offline()
	dumps := m.dumped(o)
	rep := m.agree(o, dumps, api.AuditRequest{})
	if !rep.Clean || !rep.Complete || rep.Checked.Bridges != 4*len(hosts) {
		t.Fatalf("the report: %+v", rep)
	}
	m.agree(o, dumps, api.AuditRequest{Network: "shared", Host: "h2"})

	// Where a switch learns, OpenFlow 1.0 has the words for all flows; it has
	// others for some.
	old := controller.Dumps{"h1": {"xapi1": {}}}
	d, err := ofctl.ReadDump(strings.NewReader(m.dumpFile(m.Host("h1"), "-O", "OpenFlow10", "dump-flows", "xapi1")), "old", o.Host("h1").Names("xapi1"))
	m.check(err)
	old["h1"]["xapi1"] = controller.BridgeDump{Flows: d.Flows, Old: d.Old}
	rep, err = o.Audit(api.AuditRequest{Network: "learns", Host: "h1"}, old)
	m.check(err)
	if !d.Old || !rep.Clean || !rep.Complete || rep.Checked.Flows == 0 {
		t.Errorf("over OpenFlow 1.0: %+v", rep)
	}

	// What is broken is found the same.
	h1 := m.Host("h1")
	m.withoutWriter(h1) // who would mend it at once
	lines := m.ownFlows(h1, "xapi2")
	lost, _, _ := strings.Cut(lines[len(lines)/2][strings.Index(lines[len(lines)/2], "table="):], " actions=")
	m.ofctl(h1, "--strict", "del-flows", "xapi2", lost)
	m.ofctl(h1, "--strict", "mod-flows", "br-int", "table=60,priority=100,metadata="+metadataOf(t, m.ownFlows(h1, "br-int"))+",actions=drop")
	m.ofctl(h1, "add-flow", "xapi2", "cookie=0x6f6d000000000001,table=60,priority=7,dl_dst=02:00:00:00:77:77,actions=drop")
	m.ofctl(h1, "add-flow", "br-int", "cookie=0x1234,priority=60000,in_port=1,actions=resubmit(,5),learn(table=6,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),load:1->NXM_NX_REG0[0..3],NORMAL")
	name := m.vsctl(h1, "--bare", "--columns=name", "find", "Port", "external_ids:ovsmesh-network=red", "external_ids:ovsmesh-peer=h2")
	m.vsctl(h1, "set", "Interface", name, "options:key=99")
	m.vsctl(h1, "set", "Bridge", "xapi2", "fail_mode=standalone", "stp_enable=true")
	m.vsctl(h1, "set", "Controller", strings.Trim(m.vsctl(h1, "get", "Bridge", "br-int", "controller"), "[]"), "connection_mode=in-band")
	m.eventually("the inventory to follow", func() error {
		_, inv := m.exported()
		for _, b := range inv.Hosts[0].OVS.Bridges {
			if b.Name == "br-int" && len(b.Controllers) == 1 && b.Controllers[0].ConnectionMode == "in-band" {
				return nil
			}
		}
		return errors.New("it says nothing of the controller")
	})
	o = m.offline()
	rep = m.agree(o, m.dumped(o), api.AuditRequest{Foreign: true})
	if rep.Clean || len(rep.Findings) < 6 {
		t.Errorf("%d findings: %+v", len(rep.Findings), rep.Findings)
	}
}

// metadataOf returns what a flow of table 60 that matches nothing else has.
func metadataOf(t *testing.T, flows []string) string {
	t.Helper()
	for _, line := range flows {
		if _, rest, ok := strings.Cut(line, "table=60, priority=100,metadata="); ok {
			value, _, _ := strings.Cut(rest, " ")
			return value
		}
	}
	t.Fatal("no such flow")
	return ""
}

// What can't be looked at is named, and everything else is.
func TestOfflineAuditOfLess(t *testing.T) {
	t.Parallel()
	m, _ := threeVMs(t)
	m.apply(ownBridges)
	m.meshed("blue", "h1", "h2", "h3")
	o := m.offline()
	all := m.dumped(o)

	rep, err := o.Audit(api.AuditRequest{}, controller.Dumps{"h1": all["h1"], "h3": all["h3"]})
	m.check(err)
	if rep.Complete || rep.Clean || rep.Checked.Bridges != 2 || rep.Checked.Hosts != 3 {
		t.Errorf("without a dump of h2: %+v", rep)
	}
	m.finds(rep, wantFinding{"h2", "", audit.UnreachableHost, "", "bridge xapi1: not looked at, for there is no dump (--dump h2/xapi1=FILE)", ""})

	// A dump that breaks off, with a line that makes no sense.
	text := m.dumpFile(m.Host("h2"), "-O", "OpenFlow13", "dump-flows", "xapi1")
	lines := strings.SplitAfter(text, "\n")
	lines[2] = "what is this\n"
	cut := strings.Join(lines[:len(lines)-2], "") + lines[len(lines)-2][:30]
	d, err := ofctl.ReadDump(strings.NewReader(cut), "h2.flows", o.Host("h2").Names("xapi1"))
	if err == nil {
		t.Fatal("read without an error")
	}
	all["h2"] = map[string]controller.BridgeDump{"xapi1": {Flows: d.Flows, Cut: d.Cut, Err: err}}
	rep, err = o.Audit(api.AuditRequest{}, all)
	m.check(err)
	for _, f := range rep.Findings {
		if f.Kind == audit.MissingFlow {
			t.Errorf("missing in a dump that has been cut: %+v", f)
		}
	}
	if rep.Complete || rep.Checked.Bridges != 3 {
		t.Errorf("with a broken dump: %+v", rep)
	}
	var said []string
	for _, f := range rep.Findings {
		if f.Kind == audit.UnreachableHost {
			said = append(said, f.Bridge+" "+f.Got)
		}
	}
	want := []string{
		"xapi1 2 of the flows that it should hold are not in the part of the dump that is there",
		fmt.Sprintf("xapi1 h2.flows:%d: the file ends within this line: the dump has been cut", len(lines)-1),
		`xapi1 h2.flows:3: no actions= in "what is this"`,
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}

	// OpenFlow 1.0, by which ovs-ofctl prints a part, or nothing.
	rep, err = o.Audit(api.AuditRequest{Host: "h2"}, controller.Dumps{"h2": {"xapi1": {Flows: d.Flows, Old: true}}})
	m.check(err)
	m.finds(rep, wantFinding{"h2", "", audit.UnreachableHost, "", "dump it with -O OpenFlow13", "not all of what xapi1 holds is known"})

	// A host that was away when the inventory was written.
	spec, inv := m.exported()
	inv.Hosts[1].OVS, inv.Hosts[1].Missing = nil, "it is not connected"
	away, err := controller.NewOffline(spec, inv)
	m.check(err)
	rep, err = away.Audit(api.AuditRequest{}, controller.Dumps{"h1": all["h1"], "h3": all["h3"]})
	m.check(err)
	m.finds(rep, wantFinding{"h2", "", audit.UnreachableHost, "", "the inventory has no rows of it: when it was written, it is not connected", ""})

	// What there is not.
	for _, c := range []struct {
		o     *controller.Offline
		dumps controller.Dumps
		want  string
	}{
		{o, controller.Dumps{"h9": {"xapi1": {}}}, "dump of h9: there is no such host; there are h1, h2, h3"},
		{o, controller.Dumps{"h1": {"br-phy": {}}}, "dump of h1/br-phy: ovsmesh manages no such bridge there; it manages xapi1"},
		{away, controller.Dumps{"h2": {"xapi1": {}}}, "dump of h2: the inventory has no rows of it"},
	} {
		if err := c.o.Check(c.dumps); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	for _, r := range []api.AuditRequest{{Network: "none"}, {Host: "none"}} {
		if _, err := o.Audit(r, all); !errors.Is(err, topology.ErrNotFound) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Files that don't go together are refused, with what is wrong.
func TestOfflineRefuses(t *testing.T) {
	good := `networks: [{name: blue, encap: gre, key: 103, bridge: xapi1}]`
	row := func(names ...string) *api.InventoryOVS {
		ovs := &api.InventoryOVS{Target: "tcp:192.0.2.1:6653"}
		for _, n := range names {
			ovs.Bridges = append(ovs.Bridges, api.InventoryBridge{Name: n})
		}
		return ovs
	}
	for _, c := range []struct {
		name, spec string
		inv        api.Inventory
		want       string
	}{
		{"spec", "networks: [{name: blue, encap: gre, key: x}]", api.Inventory{}, "spec.yaml:1:"},
		{"keys", good, api.Inventory{Networks: []api.InventoryNetwork{
			{Name: "blue", ID: 1, Encap: "gre", Key: 103}, {Name: "red", ID: 1, Encap: "gre", Key: 104}}}, "inventory: network"},
		{"hosts", good, api.Inventory{Hosts: []api.InventoryHost{{Name: "a", ID: 1}, {Name: "b", ID: 1}}}, "inventory: host"},
		{"bridges", good, api.Inventory{Hosts: []api.InventoryHost{{Name: "a", ID: 1, OVS: row("x", "x")}}}, `inventory: host a: bridge "x" twice`},
		{"nameless", good, api.Inventory{Hosts: []api.InventoryHost{{Name: "a", ID: 1, OVS: row("")}}}, `inventory: host a: bridge "" twice, or without a name`},
		{"columns", good, api.Inventory{Hosts: []api.InventoryHost{{Name: "a", ID: 1, OVS: &api.InventoryOVS{Target: "tcp:192.0.2.1:6653", Lacks: []string{"Port.colour"}}}}}, `lacks: "Port.colour"`},
		{"target", good, api.Inventory{Hosts: []api.InventoryHost{{Name: "a", ID: 1, OVS: &api.InventoryOVS{}}}}, "inventory: host a: ovs.target"},
	} {
		_, err := controller.NewOffline([]topology.File{{Name: "spec.yaml", Data: []byte(c.spec)}}, c.inv)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
