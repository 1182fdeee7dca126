package cloudstacktest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// callLimit is how long a call may take whatever happens, and CloudStack waits.
const callLimit = 30 * time.Second

// repeated makes every call twice, and demands the same answer twice, each within
// the limit.
type repeated struct {
	*Program
	w *world
}

func (r repeated) Call(ctx context.Context, function string, args map[string]string) (string, error) {
	var first string
	for i := range 2 {
		began := time.Now()
		value, err := r.Program.Call(ctx, function, args)
		r.w.took(function, began)
		if err != nil {
			return value, err
		}
		if i == 1 && value != first {
			r.w.t.Errorf("%s %v: %q, then %q", function, args, first, value)
		}
		first = value
	}
	return first, nil
}

func (r repeated) Run(ctx context.Context, args ...string) (string, int, error) {
	began := time.Now()
	out, code, err := r.Program.Run(ctx, args...)
	r.w.took(args[0], began)
	if success := code == 0; err != nil || success == (args[0] == "create_tunnel") {
		return out, code, err
	}
	again, codeAgain, err := r.Program.Run(ctx, args...)
	if out != again || code != codeAgain {
		r.w.t.Errorf("%v: %d %q, then %d %q", args, code, out, codeAgain, again)
	}
	return again, codeAgain, err
}

func (w *world) took(what string, began time.Time) {
	w.t.Helper()
	if took := time.Since(began); took > callLimit {
		w.t.Errorf("%s took %v", what, took)
	}
}

// same demands that rows and flows of the hosts are what they were.
func (w *world) same(was State) {
	w.t.Helper()
	is := w.look()
	for _, lines := range [][2][]string{{was.Rows, is.Rows}, {was.Flows, is.Flows}} {
		if a, b := strings.Join(lines[0], "\n"), strings.Join(lines[1], "\n"); a != b {
			w.t.Errorf("something was done:\n%s\n\nbefore that\n%s", b, a)
		}
	}
}

func (w *world) failed(tunnels ...string) {
	w.t.Helper()
	want := []string{}
	for _, t := range tunnels {
		want = append(want, w.net.Name+" "+t)
	}
	if got := fmt.Sprint(w.Failed()); got != fmt.Sprint(want) {
		w.t.Errorf("failed tunnels: %v, want %v\n%s", got, want, strings.Join(w.Log, "\n"))
	}
}

// TestTroubles has hosts and the controller away while CloudStack calls: it is
// told that it failed, nothing is half done, and its next try works. All calls
// are made twice.
func TestTroubles(t *testing.T) {
	for _, k := range []kind{xenServer, kvm} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, k, 3, true, func(w *world) { w.repeat, w.timeout = true, 2*time.Second })
			w.check(w.Start(w.ctx, w.vm(w.net, "vm1", 1), 11))

			// The controller starts anew between two calls.
			w.server.stop()
			w.server.start()
			w.server.connected(w.ctx, "h1", "h2", "h3")
			w.check(w.Start(w.ctx, w.vm(w.net, "vm2", 2), 12))
			w.failed()
			w.talk(w.net)

			// A host that is not connected. Its VM starts all the same; the next
			// start there puts things right. Where a bridge can only be this
			// network's, it needs not even that.
			h3 := w.bed.Host("h3")
			_, err := h3.VSCtl(w.ctx, "del-manager")
			w.check(err)
			w.server.connected(w.ctx, "h1", "h2")
			w.check(w.Start(w.ctx, w.vm(w.net, "vm3", 3), 13))
			w.failed("13-11", "13-12")
			w.join(h3)
			w.server.connected(w.ctx, "h1", "h2", "h3")
			if k == kvm {
				w.talk(w.net)
			}
			w.check(w.Start(w.ctx, w.vm(w.net, "vm4", 4), 13))
			w.failed()
			w.talk(w.net)
			w.server.clean(w.ctx)
			w.check(w.Stop(w.ctx, w.vms["vm3"]))
			w.check(w.Stop(w.ctx, w.vms["vm4"]))
			w.server.clean(w.ctx)

			// No controller, and one that answers nothing: what is there goes on.
			ping, err := w.vms["vm1"].StartPing(w.ctx, w.vms["vm2"].IPs[0].Addr(), 10*time.Millisecond)
			w.check(err)
			tunnels := []string{"11-13", "12-13", "13-11", "13-12"}
			if k == kvm { // those to h3 were never told to be gone
				tunnels = tunnels[2:]
			}
			// CloudStack makes the bridge itself.
			if k == kvm {
				w.check(h3.AgentBridge(w.ctx, "OVSTunnel103"))
			} else {
				w.check(h3.AddBridge(w.ctx, "xapi1"))
			}
			for _, away := range []struct {
				how         string
				begin, back func()
			}{
				{"stopped", w.server.stop, w.server.start},
				{"silent", func() { w.server.pause(true) }, func() { w.server.pause(false) }},
			} {
				was := w.look()
				away.begin()
				began := time.Now()
				w.prepare(w.ctx, w.net, 13)
				t.Logf("%s: failed after %v", away.how, time.Since(began).Round(time.Millisecond))
				w.failed(tunnels...)
				away.back()
				w.server.connected(w.ctx, "h1", "h2", "h3")
				time.Sleep(500 * time.Millisecond) // for what was asked of a controller that wakes up
				w.same(was)
			}
			w.check(w.Start(w.ctx, w.vms["vm3"], 13))
			w.failed()
			w.talk(w.net)
			w.server.clean(w.ctx)
			r, err := ping.Stop()
			w.check(err)
			if r.Lost() > 2 || r.Received < 100 { // a busy machine loses one now and then
				t.Errorf("ping all the while: %+v", r)
			}
		})
	}
}

// TestTwoPools has two pools, in which a network has different bridges, and a
// bridge of the same name different networks: 103 is xapi1 in one pool and xapi2
// in the other, 104 the other way round.
func TestTwoPools(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xenServer, 4, true, func(w *world) { w.pools = append(w.pools, w.pool(1)) })
	green := w.AddNetwork(Network{Name: "green", UUID: ovstest.NewUUID(), Key: 104})
	for _, n := range []*Network{w.net, green} {
		w.check(w.Start(w.ctx, w.vm(n, n.Name+"1", 1), 11))
		w.check(w.Start(w.ctx, w.vm(n, n.Name+"2", 2), 12))
	}
	for _, n := range []*Network{green, w.net} {
		w.check(w.Start(w.ctx, w.vm(n, n.Name+"3", 3), 13))
		w.check(w.Start(w.ctx, w.vm(n, n.Name+"4", 4), 14))
	}
	w.failed()
	w.talk(w.net)
	w.talk(green)
	w.broadcast(w.running(w.net), append(w.running(w.net), w.running(green)...))
	w.server.clean(w.ctx)
	w.check(w.Migrate(w.ctx, w.vms["blue2"], 11, nil))
	w.talk(w.net)
	for _, n := range []*Network{green, w.net} {
		for _, vm := range w.running(n) {
			w.check(w.Stop(w.ctx, vm))
		}
	}
	w.server.clean(w.ctx)
	eventually(t, "no tunnel is left", func() error {
		for _, row := range w.look().Rows {
			if strings.Contains(row, " port t10") {
				return fmt.Errorf("%s", row)
			}
		}
		return nil
	})
}

// TestVIFScript leaves CloudStack's udev script where it is: what it adds is what
// there is already, or is put right.
func TestVIFScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xenServer, 2, true, func(w *world) { w.vifScript = true })
	w.check(w.Start(w.ctx, w.vm(w.net, "vm1", 1), 11))
	w.check(w.Start(w.ctx, w.vm(w.net, "vm2", 2), 11))
	w.check(w.Start(w.ctx, w.vm(w.net, "vm3", 3), 12))
	w.talk(w.net)
	w.server.clean(w.ctx)
	w.check(w.Migrate(w.ctx, w.vms["vm2"], 12, nil))
	w.talk(w.net)
	w.server.clean(w.ctx)
	w.check(w.Stop(w.ctx, w.vms["vm2"]))
	w.talk(w.net)
	w.server.clean(w.ctx)
}
