package cloudstacktest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

var update = flag.Bool("update", false, "write what differs from the plugin to testdata")

// step is something that happens in a cloud.
type step struct {
	what string
	do   func(w *world)
}

// life is that of a network on three hosts.
var life = []step{
	{"first VM, on h1", func(w *world) { w.check(w.Start(w.ctx, w.vm(w.net, "vm1", 1), 11)) }},
	{"second VM on h1", func(w *world) { w.check(w.Start(w.ctx, w.vm(w.net, "vm2", 2), 11)) }},
	{"second host, h2", func(w *world) { w.check(w.Start(w.ctx, w.vm(w.net, "vm3", 3), 12)) }},
	{"third host, h3", func(w *world) { w.check(w.Start(w.ctx, w.vm(w.net, "vm4", 4), 13)) }},
	{"vm4 goes from h3 to h2, and h3 runs none any longer", func(w *world) { w.migrate("vm4", 13, 12) }},
	{"another VM on h3", func(w *world) { w.check(w.Start(w.ctx, w.vm(w.net, "vm5", 5), 13)) }},
	{"the last VM leaves h3", func(w *world) { w.check(w.Stop(w.ctx, w.vms["vm5"])) }},
	{"h3 comes back", func(w *world) { w.check(w.Start(w.ctx, w.vms["vm5"], 13)) }},
	{"h3 is emptied and removed", func(w *world) {
		w.migrate("vm5", 13, 11)
		w.check(w.RemoveHost(13))
	}},
	{"the last VMs leave h2", func(w *world) {
		w.check(w.Stop(w.ctx, w.vms["vm3"]))
		w.check(w.Stop(w.ctx, w.vms["vm4"]))
	}},
	{"the last VMs of all leave", func(w *world) {
		for _, vm := range w.running(w.net) {
			w.check(w.Stop(w.ctx, vm))
		}
	}},
}

// migrate moves a VM while another one pings it, where somebody answers.
func (w *world) migrate(name string, from, to int) {
	w.t.Helper()
	vm := w.vms[name]
	if w.server == nil {
		w.check(w.Migrate(w.ctx, vm, to, nil))
		return
	}
	ping, err := w.vms["vm1"].StartPing(w.ctx, vm.IPs[0].Addr(), 10*time.Millisecond)
	w.check(err)
	time.Sleep(200 * time.Millisecond)
	w.check(w.Migrate(w.ctx, vm, to, func() error { time.Sleep(300 * time.Millisecond); return nil }))
	time.Sleep(time.Second)
	r, err := ping.Stop()
	w.check(err)
	w.t.Logf("%s from %d to %d: %d of %d pings lost, %d answered twice", name, from, to, r.Lost(), r.Sent, r.Duplicates)
	// What remains is the switches' own learning: while frames flow, it takes the
	// VM for where it was once more when it counts them.
	if r.Lost() > 150 || r.Received < 50 || r.Duplicates > 0 {
		w.t.Errorf("%s from %d to %d: %+v", name, from, to, r)
	}
}

// TestReplay replays a network's life, once with CloudStack's plugin on the hosts
// and once with ovstunnel in its place. What the hosts have after each step must
// be the same but for what testdata tells and explains.
func TestReplay(t *testing.T) {
	for _, k := range []kind{xenServer, kvm} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			old := newWorld(t, k, 3, false)
			var was []State
			for _, s := range life {
				s.do(old)
				was = append(was, old.look())
			}

			w := newWorld(t, k, 3, true)
			var text strings.Builder
			var ping *ovstest.Pinger
			for i, s := range life {
				s.do(w)
				w.talk(w.net)
				w.server.clean(w.ctx)
				is := w.look()
				fmt.Fprintf(&text, "=== %s\n%s", s.what, told(t, k, was[i], is))
				switch i {
				case 2: // of two hosts, while others come and go
					var err error
					ping, err = w.vms["vm1"].StartPing(w.ctx, w.vms["vm3"].IPs[0].Addr(), 10*time.Millisecond)
					w.check(err)
				case len(life) - 3:
					r, err := ping.Stop()
					w.check(err)
					t.Logf("from h1 to h2 while h3 came and went: %+v", r)
					if r.Lost() > 2 || r.Duplicates != 0 || r.Received < 100 { // a busy machine loses one now and then
						t.Errorf("from h1 to h2 while h3 came and went: %+v", r)
					}
				}
			}
			if failed := w.Failed(); len(failed) > 0 {
				t.Errorf("failed: %v\n%s", failed, strings.Join(w.Log, "\n"))
			}
			golden(t, string(k)+".txt", text.String())
			t.Logf("calls with the plugin:\n%s\ncalls with ovstunnel:\n%s", strings.Join(old.Log, "\n"), strings.Join(w.Log, "\n"))

			// What no call tells is for the operator to tell.
			if _, err := w.server.Delete(w.ctx, "hosts", "h3"); err != nil {
				t.Error(err)
			}
			eventually(t, "nothing is left", func() error {
				top, err := w.server.Topology(w.ctx, api.TopologyFilter{})
				if err == nil && len(top.Networks) > 0 {
					err = fmt.Errorf("%+v", top.Networks)
				}
				return err
			})
		})
	}
}

// difference is one that ovsmesh makes to what the plugin leaves on hosts.
type difference struct {
	kind   kind
	sign   string // "-": the plugin has it; "+": ovsmesh does
	line   *regexp.Regexp
	reason string
}

// differences are all that there may be.
var differences = []difference{
	{xenServer, "+", regexp.MustCompile(` priority=1150 in_port=t103-\S+ actions=NORMAL$`),
		"what a tunnel brings goes to VIFs only: Port.protected has NORMAL keep to that, for IPv6 and unknown unicast, too"},
	{xenServer, "-", regexp.MustCompile(` priority=1100 \S+ actions=output:\d+$`),
		"the plugin's script leaves the port of the last VIF that went in the flows to all VIFs"},
	{xenServer, "-", regexp.MustCompile(`^h3 .*t103-13-1[12]`),
		"of a host that was removed the plugin takes no tunnel away; ovsmesh takes both ends when the other one's host leaves"},
	{kvm, "+", regexp.MustCompile(` priority=1(200|150|100|000) .*(actions=(NORMAL|drop)|output:vif\d+\.0)$`),
		"on KVM the plugin has no flows, and STP alone keeps the mesh from looping"},
	{kvm, "-", regexp.MustCompile(` port t103-`),
		"on KVM no destroy_tunnel can come, as the agent never told the port's name; ovsmesh takes both ends away with the bridge of one"},
}

// told describes how two states differ.
func told(t *testing.T, k kind, plugin, ours State) string {
	t.Helper()
	rows, rowsGone, rowsNew := Compare(plugin.Rows, ours.Rows)
	flows, flowsGone, flowsNew := Compare(plugin.Flows, ours.Flows)
	text := fmt.Sprintf("%d rows and %d flows are the same\n", rows, flows)
	gone, came := append(rowsGone, flowsGone...), append(rowsNew, flowsNew...)
	for _, d := range differences {
		lines := &gone
		if d.sign == "+" {
			lines = &came
		}
		var which []string
		*lines = slices.DeleteFunc(*lines, func(line string) bool {
			if d.kind != k || !d.line.MatchString(line) {
				return false
			}
			which = append(which, line)
			return true
		})
		if len(which) > 0 {
			text += fmt.Sprintf("%s %s\n    %s\n", d.sign, d.reason, strings.Join(which, "\n    "))
		}
	}
	for _, line := range gone {
		t.Errorf("no reason why ovsmesh lacks: %s", line)
	}
	for _, line := range came {
		t.Errorf("no reason why ovsmesh adds: %s", line)
	}
	return text
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}
