package plan_test

import (
	"net/netip"
	"strings"
	"testing"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

const pluginOwner = "11111111-1111-4111-8111-111111111111"

// pluginDB is a bridge as CloudStack's plugin leaves it on XenServer, with a VIF and
// tunnels to two hosts.
func pluginDB(t *testing.T) *schema.DB {
	t.Helper()
	db := schema.NewDB(schema.Full())
	tunnel := func(n, name, remote string, number int64) []schema.RowUpdate {
		return []schema.RowUpdate{
			schema.Put(&schema.Port{UUID: id("p" + n), Name: name, Tag: -1, Interfaces: []string{id("i" + n)}}),
			schema.Put(&schema.Interface{UUID: id("i" + n), Name: name, Type: "gre", OFPort: number, Options: map[string]string{"key": "103", "remote_ip": remote}}),
		}
	}
	rows := []schema.RowUpdate{
		schema.Put(&schema.OpenvSwitch{UUID: id("o"), Bridges: []string{id("b")}}),
		schema.Put(&schema.Bridge{UUID: id("b"), Name: "xapi3", DatapathID: "0000aabbccddeeff", Ports: []string{id("p0"), id("p1"), id("p2"), id("p3")},
			STPEnable: true, OtherConfig: map[string]string{"gre_key": "OVSTunnel103"}}),
		schema.Put(&schema.Port{UUID: id("p0"), Name: "xapi3", Tag: -1, Interfaces: []string{id("i0")}}),
		schema.Put(&schema.Interface{UUID: id("i0"), Name: "xapi3", Type: "internal", OFPort: 65534}),
		schema.Put(&schema.Port{UUID: id("p1"), Name: "vif1.0", Tag: -1, Interfaces: []string{id("i1")}}),
		schema.Put(&schema.Interface{UUID: id("i1"), Name: "vif1.0", OFPort: 1}),
	}
	rows = append(rows, tunnel("2", "t103-11-12", "192.0.2.12", 2)...)
	rows = append(rows, tunnel("3", "t103-11-13", "192.0.2.13", 3)...)
	if _, err := db.Apply(rows); err != nil {
		t.Fatal(err)
	}
	return db
}

// id makes a UUID of a short name.
func id(name string) string {
	hex := ""
	for _, c := range []byte(name) {
		hex += string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15])
	}
	return "00000000-0000-4000-8000-" + strings.Repeat("0", 12-len(hex)) + hex
}

func pluginWant(spans bool) plan.Want {
	return plan.Want{
		Owner: pluginOwner,
		Bridges: []plan.Bridge{{Name: "xapi3", Target: "tcp:192.0.2.1:6653", Normal: true, Open: true, Spans: spans,
			Plugin: plan.PluginNote{Drop: true, VIFs: true, Deliver: []string{"vif1.0"}}.String()}},
		Networks: []plan.Network{{Name: "ovstunnel103", Bridge: "xapi3", Tunnels: []plan.Tunnel{
			{Name: "t103-11-12", Type: "gre", Peer: "h2", Key: 103, RemoteIP: netip.MustParseAddr("192.0.2.12")},
			{Name: "t103-11-13", Type: "gre", Peer: "h3", Key: 103, RemoteIP: netip.MustParseAddr("192.0.2.13")},
		}}},
	}
}

func after(t *testing.T, db *schema.DB, w plan.Want) (*schema.DB, plan.Plan) {
	t.Helper()
	p := plan.Diff(db, w)
	if len(p.Problems) > 0 {
		t.Fatalf("%+v", p.Problems)
	}
	now, err := p.After(db)
	if err != nil {
		t.Fatal(err)
	}
	if again := plan.Diff(now, w); len(again.Groups) > 0 {
		t.Fatalf("a second look: %q", again.Steps())
	}
	return now, p
}

// What the plugin has made is taken over step by step, with nothing that flushes
// flows, and is again as it was when it has been given back.
func TestPluginTakenAndGivenBack(t *testing.T) {
	before := pluginDB(t)
	open, p := after(t, before, pluginWant(true))
	b := open.BridgeByName("xapi3")
	if b.FailMode != "" || !b.STPEnable || !plan.Taken(b, pluginOwner) || !plan.Spanning(b) || len(p.Refloods) > 0 {
		t.Errorf("open: %+v, floods %v", b, p.Refloods)
	}
	if port := open.PortByName("t103-11-12"); port.Protected || port.UUID != id("p2") || port.ExternalIDs[schema.KeyPeer] != "h2" {
		t.Errorf("open: %+v", port)
	}
	closed, p := after(t, open, pluginWant(false))
	b = closed.BridgeByName("xapi3")
	if b.FailMode != "" || b.STPEnable || !plan.Taken(b, pluginOwner) || plan.Spanning(b) || strings.Join(p.Refloods, " ") != "xapi3" {
		t.Errorf("closed: %+v, floods %v", b, p.Refloods)
	}
	if port := closed.PortByName("t103-11-12"); !port.Protected || closed.Interfaces[id("i2")].OFPort != 2 {
		t.Errorf("closed: %+v", port)
	}
	restored, _ := after(t, closed, plan.Want{Owner: pluginOwner, Complete: true, Return: true, Release: []plan.Release{{Bridge: "xapi3", Keep: true}}})
	if port := restored.PortByName("t103-11-12"); !port.Protected || port.ExternalIDs[schema.KeyOwner] != pluginOwner {
		t.Errorf("its flows are ours still, and it is given away: %+v", port)
	}
	back, _ := after(t, restored, plan.Want{Owner: pluginOwner, Complete: true, Return: true, Release: []plan.Release{{Bridge: "xapi3"}}})
	b = back.BridgeByName("xapi3")
	if b.FailMode != "" || !b.STPEnable || len(b.ExternalIDs)+len(b.Controllers) > 0 || len(b.OtherConfig) != 1 {
		t.Errorf("given back: %+v", b)
	}
	for _, name := range []string{"t103-11-12", "t103-11-13"} {
		port := back.PortByName(name)
		i := back.InterfaceByName(name)
		if port.Protected || len(port.ExternalIDs)+len(i.ExternalIDs) > 0 || i.OFPortRequest != 0 || len(i.Options) != 2 {
			t.Errorf("given back: %+v %+v", port, i)
		}
	}
}

// Without Return, what is not wanted goes, whoever made it: CloudStack has taken it
// away.
func TestPluginTunnelIsDeleted(t *testing.T) {
	taken, _ := after(t, pluginDB(t), pluginWant(false))
	w := pluginWant(false)
	w.Networks[0].Tunnels = w.Networks[0].Tunnels[:1]
	less, _ := after(t, taken, w)
	if less.PortByName("t103-11-13") != nil || less.PortByName("t103-11-12") == nil {
		t.Error("the wrong port went")
	}
}

// A note that makes no sense is none.
func TestPluginNote(t *testing.T) {
	for _, text := range []string{"", "{", "[]", "null", `{"version":2}`, `{"version":1,"deliver":7}`} {
		if _, ok := plan.PluginBridge(&schema.Bridge{ExternalIDs: map[string]string{schema.KeyPlugin: text}}); ok {
			t.Errorf("taken for a note: %s", text)
		}
	}
	n, ok := plan.PluginBridge(&schema.Bridge{ExternalIDs: map[string]string{schema.KeyPlugin: plan.PluginNote{Deliver: []string{"vif1.0"}}.String()}})
	if !ok || len(n.Deliver) != 1 {
		t.Errorf("%+v, %v", n, ok)
	}
}

// Each port that took part in STP gets a second interface for a moment, and what
// was left by somebody who was stopped goes.
func TestReflood(t *testing.T) {
	db := pluginDB(t)
	now, then := plan.Reflood(db, pluginOwner, "xapi3")
	if len(now) != 6 || len(then) != 7 {
		t.Errorf("%d operations, then %d", len(now), len(then))
	}
	if now, then := plan.Reflood(db, pluginOwner, "xapi9"); len(now)+len(then) > 0 {
		t.Error("of a bridge that is not there")
	}
	if ops := plan.Unflood(db, pluginOwner); len(ops) > 0 {
		t.Errorf("nothing was left: %v", ops)
	}
	port := schema.Copy(db.Ports[id("p2")])
	port.Interfaces = append(port.Interfaces, id("ix"))
	if _, err := db.Apply([]schema.RowUpdate{
		schema.Put(port),
		schema.Put(&schema.Interface{UUID: id("ix"), Name: "om0", Type: "patch", Options: map[string]string{"peer": "ovsmesh-none"}, ExternalIDs: map[string]string{schema.KeyOwner: pluginOwner}}),
	}); err != nil {
		t.Fatal(err)
	}
	if schema.Underlay(db, db.BridgeByName("xapi3"), port) {
		t.Error("taken for a bond")
	}
	if ops := plan.Unflood(db, pluginOwner); len(ops) != 3 {
		t.Errorf("%v", ops)
	}
	if ops := plan.Unflood(db, "another"); len(ops) > 0 {
		t.Errorf("of another store: %v", ops)
	}
}
