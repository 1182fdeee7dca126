package controller_test

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// replica is what a reader makes of events alone.
type replica struct {
	mu    sync.Mutex
	facts map[string]string
	list  []api.Event
}

// take draws the conclusions from an event that its description allows.
func (r *replica) take(e api.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, e)
	drop := func(prefix string) {
		maps.DeleteFunc(r.facts, func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
	}
	switch e.Kind {
	case api.EventHost:
		r.facts["host "+e.Host] = e.State
		if e.State == api.EventDisconnected {
			drop("tunnel " + e.Host + " ")
			drop("problem " + e.Host + " ")
			drop("sync " + e.Host + " ")
		}
	case api.EventBridge:
		r.facts["bridge "+e.Host+" "+e.Bridge] = e.State
		if e.State != api.EventConnected {
			delete(r.facts, "bridge "+e.Host+" "+e.Bridge)
		}
	case api.EventMember:
		r.facts["member "+e.Network+" "+e.Host] = e.State
		if e.State == api.EventLeft {
			delete(r.facts, "member "+e.Network+" "+e.Host)
			for _, what := range []string{"tunnel ", "problem ", "sync "} {
				drop(what + e.Host + " " + e.Network + " ")
			}
		}
	case api.EventTunnel:
		r.facts["tunnel "+e.Host+" "+e.Network+" "+e.Peer] = strings.TrimSpace(e.State + " " + e.Error)
		if e.State == api.EventRemoved {
			delete(r.facts, "tunnel "+e.Host+" "+e.Network+" "+e.Peer)
		}
	case api.EventSync:
		r.facts["sync "+e.Host+" "+e.Network+" "] = e.State
	case api.EventProblem:
		if e.Network == "" {
			return // of a bridge or a whole host; those of networks repeat the one's
		}
		key := "problem " + e.Host + " " + e.Network + " " + e.Error
		r.facts[key] = e.State
		if e.State == api.EventGone {
			delete(r.facts, key)
		}
	}
}

// summary is what the replica says in the topology's words: a network is in
// sync where every member is.
func (r *replica) summary() map[string]string {
	facts := map[string]string{}
	for key, state := range r.facts {
		words := strings.Split(key, " ")
		if words[0] == "sync" && words[2] != "" {
			continue
		}
		facts[key] = state
		if words[0] == "member" {
			network := "network " + words[1]
			if facts[network] == "" {
				facts[network] = api.EventInSync
			}
			if r.facts["sync "+words[2]+" "+words[1]+" "] != api.EventInSync {
				facts[network] = api.EventSyncing
			}
		}
	}
	return facts
}

// factsOf says the same of a topology. Ends on hosts that are disconnected, and
// bridges without a connection, are left out.
func factsOf(top api.Topology) map[string]string {
	facts := map[string]string{}
	connected := map[string]bool{}
	for _, h := range top.Hosts {
		connected[h.Name] = h.Connected
		facts["host "+h.Name] = api.EventDisconnected
		if h.Connected {
			facts["host "+h.Name] = api.EventConnected
			facts["sync "+h.Name+"  "] = syncWord(h.InSync)
		}
		for _, b := range h.Bridges {
			if b.Connected {
				facts["bridge "+h.Name+" "+b.Name] = api.EventConnected
			}
		}
	}
	for _, n := range top.Networks {
		if len(n.Hosts) > 0 {
			facts["network "+n.Name] = syncWord(n.InSync)
		}
		for _, p := range n.Problems {
			if host, text, _ := strings.Cut(p, ": "); connected[host] {
				facts["problem "+host+" "+n.Name+" "+text] = api.EventAppeared
			}
		}
		for _, h := range n.Hosts {
			facts["member "+n.Name+" "+h] = api.EventJoined
		}
		for _, t := range n.Tunnels {
			if connected[t.From] {
				facts["tunnel "+t.From+" "+n.Name+" "+t.To] = strings.TrimSpace(t.State + " " + t.Error)
			}
		}
	}
	return facts
}

func syncWord(inSync bool) string {
	if inSync {
		return api.EventInSync
	}
	return api.EventSyncing
}

// agrees waits until what the events say is what the topology says.
func (m *mesh) agrees(r *replica, after string) {
	m.t.Helper()
	m.eventually("events and topology agree after "+after, func() error {
		want := factsOf(m.topology(api.TopologyFilter{}))
		r.mu.Lock()
		defer r.mu.Unlock()
		if d := cmp.Diff(want, r.summary()); d != "" {
			return fmt.Errorf("-topology +events\n%s", d)
		}
		return nil
	})
}

// told waits for an event that says so.
func (m *mesh) told(r *replica, what string, f func(api.Event) bool) {
	m.t.Helper()
	m.eventually(what+" told", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.ContainsFunc(r.list, f) {
			return fmt.Errorf("%d events, none of them it", len(r.list))
		}
		r.list = nil
		return nil
	})
}

// A reader that looks at nothing but events knows at any time what the topology
// would say: while VMs come, switches restart, hosts go away, tunnels fail and
// networks are deleted.
func TestEventsTellAll(t *testing.T) {
	m := newMesh(t, 3)
	m.start()
	w := serveWeb(t, m.ctl, "")
	c := &api.Client{BaseURL: "http://" + w.addr, HTTP: w.client}
	s, err := c.Events(m.ctx, api.EventFilter{}, 0)
	m.check(err)
	r := &replica{facts: map[string]string{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			e, err := s.Next()
			if err != nil {
				return
			}
			r.take(e)
		}
	}()
	defer func() { s.Close(); <-done }()

	for _, h := range m.Hosts() {
		m.check(h.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	}
	m.eventually("all hosts connected", func() error {
		if n := len(m.topology(api.TopologyFilter{}).Hosts); n != 3 {
			return fmt.Errorf("%d hosts", n)
		}
		return nil
	})
	m.agrees(r, "hosts came")
	m.told(r, "registration", func(e api.Event) bool {
		return e.Kind == api.EventChange && len(e.Items) == 1 && e.Items[0].Kind == api.KindHosts && e.Items[0].Verb == "created"
	})

	m.bridges("xapi1", "xapi2")
	res, err := m.ctl.Apply(m.ctx, api.ApplyRequest{Files: []api.File{{Name: "test.yaml", Data: ownBridges}}})
	m.check(err)
	m.told(r, "apply", func(e api.Event) bool {
		return e.Kind == api.EventChange && e.Generation == res.Generation && len(e.Items) == 3
	})
	var vms []*ovstest.VM
	for i, h := range m.Hosts() {
		vms = append(vms, m.vm(h.Name, fmt.Sprintf("blue-%d", i+1), "xapi1", i+1, ""))
		m.vm(h.Name, fmt.Sprintf("red-%d", i+1), "xapi2", i+1, "")
	}
	m.meshed("blue", "h1", "h2", "h3")
	m.meshed("red", "h1", "h2", "h3")
	m.agrees(r, "VMs came")
	m.told(r, "tunnel up", func(e api.Event) bool {
		return e.Kind == api.EventTunnel && e.Network == "blue" && e.Tenant == "acme" && e.Host == "h1" && e.Peer == "h3" && e.State == api.TunnelUp
	})

	m.check(vms[0].Remove(m.ctx))
	m.meshed("blue", "h2", "h3")
	m.agrees(r, "a VM went")

	m.check(m.Host("h2").RestartVSwitchd(m.ctx))
	m.told(r, "restart of a switch", func(e api.Event) bool {
		return e.Kind == api.EventBridge && e.Host == "h2" && e.Bridge == "xapi1" && e.State == api.EventDisconnected
	})
	m.meshed("blue", "h2", "h3")
	m.agrees(r, "a switch restarted")

	_, err = m.Host("h3").VSCtl(m.ctx, "del-manager")
	m.check(err)
	m.told(r, "a host that goes", func(e api.Event) bool {
		return e.Kind == api.EventHost && e.Host == "h3" && e.State == api.EventDisconnected && e.Error != ""
	})
	m.agrees(r, "a host went")
	m.check(m.Host("h3").SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	m.told(r, "a host that is back", func(e api.Event) bool {
		return e.Kind == api.EventHost && e.Host == "h3" && e.State == api.EventConnected
	})
	m.meshed("blue", "h2", "h3")
	m.agrees(r, "a host is back")

	m.apply("networks:\n  - {name: green, encap: gre, key: 7, bridge: xapi7, hosts: [h1, h2]}\n")
	m.told(r, "a problem", func(e api.Event) bool {
		return e.Kind == api.EventProblem && e.Network == "green" && e.Host == "h2" && e.State == api.EventAppeared && strings.Contains(e.Error, "xapi7")
	})
	m.agrees(r, "a bridge that is missing")
	m.bridges("xapi7")
	m.told(r, "a problem's end", func(e api.Event) bool {
		return e.Kind == api.EventProblem && e.Network == "green" && e.Host == "h1" && e.State == api.EventGone
	})
	m.agrees(r, "the bridge came")

	m.apply("hosts:\n  - {name: h3, endpoint: 203.0.113.9}\n") // to which there is no route
	m.told(r, "a tunnel that fails", func(e api.Event) bool {
		return e.Kind == api.EventTunnel && e.Network == "blue" && e.Host == "h2" && e.Peer == "h3" && e.State == api.TunnelDown && strings.Contains(e.Error, "203.0.113.9")
	})
	m.agrees(r, "an endpoint that can't be reached")

	m.remove(api.KindNetworks, "red")
	m.told(r, "a network's end", func(e api.Event) bool {
		return e.Kind == api.EventBridge && e.Bridge == "xapi2" && e.State == api.EventReleased
	})
	m.agrees(r, "a network was deleted")
	w.stop()
}

// Readers of events do not hold up the end of the server, and see it at once.
func TestEventsStop(t *testing.T) {
	w := startWeb(t, "s3cret")
	c := &api.Client{BaseURL: "http://" + w.addr, HTTP: w.client}
	if _, err := c.Events(t.Context(), api.EventFilter{}, 0); err == nil || !strings.Contains(err.Error(), "OVSMESH_TOKEN") {
		t.Errorf("without a token: %v", err)
	}
	c.Token = "s3cret"
	var streams []*api.EventStream
	for range 5 {
		s, err := c.Events(t.Context(), api.EventFilter{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
	}
	if took := w.stop(); took > 2*time.Second {
		t.Errorf("stopped after %v", took)
	}
	for _, s := range streams {
		if _, err := s.Next(); err == nil {
			t.Error("a stream outlives its server")
		}
		s.Close()
	}
}

// What the stream carries is what the description says.
func TestHTTPEvents(t *testing.T) {
	w := startWeb(t, "")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.addr+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	w.do(call{method: "POST", path: "/v1/apply", contentType: asYAML, body: webSpec})
	w.do(call{method: "DELETE", path: "/v1/networks/red"})
	var got []byte
	changes := 0
	for in := bufio.NewReader(resp.Body); changes < 2; {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line...)
		if strings.HasPrefix(line, "data: ") && strings.Contains(line, `"kind":"change"`) {
			changes++
		}
	}
	w.conforms(call{method: "GET", path: "/v1/events"}, resp, got)
	for _, want := range []string{
		`"generation":2,"items":[{"kind":"keypools","name":"gre-100-110","verb":"created"},{"kind":"networks","name":"blue","verb":"created","fields":["key: 103"]},`,
		`"kind":"member","tenant":"acme","network":"blue","host":"xen1","state":"joined"}`,
		`"items":[{"kind":"networks","name":"red","verb":"deleted"}]}`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}
