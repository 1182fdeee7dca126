package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// What differs from the old plugin's flows in anything is somebody else's.
func TestPluginKnowsItsFlowsOnly(t *testing.T) {
	for _, text := range []string{
		"cookie=0x1,priority=1000,in_port=5,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",             // XenServer's cookie
		"table=1,priority=1000,in_port=5,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",                // another table
		"priority=1001,in_port=5,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",                        // another priority
		"priority=1000,in_port=5,dl_dst=ff:ff:ff:ff:ff:ff,actions=NORMAL",                      // other actions
		"priority=1000,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",                                  // no port
		"priority=1000,in_port=5,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=drop",      // a mask
		"priority=1000,in_port=5,ip,nw_dst=224.0.0.0/4,actions=drop",                           // another mask
		"priority=1000,in_port=5,ip,nw_dst=224.0.0.5,actions=drop",                             // one address
		"priority=1000,in_port=5,udp,nw_dst=224.0.0.0/24,actions=drop",                         // more of a match
		"priority=1000,in_port=5,actions=drop",                                                 // less of a match
		"priority=1000,in_port=5,hard_timeout=9,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",         // it goes by itself
		"priority=1200,dl_dst=ff:ff:ff:ff:ff:ff,actions=NORMAL",                                // no port
		"priority=1200,in_port=5,dl_dst=ff:ff:ff:ff:ff:ff,actions=NORMAL,output:3",             // more
		"priority=1200,in_port=5,dl_dst=ff:ff:ff:ff:ff:ff,actions=FLOOD",                       // otherwise
		"priority=1100,in_port=5,dl_dst=ff:ff:ff:ff:ff:ff,actions=output:3",                    // a port
		"priority=1100,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",                                  // to nobody
		"priority=1100,dl_dst=ff:ff:ff:ff:ff:ff,actions=output:3,NORMAL",                       // more than VIFs
		"priority=1100,dl_dst=ff:ff:ff:ff:ff:ff,actions=mod_vlan_vid:5,output:3",               // not as it came
		"priority=0,actions=NORMAL",                                                            // the switch's own
		"cookie=0x1,priority=7000,in_port=5,dl_src=02:00:00:00:01:01,arp,actions=resubmit(,1)", // VIF-locking
	} {
		f := parsed(t, text)
		if p := (pipeline.Plugin{}); p.Add(&f) {
			t.Errorf("taken for the plugin's: %s", text)
		}
	}
}

// What the plugin has is read off its flows, and written as it writes them.
func TestPluginThereAndBack(t *testing.T) {
	texts := []string{
		"priority=1000,in_port=5,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",
		"priority=1000,in_port=5,ip,nw_dst=224.0.0.0/24,actions=drop",
		"priority=1000,in_port=6,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",
		"priority=1000,in_port=6,ip,nw_dst=224.0.0.0/24,actions=drop",
		"priority=1200,in_port=2,dl_dst=ff:ff:ff:ff:ff:ff,actions=NORMAL",
		"priority=1200,in_port=2,nw_dst=224.0.0.0/24,ip,actions=NORMAL",
		"priority=1100,dl_dst=ff:ff:ff:ff:ff:ff,actions=output:3,output:2",
		"priority=1100,ip,nw_dst=224.0.0.0/24,actions=output:3,output:2",
	}
	var p pipeline.Plugin
	var want []string
	for _, text := range texts {
		f := parsed(t, text)
		if !p.Add(&f) {
			t.Errorf("not known: %s", text)
		}
		want = append(want, f.Text())
	}
	if !slices.Equal(p.Deliver, []uint32{3, 2}) {
		t.Errorf("delivers to %v", p.Deliver)
	}
	once := pipeline.Plugin{Tunnels: []uint32{5, 6}, VIFs: []uint32{2}, Deliver: p.Deliver}
	var got []string
	for _, f := range once.Flows() {
		f.Flags = 0 // they come by OpenFlow 1.0
		got = append(got, f.Text())
	}
	slices.Sort(got)
	slices.Sort(want)
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if fs := (pipeline.Plugin{}).Flows(); len(fs) > 0 {
		t.Errorf("of nothing: %v", fs)
	}
}

func parsed(t *testing.T, text string) flow.Flow {
	t.Helper()
	f, err := flow.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}
