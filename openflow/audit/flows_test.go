package audit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

func mac(n byte) [6]byte { return [6]byte{2, 0, 0, 0, 0, n} }

// bridge is xapi1 of xen1 as it should be: web-1 and web-2 here, db-1 on xen3,
// web-2 on xen2 too, as it migrates.
func bridge(t testing.TB) audit.Bridge {
	t.Helper()
	want, err := pipeline.Compile(pipeline.Network{
		ID: 7, PortSecurity: true,
		VIFs:    []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{mac(1)}}, {OFPort: 2, MACs: [][6]byte{mac(2)}}, {OFPort: 3}},
		Tunnels: []pipeline.Tunnel{{OFPort: 20001}, {OFPort: 20002}},
		Remotes: []pipeline.Remote{{MAC: mac(3), Via: []int{0}}, {MAC: mac(2), Via: []int{1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, pipeline.Base(pipeline.Bridge{})...)
	ports := map[uint32]string{1: "web-1", 2: "web-2", 20001: "xen3", 20002: "xen2"}
	macs := map[[6]byte]string{mac(1): "web-1", mac(2): "web-2"}
	return audit.Bridge{
		Host: "xen1", Name: "xapi1", Want: want, Got: slices.Clone(want),
		Network: func(id uint32) string { return map[uint32]string{7: "blue"}[id] },
		Port:    func(n uint32) string { return ports[n] },
		MAC:     func(m [6]byte) string { return macs[m] },
	}
}

// edit takes flows away, by their text without the cookie, and adds others.
func edit(t testing.TB, b *audit.Bridge, del, add []string) {
	t.Helper()
	for _, line := range del {
		i := slices.IndexFunc(b.Got, func(f flow.Flow) bool { return f.Text() == line })
		if i < 0 {
			t.Fatalf("there is no %s", line)
		}
		b.Got = slices.Delete(b.Got, i, i+1)
	}
	for _, line := range add {
		f, err := flow.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		b.Got = append(b.Got, f)
	}
}

const (
	miss           = "table=10, priority=0 actions=drop"
	classifyVIF    = "table=0, priority=100,in_port=1 actions=write_metadata:0x7/0x1ffffffff,goto_table:10"
	classifyTunnel = "table=0, priority=1100,in_port=20001 actions=write_metadata:0x100000007/0x1ffffffff,goto_table:60"
	broadcastDrop  = "table=0, priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=drop"
	multicastDrop  = "table=0, priority=1000,ip,in_port=20001,nw_dst=224.0.0.0/24 actions=drop"
	security       = "table=10, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20"
	noSecurity     = "table=10, priority=100,in_port=3 actions=goto_table:20"
	groupSource    = "table=10, priority=200,dl_src=01:00:00:00:00:00/01:00:00:00:00:00 actions=drop"
	unicastLocal   = "table=60, priority=1000,metadata=0x7/0xffffffff,dl_dst=02:00:00:00:00:01 actions=output:1"
	unicastRemote  = "table=60, priority=1000,metadata=0x7/0x1ffffffff,dl_dst=02:00:00:00:00:03 actions=output:20001"
	unicastBoth    = "table=60, priority=1100,metadata=0x7/0x1ffffffff,dl_dst=02:00:00:00:00:02 actions=output:2,output:20002"
	groupToFlood   = "table=60, priority=1200,metadata=0x7/0xffffffff,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=goto_table:70"
	unknownToFlood = "table=60, priority=100,metadata=0x7/0xffffffff actions=goto_table:70"
	floodVIF       = "table=70, priority=100,metadata=0x7/0x1ffffffff actions=output:1,output:2,output:3,output:20001,output:20002"
	floodTunnel    = "table=70, priority=100,metadata=0x100000007/0x1ffffffff actions=output:1,output:2,output:3"
)

// cookie starts a line with one of our cookies.
func cookie(network uint32, r pipeline.Reason) string {
	return fmt.Sprintf("cookie=%#x, ", pipeline.Cookie(network, r))
}

func find(kind, want, got, effect string) audit.Finding {
	return audit.Finding{Host: "xen1", Bridge: "xapi1", Network: "blue", Kind: kind, Want: want, Got: got, Effect: effect}
}

func ofNoNetwork(f audit.Finding) audit.Finding {
	f.Network = ""
	return f
}

// flowCase is a bridge after an edit, and what is found there.
type flowCase struct {
	name     string
	del, add []string
	foreign  bool
	want     []audit.Finding
}

func flowCases() []flowCase {
	const (
		missing, changed, misplaced, unexpected = audit.MissingFlow, audit.ChangedFlow, audit.MisplacedFlow, audit.UnexpectedFlow
		shadowed, others                        = audit.ShadowedFlow, audit.ForeignFlow
	)
	return []flowCase{
		{name: "as wanted"},

		// Every reason's flow missing. That the broadcast drop lies under the
		// tunnel's flow is no finding by itself.
		{"miss", []string{miss}, nil, false, []audit.Finding{
			ofNoNetwork(find(missing, miss, "", "nothing while the switch itself drops what no flow matches"))}},
		{"VIF", []string{classifyVIF}, nil, false, []audit.Finding{
			find(missing, classifyVIF, "", "web-1 can send nothing")}},
		{"tunnel", []string{classifyTunnel}, nil, false, []audit.Finding{
			find(missing, classifyTunnel, "", "nothing from xen3 arrives at xen1")}},
		{"broadcast drop", []string{broadcastDrop}, nil, false, []audit.Finding{
			find(missing, broadcastDrop, "", "broadcast from xen3 loops if the flow above this one is lost, too")}},
		{"multicast drop", []string{multicastDrop}, nil, false, []audit.Finding{
			find(missing, multicastDrop, "", "multicast from xen3 loops if the flow above this one is lost, too")}},
		{"broadcast drop and the flow above", []string{broadcastDrop, classifyTunnel}, nil, false, []audit.Finding{
			find(missing, broadcastDrop, "", "broadcast from xen3 loops if any other flow takes it"),
			find(missing, classifyTunnel, "", "nothing from xen3 arrives at xen1")}},
		{"broadcast drop of one tunnel and the flow above of another", []string{broadcastDrop,
			"table=0, priority=1100,in_port=20002 actions=write_metadata:0x100000007/0x1ffffffff,goto_table:60"}, nil, false, []audit.Finding{
			find(missing, broadcastDrop, "", "broadcast from xen3 loops if the flow above this one is lost, too"),
			find(missing, "table=0, priority=1100,in_port=20002 actions=write_metadata:0x100000007/0x1ffffffff,goto_table:60", "",
				"nothing from xen2 arrives at xen1")}},
		{"security", []string{security}, nil, false, []audit.Finding{
			find(missing, security, "", "web-1 can't send as 02:00:00:00:00:01")}},
		{"security of an unknown address", []string{noSecurity}, nil, false, []audit.Finding{
			find(missing, noSecurity, "", "port 3 can send nothing")}},
		{"group source", []string{groupSource}, nil, false, []audit.Finding{
			ofNoNetwork(find(missing, groupSource, "", "VMs whose addresses are not checked may send from group addresses"))}},
		{"unicast to a VIF here", []string{unicastLocal}, nil, false, []audit.Finding{
			find(missing, unicastLocal, "", "web-1 can't be reached directly from xen1: frames to it are flooded")}},
		{"unicast to a VIF elsewhere, of no name", []string{unicastRemote}, nil, false, []audit.Finding{
			find(missing, unicastRemote, "", "02:00:00:00:00:03 can't be reached directly from xen1: frames to it are flooded")}},
		{"unicast and what floods it", []string{unicastRemote, unknownToFlood}, nil, false, []audit.Finding{
			find(missing, unknownToFlood, "", "unicast to unknown addresses is lost on xen1"),
			find(missing, unicastRemote, "", "02:00:00:00:00:03 can't be reached directly from xen1: frames to it are lost")}},
		{"migration", []string{unicastBoth}, nil, false, []audit.Finding{
			find(missing, unicastBoth, "", "web-2 can't be reached from xen1 if it runs on another host by now")}},
		{"group addresses", []string{groupToFlood}, nil, false, []audit.Finding{
			find(missing, groupToFlood, "", "nothing while unknown unicast is flooded, too")}},
		{"group and unknown addresses", []string{groupToFlood, unknownToFlood}, nil, false, []audit.Finding{
			find(missing, unknownToFlood, "", "unicast to unknown addresses is lost on xen1"),
			find(missing, groupToFlood, "", "broadcast and multicast are lost on xen1")}},
		{"flood from VIFs", []string{floodVIF}, nil, false, []audit.Finding{
			find(missing, floodVIF, "", "broadcast from VMs on xen1 reaches nobody")}},
		{"flood from tunnels", []string{floodTunnel}, nil, false, []audit.Finding{
			find(missing, floodTunnel, "", "broadcast from other hosts reaches nobody on xen1")}},

		// Other actions.
		{"a miss that forwards", []string{miss}, []string{cookie(0, pipeline.Miss) + "table=10, priority=0 actions=NORMAL"}, false, []audit.Finding{
			ofNoNetwork(find(changed, miss, "table=10, priority=0 actions=NORMAL", "frames that no flow of table 10 matches are not dropped"))}},
		{"a VIF dropped", []string{classifyVIF}, []string{cookie(7, pipeline.ClassifyVIF) + "priority=100,in_port=1 actions=drop"}, false, []audit.Finding{
			find(changed, classifyVIF, "table=0, priority=100,in_port=1 actions=drop", "web-1 can send nothing")}},
		{"a VIF in another network", []string{classifyVIF}, []string{cookie(7, pipeline.ClassifyVIF) + "priority=100,in_port=1 actions=write_metadata:0x8/0x1ffffffff,goto_table:10"}, false, []audit.Finding{
			find(changed, classifyVIF, "table=0, priority=100,in_port=1 actions=write_metadata:0x8/0x1ffffffff,goto_table:10",
				"what comes from web-1 may go where it should not")}},
		{"a tunnel taken for a VIF", []string{classifyTunnel}, []string{cookie(7, pipeline.ClassifyTunnel) + "priority=1100,in_port=20001 actions=write_metadata:0x7/0x1ffffffff,goto_table:60"}, false, []audit.Finding{
			find(changed, classifyTunnel, "table=0, priority=1100,in_port=20001 actions=write_metadata:0x7/0x1ffffffff,goto_table:60",
				"what comes from xen3 may go where it should not")}},
		{"a broadcast drop that forwards", []string{broadcastDrop}, []string{cookie(7, pipeline.BroadcastDrop) + "priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=NORMAL"}, false, []audit.Finding{
			find(changed, broadcastDrop, "table=0, priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=NORMAL",
				"broadcast from xen3 loops if the flow above this one is lost, too")}},
		{"a security that drops", []string{security}, []string{cookie(7, pipeline.Security) + "table=10, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=drop"}, false, []audit.Finding{
			find(changed, security, "table=10, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=drop", "web-1 can't send as 02:00:00:00:00:01")}},
		{"unicast dropped", []string{unicastRemote}, []string{cookie(7, pipeline.UnicastRemote) + "table=60, priority=1000,metadata=0x7/0x1ffffffff,dl_dst=02:00:00:00:00:03 actions=drop"}, false, []audit.Finding{
			find(changed, unicastRemote, "table=60, priority=1000,metadata=0x7/0x1ffffffff,dl_dst=02:00:00:00:00:03 actions=drop",
				"02:00:00:00:00:03 can't be reached directly from xen1: frames to it are dropped")}},
		{"unicast to another port", []string{unicastLocal}, []string{cookie(7, pipeline.UnicastLocal) + "table=60, priority=1000,metadata=0x7/0xffffffff,dl_dst=02:00:00:00:00:01 actions=output:2"}, false, []audit.Finding{
			find(changed, unicastLocal, "table=60, priority=1000,metadata=0x7/0xffffffff,dl_dst=02:00:00:00:00:01 actions=output:2",
				"web-1 can't be reached directly from xen1: frames to it are sent elsewhere")}},
		{"group addresses dropped", []string{groupToFlood}, []string{cookie(7, pipeline.GroupToFlood) + "table=60, priority=1200,metadata=0x7/0xffffffff,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=drop"}, false, []audit.Finding{
			find(changed, groupToFlood, "table=60, priority=1200,metadata=0x7/0xffffffff,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=drop",
				"broadcast and multicast are lost on xen1")}},
		{"unknown addresses to a port", []string{unknownToFlood}, []string{cookie(7, pipeline.UnknownToFlood) + "table=60, priority=100,metadata=0x7/0xffffffff actions=output:1"}, false, []audit.Finding{
			find(changed, unknownToFlood, "table=60, priority=100,metadata=0x7/0xffffffff actions=output:1", "unicast to unknown addresses goes wrong on xen1")}},
		{"a flood with less and more", []string{floodVIF}, []string{cookie(7, pipeline.FloodFromVIF) + "table=70, priority=100,metadata=0x7/0x1ffffffff actions=output:1,output:3,output:20002,output:9"}, false, []audit.Finding{
			find(changed, floodVIF, "table=70, priority=100,metadata=0x7/0x1ffffffff actions=output:1,output:3,output:20002,output:9",
				"broadcast from VMs on xen1 does not reach web-2, xen3, and also goes to port 9")}},
		{"a flood from tunnel to tunnel", []string{floodTunnel}, []string{cookie(7, pipeline.FloodFromTunnel) + "table=70, priority=100,metadata=0x100000007/0x1ffffffff actions=output:1,output:2,output:3,output:20002"}, false, []audit.Finding{
			find(changed, floodTunnel, "table=70, priority=100,metadata=0x100000007/0x1ffffffff actions=output:1,output:2,output:3,output:20002",
				"broadcast from other hosts also goes to xen2")}},
		{"a flood in another order", []string{floodTunnel}, []string{cookie(7, pipeline.FloodFromTunnel) + "table=70, priority=100,metadata=0x100000007/0x1ffffffff actions=output:2,output:1,output:3"}, false, []audit.Finding{
			find(changed, floodTunnel, "table=70, priority=100,metadata=0x100000007/0x1ffffffff actions=output:2,output:1,output:3",
				"broadcast from other hosts goes wrong")}},

		// The same actions.
		{"another cookie of ours", []string{unicastLocal}, []string{cookie(8, pipeline.UnicastLocal) + unicastLocal}, false, []audit.Finding{
			find(changed, cookie(7, pipeline.UnicastLocal)+unicastLocal, cookie(8, pipeline.UnicastLocal)+unicastLocal,
				"nothing for frames: only its cookie or flags differ")}},
		{"a timeout", []string{groupSource}, []string{cookie(0, pipeline.GroupSource) + "table=10, idle_timeout=60, priority=200,dl_src=01:00:00:00:00:00/01:00:00:00:00:00 actions=drop"}, false, []audit.Finding{
			ofNoNetwork(find(changed, groupSource, "table=10, idle_timeout=60, priority=200,dl_src=01:00:00:00:00:00/01:00:00:00:00:00 actions=drop",
				"nothing until the flow ends by itself"))}},

		// Another place.
		{"another priority", []string{broadcastDrop}, []string{cookie(7, pipeline.BroadcastDrop) + "priority=900,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=drop"}, false, []audit.Finding{
			find(misplaced, broadcastDrop, "table=0, priority=900,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=drop",
				"broadcast from xen3 loops if the flow above this one is lost, too, unless it serves at priority 900 as well")}},
		{"another table", []string{security}, []string{cookie(7, pipeline.Security) + "table=11, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20"}, false, []audit.Finding{
			find(misplaced, security, "table=11, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20", "web-1 can't send as 02:00:00:00:00:01")}},
		{"twice in another place", []string{security}, []string{
			cookie(7, pipeline.Security) + "table=11, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20",
			cookie(7, pipeline.Security) + "table=12, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20"}, false, []audit.Finding{
			find(misplaced, security, "table=11, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20", "web-1 can't send as 02:00:00:00:00:01"),
			find(unexpected, "", "table=12, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20", "frames from web-1 may go where they should not")}},
		{"a copy in another place", nil, []string{cookie(7, pipeline.BroadcastDrop) + "priority=900,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=drop"}, false, []audit.Finding{
			find(unexpected, "", "table=0, priority=900,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=drop", "frames from xen3 may be lost")}},
		{"another network's in another place", []string{security}, []string{cookie(8, pipeline.Security) + "table=11, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20"}, false, []audit.Finding{
			ofNoNetwork(find(unexpected, "", "table=11, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20", "frames from web-1 may go where they should not")),
			find(missing, security, "", "web-1 can't send as 02:00:00:00:00:01")}},

		// Other programs'.
		{"others beside us", nil, []string{"cookie=0x1, priority=4000,in_port=1 actions=drop", "cookie=0x1, table=5, priority=65535 actions=NORMAL"}, false, nil},
		{"others beside us, shown", nil, []string{"cookie=0x1, priority=4000,in_port=1 actions=drop"}, true, []audit.Finding{
			ofNoNetwork(find(others, "", "cookie=0x1, table=0, priority=4000,in_port=1 actions=drop", "the VIF lock of web-1, which is left alone"))}},
		{"another's flow in our place", []string{broadcastDrop}, []string{"cookie=0x1, priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=NORMAL"}, false, []audit.Finding{
			find(shadowed, broadcastDrop, "cookie=0x1, table=0, priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=NORMAL",
				"broadcast from xen3 loops if the flow above this one is lost, too")}},
		{"another's flow of our actions", []string{broadcastDrop}, []string{"priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=drop"}, false, []audit.Finding{
			find(shadowed, broadcastDrop, "cookie=0x0, table=0, priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=drop",
				"nothing while the other program's flow stands, which does the same")}},
		{"another's flow in our place, and ours elsewhere", []string{security}, []string{
			"cookie=0x1, table=10, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=drop",
			cookie(7, pipeline.Security) + "table=10, priority=101,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20"}, false, []audit.Finding{
			find(shadowed, security, "cookie=0x1, table=10, priority=100,in_port=1,dl_src=02:00:00:00:00:01 actions=drop", "web-1 can't send as 02:00:00:00:00:01"),
			find(unexpected, "", "table=10, priority=101,in_port=1,dl_src=02:00:00:00:00:01 actions=goto_table:20", "frames from web-1 may go where they should not")}},
		{"another's flow above all", nil, []string{"cookie=0x1, priority=1101 actions=NORMAL", "cookie=0x1, priority=1100 actions=NORMAL"}, false, []audit.Finding{
			ofNoNetwork(find(shadowed, classifyTunnel, "cookie=0x1, table=0, priority=1101 actions=NORMAL", "another program's flow takes every frame on xapi1"))}},
	}
}

func TestFlows(t *testing.T) {
	for _, c := range flowCases() {
		t.Run(c.name, func(t *testing.T) {
			b := bridge(t)
			edit(t, &b, c.del, c.add)
			b.Foreign = c.foreign
			want := slices.Clone(c.want)
			audit.Sort(want)
			for range 10 { // in whatever order the flows come
				got := audit.Flows(b)
				if d := cmp.Diff(want, got, cmpopts.IgnoreFields(audit.Finding{}, "Note")); d != "" {
					t.Fatal(d)
				}
				rand.Shuffle(len(b.Want), func(i, j int) { b.Want[i], b.Want[j] = b.Want[j], b.Want[i] })
				// Of several strays the first one counts as the misplaced one.
				if len(c.add) < 2 {
					rand.Shuffle(len(b.Got), func(i, j int) { b.Got[i], b.Got[j] = b.Got[j], b.Got[i] })
				}
			}
		})
	}
}

// TestFlowsWithoutNames finds the same without a function that names anything.
func TestFlowsWithoutNames(t *testing.T) {
	b := bridge(t)
	edit(t, &b, []string{classifyTunnel, unicastLocal}, nil)
	b.Network, b.Port, b.MAC = nil, nil, nil
	want := []audit.Finding{
		ofNoNetwork(find(audit.MissingFlow, classifyTunnel, "", "nothing from port 20001 arrives at xen1")),
		ofNoNetwork(find(audit.MissingFlow, unicastLocal, "", "02:00:00:00:00:01 can't be reached directly from xen1: frames to it are flooded")),
	}
	if d := cmp.Diff(want, audit.Flows(b)); d != "" {
		t.Error(d)
	}
}

// TestEveryFlowHasAnEffect takes every flow away in turn, and all at once.
func TestEveryFlowHasAnEffect(t *testing.T) {
	b := bridge(t)
	all := b.Got
	for i := range all {
		b.Got = slices.Concat(all[:i], all[i+1:])
		got := audit.Flows(b)
		if len(got) != 1 || got[0].Kind != audit.MissingFlow || got[0].Want != all[i].Text() || got[0].Effect == "" {
			t.Errorf("without %s: %+v", all[i], got)
		}
	}
	b.Got = nil
	if got := audit.Flows(b); len(got) != len(all) {
		t.Errorf("%d findings of %d flows", len(got), len(all))
	}
	b.Got, b.Want = all, nil
	for _, f := range audit.Flows(b) {
		if f.Kind != audit.UnexpectedFlow || f.Effect == "" {
			t.Errorf("where nothing is wanted: %+v", f)
		}
	}
}
