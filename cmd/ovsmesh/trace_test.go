package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"ovsmesh/controller/api"
)

// tracedPing is a ping that arrives; tests change it.
func tracedPing() api.TraceReport {
	web := api.TracePlace{Port: "web-1", Network: "blue", Host: "xen1", Bridge: "xapi1", Interface: "vif1.0"}
	db := api.TracePlace{Port: "db-2", Network: "blue", Host: "xen2", Bridge: "xapi1", Interface: "vif2.0"}
	return api.TraceReport{
		Delivered: true, Copies: 1, Complete: true, From: web, To: []api.TracePlace{db}, Target: "db-2", Packet: "icmp", Tables: api.TraceGot,
		Visits: []api.TraceVisit{
			{ID: 1, Host: "xen1", Bridge: "xapi1", Port: "vif1.0", Packet: "icmp", Outputs: []api.TraceOutput{{Port: "t103-1-2", Kind: api.TracePassed, To: "xen2", Visit: 2, Packet: "icmp"}}},
			{ID: 2, From: 1, Host: "xen2", Bridge: "xapi1", Port: "t103-2-1", Peer: "xen1", Packet: "icmp", Outputs: []api.TraceOutput{{Port: "vif2.0", Kind: api.TraceDelivered, To: "db-2", Packet: "icmp,nw_ttl=63"}}},
		},
		Hops: []api.TraceHop{
			{Visit: 1, Host: "xen1", Bridge: "xapi1", Table: 0, TableName: "classify", Flow: "cookie=0x6f6d000000010002, table=0, priority=100,in_port=1", Network: "blue", Actions: "output:" + strings.Repeat("9", 120), Meaning: "comes from a VM of the network", Output: "t103-1-2"},
			{Visit: 2, Host: "xen2", Bridge: "xapi1", Table: 60, TableName: "l2-lookup", Flow: "cookie=0x7, table=60, priority=1", Actions: "resubmit(,200)", Meaning: "a flow of another program (cookie 0x7)"},
			{Visit: 2, Host: "xen2", Bridge: "xapi1", Table: 200, Resubmits: 1, Flow: "cookie=0x7, table=200, priority=1", Actions: "output:2", Meaning: "a flow of another program (cookie 0x7)", Output: "vif2.0"},
		},
		Arrivals: []api.TraceArrival{{TracePlace: db, Visit: 2, Packet: "icmp"}},
		Missed:   []api.TraceMiss{}, Unseen: []api.TraceUnseen{},
	}
}

// TestTraceText holds what people read to what they are to see.
func TestTraceText(t *testing.T) {
	for _, c := range []struct {
		name   string
		wide   bool
		change func(*api.TraceReport)
		want   []string // lines, in order
		never  string
	}{
		{"arrives", false, func(*api.TraceReport) {}, []string{
			"web-1 (xen1/vif1.0) to db-2 (xen2/vif2.0), network blue", "packet: icmp", "xen1, bridge xapi1, in on vif1.0",
			"   0  classify: comes from a VM of the network", "      priority=100,in_port=1 actions=output:99", "  →  t103-1-2 to xen2",
			"xen2, bridge xapi1, in on t103-2-1 from xen1", "    200  a flow of another program", "        priority=1 actions=output:2", "  →  vif2.0: db-2 gets it, as icmp,nw_ttl=63", "arrives at db-2",
		}, "cookie=0x6f6d"},
		{"wide", true, func(*api.TraceReport) {}, []string{"cookie=0x6f6d000000010002, table=0, priority=100,in_port=1 actions=output:" + strings.Repeat("9", 120)}, "…"},
		{"does not arrive", false, func(r *api.TraceReport) {
			r.Delivered, r.Copies, r.Arrivals, r.Reason, r.Advice = false, 0, nil, "it does not arrive at db-2: on xen2: dropped", "do this"
			r.Visits[1].Outputs = nil
		}, []string{"  →  nowhere", "it does not arrive at db-2: on xen2: dropped", "  do this"}, "arrives at db-2"},
		{"could not be looked at", false, func(r *api.TraceReport) {
			r.Delivered, r.Complete, r.Reason = false, false, "it is not known whether it arrives: on xen2: it is not connected"
			r.Unseen = []api.TraceUnseen{{Host: "xen2", Reason: "it is not connected"}, {Host: "xen3", Bridge: "xapi1", Reason: "no flows"}}
			r.Visits[1].Error, r.Visits[1].Outputs = "it is not connected", nil
		}, []string{"  !  could not be looked at: it is not connected", "not followed: xen3, bridge xapi1: no flows", "it is not known whether it arrives: on xen2: it is not connected"}, "nowhere"},
		{"in doubt", false, func(r *api.TraceReport) { r.Visits[1].Doubts = []string{"ct is not followed"} }, []string{"  ?  ct is not followed"}, ""},
		{"answered", false, func(r *api.TraceReport) {
			r.Notes = []string{"the switch of xen1 answers it in the name of db-2"}
			r.Arrivals[0].Answer = true
			r.Visits[1].Outputs[0].Kind = api.TraceAnswer
		}, []string{"  →  vif2.0: back to db-2", "note: the switch of xen1 answers it", "answered"}, "arrives at"},
		{"to everybody", false, func(r *api.TraceReport) {
			r.To, r.Target = nil, ""
			r.Missed = []api.TraceMiss{{TracePlace: api.TracePlace{Port: "app-3", Host: "xen3", Interface: "vif3.0"}, Policy: true, Reason: "on xen1: told so"}}
		}, []string{"web-1 (xen1/vif1.0) to everybody", "PORT", "app-3   xen3   vif3.0      no: on xen1: told so", "db-2    xen2   vif2.0      yes", "arrives at 1 port; 1 port gets none, as the network's options have it"}, ""},
		{"to many", false, func(r *api.TraceReport) {
			r.To, r.Target = nil, ""
			for range 30 {
				r.Visits = append(r.Visits, r.Visits[1])
				r.Visits[0].Outputs = append(r.Visits[0].Outputs, r.Visits[0].Outputs[0])
				r.Arrivals = append(r.Arrivals, r.Arrivals[0])
			}
		}, []string{"  →  and 24 ports more", "… and 28 bridges more, which -o wide shows", "… and 11 ports more, which -o wide shows"}, ""},
	} {
		r := tracedPing()
		c.change(&r)
		var b strings.Builder
		if err := (traceText{r}).write(&b, c.wide); err != nil {
			t.Fatal(err)
		}
		rest := b.String()
		for _, line := range c.want {
			at := strings.Index(rest, line)
			if at < 0 {
				t.Errorf("%s: no %q, or not in its place, in\n%s", c.name, line, b.String())
				break
			}
			rest = rest[at+len(line):]
		}
		if c.never != "" && strings.Contains(b.String(), c.never) {
			t.Errorf("%s: %q in\n%s", c.name, c.never, b.String())
		}
	}
}

// TestTraceCommand sends what was asked, and ends as the answer says.
func TestTraceCommand(t *testing.T) {
	var mu sync.Mutex // between the server and the test
	var sent api.TraceRequest
	answer := tracedPing()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/trace", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		sent = api.TraceRequest{}
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	run := func(args ...string) (ran, api.TraceRequest) {
		got := command(t, []string{"OVSMESH_SERVER=" + s.URL}, "", append([]string{"trace"}, args...)...)
		mu.Lock()
		defer mu.Unlock()
		return got, sent
	}
	reply := func(change func(*api.TraceReport)) {
		mu.Lock()
		defer mu.Unlock()
		change(&answer)
	}
	got, asked := run("--from", "web-1", "--to", "db-2", "--packet", "tcp,tp_dst=80", "--want", "--network", "blue", "-o", "json")
	var read api.TraceReport
	if err := json.Unmarshal([]byte(got.stdout), &read); err != nil || got.code != 0 || len(read.Hops) != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	if want := (api.TraceRequest{From: "web-1", To: "db-2", Packet: "tcp,tp_dst=80", Want: true, Network: "blue"}); asked != want {
		t.Errorf("sent %+v, want %+v", asked, want)
	}
	reply(func(r *api.TraceReport) { r.Delivered, r.Reason = false, "it does not arrive" })
	if got, sent := run("--from", "web-1", "--to", "db-2", "--arp"); got.code != 2 || !sent.ARP || !strings.Contains(got.stdout, "it does not arrive") {
		t.Errorf("%+v, %+v", got, sent)
	}
	reply(func(r *api.TraceReport) { r.Complete = false })
	if got, sent := run("--from", "web-1", "--broadcast"); got.code != 1 || !sent.Broadcast || !strings.Contains(got.stderr, "not complete") {
		t.Errorf("%+v, %+v", got, sent)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "--from PORT"},
		{[]string{"--from", "a", "--arp", "--broadcast"}, "arp broadcast"},
		{[]string{"--from", "a", "--spec", "nosuch"}, "--dump"},
		{[]string{"--from", "a", "x"}, "unknown command"},
	} {
		if got, _ := run(c.args...); got.code != 1 || !strings.Contains(got.stderr, c.want) {
			t.Errorf("%q: %+v, want %s", c.args, got, c.want)
		}
	}
}
