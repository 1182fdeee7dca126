package main

import (
	"slices"
	"testing"

	"ovsmesh/controller/api"
)

// Many hosts with the same trouble are one line.
func TestHostsAlike(t *testing.T) {
	var top api.Topology
	for _, name := range []string{"xen1", "xen2", "xen3", "xen4", "xen5"} {
		top.Hosts = append(top.Hosts, api.TopologyHost{Name: name, SystemID: "s-" + name})
	}
	top.Hosts[1].Problems = []string{"something of its own"}
	want := []string{
		`xen1, xen2, xen3 and 2 more hosts: not connected: its tunnels and flows stay as they are; look at "ovs-vsctl show" there, and at the way to the address of its manager`,
		"xen2: something of its own",
	}
	if got := topologyProblems(top); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	top.Hosts = top.Hosts[2:]
	if got := topologyProblems(top); len(got) != 3 {
		t.Errorf("three are named one by one: %q", got)
	}
}

// One cause is told once, where it is: at the bridge, not again at each network
// and tunnel that suffers from it.
func TestTopologyProblemsOnce(t *testing.T) {
	const taken = "bridge xapi1 belongs to another ovsmesh store"
	top := api.Topology{
		Hosts: []api.TopologyHost{
			{Name: "xen1", Connected: true, Bridges: []api.TopologyBridge{{Name: "xapi1", Error: taken}, {Name: "xapi2", Error: "no such device"}}},
			{Name: "xen2", Connected: true, Bridges: []api.TopologyBridge{{Name: "xapi1", Connected: true}}},
			{Name: "xen3", Left: true, SystemID: "s3"},
			{Name: "xen4"},
		},
		Networks: []api.TopologyNetwork{{
			Name: "blue", Problems: []string{"xen1: " + taken, "xen2: port name t103-2-1 is taken"},
			Tunnels: []api.Tunnel{
				{From: "xen1", To: "xen2", Port: "t103-1-2", State: api.TunnelDown, Error: taken},
				{From: "xen2", To: "xen1", Port: "t103-2-1", State: api.TunnelDown, Error: "port name t103-2-1 is taken"},
				{From: "xen2", To: "xen4", Port: "t103-2-4", State: api.TunnelDown, Error: "no route"},
			},
		}},
	}
	want := []string{
		"xen1: " + taken,
		"xen1: bridge xapi2: no such device",
		`xen4: not connected: it never has been: run "ovsmesh host join" on it; it is known by its external_ids:hostname, or by the systemID that the spec may name`,
		"blue: xen2: port name t103-2-1 is taken",
		"blue: tunnel t103-2-4 from xen2 to xen4 is down: no route",
	}
	if got := topologyProblems(top); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// A host that waits for a bridge says no more than the bridge does, if that says
// what is wrong with it.
func TestProblemOfABridgeIsToldOnce(t *testing.T) {
	host := api.TopologyHost{Name: "xen1", Connected: true, Health: api.HealthOK}
	host.Problems = []string{"waiting for bridge xapi1, whose new flows are refused", "waiting for bridge xapi10: no answer"}
	host.Bridges = []api.TopologyBridge{{Name: "xapi1", Connected: true, Error: "the flows of network blue are not sent"}, {Name: "xapi10", Connected: true}}
	want := []string{"xen1: waiting for bridge xapi10: no answer", "xen1: bridge xapi1: the flows of network blue are not sent"}
	if got := topologyProblems(api.Topology{Hosts: []api.TopologyHost{host}}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Where it is known what to do on a host it is told, with the command; where a
// bridge dials is said by its host, as the controller may listen anywhere.
func TestWhatToDoOnAHost(t *testing.T) {
	const stays = "its tunnels and flows stay as they are; "
	for reason, want := range map[string]string{
		"not connected since 03:04:05 UTC: read: connection reset": stays + `look at "ovs-vsctl show" there, and at the way to the address of its manager`,
		`not connected since 03:04:05 UTC: EOF; unless ovsdb-server has ended there, its manager was removed: run "ovs-vsctl set-manager tcp:192.0.2.10:7640" on it`: stays +
			`it has hung up itself: unless ovsdb-server has ended there, its manager was removed: run "ovs-vsctl set-manager tcp:192.0.2.10:7640" on it`,
		`cut off: "ovs-vsctl set-manager `: stays + `look at "ovs-vsctl show" there, and at the way to the address of its manager`,
	} {
		host := api.TopologyHost{Name: "xen1", SystemID: "s1", Health: api.HealthUnreachable, HealthReason: reason}
		if got := hostProblems(host); !slices.Equal(got, []string{"xen1: not connected: " + want}) {
			t.Errorf("%s: %q", reason, got)
		}
	}
	host := api.TopologyHost{Name: "xen1", Connected: true, Health: api.HealthOK, Bridges: []api.TopologyBridge{{Name: "xapi1"}}}
	want := `xen1: bridge xapi1 has no OpenFlow connection: look at the way from there to what "ovs-vsctl get-controller xapi1" says`
	if got := hostProblems(host); !slices.Equal(got, []string{want}) {
		t.Errorf("%q", got)
	}
}

// Who writes on a host, or why nobody does.
func TestHostWord(t *testing.T) {
	for want, st := range map[string]api.HostStatus{
		"in sync":                    {Connected: true, Writer: true, InSync: true},
		"another controller writes":  {Connected: true},
		"holds another store's rows": {Connected: true, Foreign: true, Owners: []string{"u"}},
		"disconnected":               {Foreign: true},
	} {
		if got := hostWord(api.HostObject{Status: st}); got != want {
			t.Errorf("%+v: %q, want %q", st, got, want)
		}
	}
	if got := hostWord(api.HostObject{Status: api.HostStatus{Connected: true, Foreign: true, LockHolder: "tcp:192.0.2.2:6640"}}); got != "another controller writes" {
		t.Errorf("where its controller holds the lock: %q", got)
	}
}
