package controller_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb/ovstest"
)

const tracedSpec = `
networks:
  - {name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi1}
  - {name: red, tenant: globex, encap: vxlan, key: 5001, bridge: xapi2}
ports:
  - {name: web-1, network: blue, match: {host: h1, interface: vif1.0}, ips: [10.1.1.1, "fd00::1"]}
  - {name: db-2, network: blue, match: {host: h2, interface: vif2.0}, ips: [10.1.1.2, "fd00::2"]}
`

// traced is a mesh with four VMs of blue: web-1 and h1's second on h1, db-2 on
// h2 and one of unknown IP addresses on h3; and one of red on h2.
func traced(t *testing.T) (*mesh, []*ovstest.VM) {
	m := startMesh(t, 3)
	m.bridges("xapi1", "xapi2")
	vms := []*ovstest.VM{
		m.vm("h1", "web", "xapi1", 1, ""), m.vm("h2", "db", "xapi1", 2, ""), m.vm("h3", "app", "xapi1", 3, ""),
		m.vm("h1", "more", "xapi1", 4, ""),
	}
	red := m.vm("h2", "other", "xapi2", 9, "")
	spec := tracedSpec
	for i, vm := range vms[:2] {
		spec = strings.Replace(spec, fmt.Sprintf("vif%d.0", i+1), vm.Interface, 1)
	}
	m.apply(spec)
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms[:2]...)
	return m, append(vms, red)
}

func (m *mesh) trace(r api.TraceRequest) api.TraceReport {
	m.t.Helper()
	got, err := m.ctl.Trace(m.ctx, r)
	m.check(err)
	return got
}

func arrived(r api.TraceReport) string {
	var list []string
	for _, a := range r.Arrivals {
		at := a.Host + "/" + a.Interface
		if a.Answer {
			at += " answer"
		}
		list = append(list, at)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// TestTrace follows packets over real hosts, and sends the same.
func TestTrace(t *testing.T) {
	m, vms := traced(t)
	web, db, app, more, other := vms[0], vms[1], vms[2], vms[3], vms[4]
	at := func(vm *ovstest.VM) string { return vm.Host + "/" + vm.Interface }
	m.tracedFrames(vms)
	for _, c := range []struct {
		name      string
		request   api.TraceRequest
		delivered bool
		arrived   string
		says      string // part of the reason, or of a note
	}{
		{"ping", api.TraceRequest{From: "web-1", To: "db-2"}, true, at(db), ""},
		{"ping over IPv6", api.TraceRequest{From: "web-1", To: "fd00::2", Packet: "icmp6"}, true, at(db), ""},
		{"TCP", api.TraceRequest{From: "10.1.1.1", To: "10.1.1.2", Packet: "tcp,tp_dst=5432"}, true, at(db), ""},
		{"wanted flows", api.TraceRequest{From: "web-1", To: "db-2", Want: true}, true, at(db), ""},
		{"ARP is answered where it is asked", api.TraceRequest{From: "web-1", To: "db-2", ARP: true}, true, at(web) + " answer", "answers it in the name of db-2"},
		{"ARP for an address that is not known", api.TraceRequest{From: "web-1", To: "10.1.1.77", ARP: true}, true,
			strings.Join(slices.Sorted(slices.Values([]string{at(db), at(app), at(more)})), ", "), "no VM is known"},
		{"neighbour solicitation", api.TraceRequest{From: "web-1", To: "db-2", Packet: "nd"}, true, at(db), ""},
		{"somebody else's IP", api.TraceRequest{From: "web-1", To: "db-2", Packet: "icmp,nw_src=10.1.1.9"}, false, "", "port-security"},
		{"another network", api.TraceRequest{From: "web-1", To: at(other)}, false, strings.Join(slices.Sorted(slices.Values([]string{at(db), at(app), at(more)})), ", "), "networks are apart"},
	} {
		r := m.trace(c.request)
		all := strings.Join(append(r.Notes, r.Reason), "; ")
		if r.Delivered != c.delivered || !r.Complete || arrived(r) != c.arrived || !strings.Contains(all, c.says) || r.Copies != len(r.Arrivals) {
			t.Errorf("%s: delivered %v, complete %v, at %q: %s; want %v at %q: %s", c.name, r.Delivered, r.Complete, arrived(r), all, c.delivered, c.arrived, c.says)
		}
	}
	m.tracedHTTP()
	m.tracedForeign(web, db)
	m.check(m.Host("h2").Stop())
	m.eventually("a trace that can't look at h2", func() error {
		r := m.trace(api.TraceRequest{From: "web-1", To: "db-2"})
		if r.Complete || r.Delivered || !strings.Contains(r.Reason, "h2") || len(r.Hops) == 0 {
			return fmt.Errorf("complete %v, delivered %v: %s", r.Complete, r.Delivered, r.Reason)
		}
		return nil
	})
}

// tracedHTTP asks over HTTP; what is answered has to be as it is described.
func (m *mesh) tracedHTTP() {
	m.t.Helper()
	w := serveWeb(m.t, m.ctl, "")
	defer w.stop()
	for body, want := range map[string]int{
		`{"from": "web-1", "to": "db-2"}`:                     http.StatusOK,
		`{"from": "web-1"}`:                                   http.StatusOK,
		`{"from": "web-1", "to": "db-2", "want": true}`:       http.StatusOK,
		`{"from": "web-1", "to": "db-2", "arp": true}`:        http.StatusOK,
		`{"from": "nosuch"}`:                                  http.StatusNotFound,
		`{"from": "web-1", "to": "db-2", "packet": "tp_x=1"}`: http.StatusBadRequest,
		`{"from": "web-1", "too": "db-2"}`:                    http.StatusBadRequest,
		`{"from": ""}`:                                        http.StatusBadRequest,
		`[`:                                                   http.StatusBadRequest,
	} {
		if got, _, answer := w.do(call{method: "POST", path: "/v1/trace", contentType: asJSON, body: body}); got != want {
			m.t.Errorf("%s: %d %s, want %d", body, got, answer, want)
		}
	}
	w.client.CloseIdleConnections()
}

// tracedFrames sends frames, and holds what arrives where against the trace.
func (m *mesh) tracedFrames(vms []*ovstest.VM) {
	m.t.Helper()
	web := vms[0]
	all := [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for name, c := range map[string]struct {
		dst, src [6]byte
		request  api.TraceRequest
	}{
		"everybody":        {all, web.MAC, api.TraceRequest{Packet: "dl_type=0x88b5"}},
		"multicast":        {[6]byte{0x33, 0x33, 0, 0, 0, 0xfb}, web.MAC, api.TraceRequest{Packet: "dl_type=0x88b5,dl_dst=33:33:00:00:00:fb"}},
		"one":              {vms[2].MAC, web.MAC, api.TraceRequest{To: vms[2].MAC.String(), Packet: "dl_type=0x88b5"}},
		"on the same host": {vms[3].MAC, web.MAC, api.TraceRequest{To: vms[3].Host + "/" + vms[3].Interface, Packet: "dl_type=0x88b5"}},
		"nobody":           {[6]byte{2, 0, 0, 0, 9, 9}, web.MAC, api.TraceRequest{To: "02:00:00:00:09:09", Packet: "dl_type=0x88b5"}},
		"forged":           {all, vms[1].MAC, api.TraceRequest{Packet: "dl_type=0x88b5,dl_src=" + vms[1].MAC.String()}},
	} {
		c.request.From = "web-1"
		report := m.trace(c.request)
		want := map[string]int{}
		for _, a := range report.Arrivals {
			want[a.Host+"/"+a.Interface]++
		}
		frame := testFrame(c.dst, c.src, "traced "+name)
		traced := expected{name, frame, map[*ovstest.VM]int{}}
		for _, vm := range vms {
			at := vm.Host + "/" + vm.Interface
			traced.want[vm] = want[at]
			delete(want, at)
		}
		if len(want) > 0 {
			m.t.Errorf("%s: the trace ends at %v, where no VM is", name, want)
		}
		m.sends(web, vms, []expected{traced})
	}
}

// tracedForeign puts flows of others on the second host, and has them traced.
func (m *mesh) tracedForeign(web, db *ovstest.VM) {
	m.t.Helper()
	h2 := m.Host("h2")
	ofctl := func(args ...string) {
		m.t.Helper()
		_, err := h2.OFCtl(m.ctx, append([]string{"-O", "OpenFlow13"}, args...)...)
		m.check(err)
	}
	ping := api.TraceRequest{From: "web-1", To: "db-2"}
	ofctl("add-flow", "xapi1", "cookie=0x77,table=60,priority=60000,icmp,dl_dst="+db.MAC.String()+" actions=drop")
	r := m.trace(ping)
	if r.Delivered || !r.Complete || !strings.Contains(r.Reason, "on h2") || !strings.Contains(r.Reason, "0x77") {
		m.t.Errorf("behind another's drop: %v, %v, %s", r.Delivered, r.Complete, r.Reason)
	}
	m.eventually("pings end at another's drop", func() error { // the switch goes through what it has cached first
		if n, err := web.Ping(m.ctx, db.IPs[0].Addr(), 1); err == nil && n.Received > 0 {
			return fmt.Errorf("%d of %d arrive", n.Received, n.Sent)
		}
		return nil
	})
	ofctl("del-flows", "xapi1", "cookie=0x77/-1")

	// Registers, a resubmit and a group do by themselves what our flows would do.
	port, err := h2.VSCtl(m.ctx, "get", "interface", db.Interface, "ofport")
	m.check(err)
	ofctl("add-group", "xapi1", "group_id=7,type=all,bucket=actions=resubmit(,201)")
	ofctl("add-flow", "xapi1", "cookie=0x78,table=201,priority=1 actions=output:NXM_NX_REG5[]")
	ofctl("add-flow", "xapi1", "cookie=0x78,table=200,priority=1,icmp actions=group:7")
	ofctl("add-flow", "xapi1", fmt.Sprintf("cookie=0x78,table=60,priority=60000,icmp,dl_dst=%s actions=load:%s->NXM_NX_REG5[],resubmit(,200)", db.MAC, strings.TrimSpace(port)))
	r = m.trace(ping)
	if !r.Delivered || !r.Complete || arrived(r) != db.Host+"/"+db.Interface || !slices.ContainsFunc(r.Hops, func(h api.TraceHop) bool { return h.Table == 201 && h.Resubmits == 3 }) {
		m.t.Errorf("by another's group: %v, %v, at %s: %s, %+v", r.Delivered, r.Complete, arrived(r), r.Reason, r.Hops)
	}
	m.check(web.WaitPing(m.ctx, db.IPs[0].Addr()))

	// What can't be followed is told, and is no answer.
	ofctl("add-flow", "xapi1", "cookie=0x78,table=200,priority=2,icmp actions=ct(commit,zone=1),group:7")
	if r = m.trace(ping); r.Complete || len(r.Unseen) == 0 || !strings.Contains(r.Unseen[0].Reason, "ct(commit,zone=1) is not followed") {
		m.t.Errorf("through connection tracking: %v, %+v", r.Complete, r.Unseen)
	}
	ofctl("del-flows", "xapi1", "cookie=0x78/-1")
	ofctl("del-groups", "xapi1", "group_id=7")
}

// TestTraceOffline follows packets through dumps, whole and with flows missing.
func TestTraceOffline(t *testing.T) {
	m, _ := traced(t)
	o := m.offline()
	dumps := m.dumped(o)
	trace := func(r api.TraceRequest, d controller.Dumps) api.TraceReport {
		t.Helper()
		got, err := o.Trace(r, d)
		m.check(err)
		return got
	}
	ping := api.TraceRequest{From: "web-1", To: "db-2"}
	online := m.trace(ping)
	got := trace(ping, dumps)
	if !got.Delivered || !got.Complete || arrived(got) != arrived(online) || len(got.Hops) != len(online.Hops) || got.Tables != api.TraceDump {
		t.Errorf("offline %+v\nonline %+v", got, online)
	}
	if got = trace(api.TraceRequest{From: "web-1"}, dumps); !got.Delivered || got.Copies != 3 || len(got.Missed) != 0 {
		t.Errorf("a broadcast arrives at %s: %s", arrived(got), got.Reason)
	}

	broken := maps.Clone(dumps)
	broken["h2"] = maps.Clone(dumps["h2"])
	broken["h2"]["xapi1"] = controller.BridgeDump{Flows: slices.DeleteFunc(slices.Clone(dumps["h2"]["xapi1"].Flows), func(f flow.Flow) bool {
		return pipeline.ReasonOf(f.Cookie) == pipeline.ClassifyTunnel
	})}
	got = trace(ping, broken)
	if got.Delivered || !got.Complete || !strings.Contains(got.Reason, "on h2") || !strings.Contains(got.Reason, "table 0") || got.Advice == "" {
		t.Errorf("without the flow that classifies: %v, %v, %s", got.Delivered, got.Complete, got.Reason)
	}
	if got = trace(api.TraceRequest{From: "web-1", To: "db-2", Want: true}, broken); !got.Delivered {
		t.Errorf("by wanted flows: %s", got.Reason)
	}
	if got = trace(api.TraceRequest{From: "web-1"}, broken); got.Delivered || len(got.Missed) != 1 || got.Missed[0].Host != "h2" || got.Missed[0].Policy {
		t.Errorf("a broadcast without it: %v, missed %+v", got.Delivered, got.Missed)
	}
	delete(broken, "h2")
	got = trace(ping, broken)
	if got.Complete || !strings.Contains(got.Reason, "no dump of bridge xapi1") {
		t.Errorf("without a dump: %v, %s", got.Complete, got.Reason)
	}
	for _, bad := range []api.TraceRequest{{}, {From: "nosuch"}, {From: "web-1", To: "nosuch"}, {From: "web-1", To: "db-2", Packet: "nonsense"},
		{From: "web-1", To: "10.9.9.9"}, {From: "web-1", To: "db-2", Packet: "in_port=4"}, {From: "web-1", To: "db-2", Packet: "tp_dst=80"},
		{From: "web-1", To: "db-2", Packet: "arp,tp_dst=80"}, {From: "web-1", To: "db-2", Packet: "ip,nw_dst=10.0.0.0/8"}, {From: "web-1", ARP: true}} {
		if got, err := o.Trace(bad, dumps); err == nil {
			t.Errorf("%+v: %+v", bad, got)
		} else {
			t.Log(err)
		}
	}
}
