package controller_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ovsmesh/controller/store"
	"ovsmesh/openflow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// duel is two switches that dial two controllers with copies of one store. Each
// controller, while it drives, writes its own mark into rows and flows.
type duel struct {
	t       *testing.T
	ctx     context.Context
	sw      [2]*ovstest.Switch
	witness [2]*openflow.Session // told of every change of a flow
	c       [2]*rival
	front   *relay // the address of both for bridges; nil: each has its own
}

const duelSpec = `
networks:
- {name: blue, encap: gre, key: 1, bridge: xapi1}
hosts:
- {name: h1, endpoint: 10.9.0.1}
- {name: h2, endpoint: 10.9.0.2}
`

func startDuel(t *testing.T, shared bool) *duel {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	t.Cleanup(cancel)
	d := &duel{t: t, ctx: ctx}
	advertise := ""
	if shared {
		d.front = startRelay(t, "tcp", "")
		advertise = "tcp:" + d.front.addr()
	}
	dirs := [2]string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}
	seedStore(t, dirs[0])
	d.check(os.CopyFS(dirs[1], os.DirFS(dirs[0])))
	for i, mark := range []string{"0a", "0b"} {
		d.c[i] = startRival(t, dirs[i], mark, advertise)
	}
	if shared {
		d.front.point(d.c[0].openflow)
	}
	for i := range d.sw {
		sw := ovstest.StartSwitch(t, ovstest.WithHostname(fmt.Sprintf("h%d", i+1)))
		sw.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "datapath_type=dummy", "protocols=OpenFlow10,OpenFlow13",
			"--", "add-port", "xapi1", "vif", "--", "set", "Interface", "vif", "type=dummy",
			fmt.Sprintf("external_ids:attached-mac=02:00:00:00:00:0%d", i+1), "external_ids:iface-id="+ovstest.NewUUID())
		d.sw[i] = sw
		way := startRelay(t, "unix", sw.BridgeSocket("xapi1"))
		s, err := openflow.Dial(ctx, way.addr(), openflow.Config{})
		d.check(err)
		t.Cleanup(s.Close)
		d.check(s.Watch(ctx))
		d.witness[i] = s
	}
	d.managers(0)
	d.until("the first writes", func() error { return writesAll(d.c[0].say("")) })
	d.managers(0, 1)
	d.until("the second waits", func() error { return waitsAll(d.c[1].say("")) })
	return d
}

// seedStore makes a store that knows duelSpec.
func seedStore(t *testing.T, dir string) {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	spec, src, err := topology.Parse(topology.File{Name: "duel.yaml", Data: []byte(duelSpec)})
	if err != nil {
		t.Fatal(err)
	}
	intent, err := topology.NewIntent(topology.Saved{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := intent.Plan(spec, src, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(&store.Batch{Changes: []*topology.Change{c}}); err != nil {
		t.Fatal(err)
	}
}

func (d *duel) check(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *duel) until(what string, f func() error) {
	d.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// managers makes the switches dial these controllers.
func (d *duel) managers(which ...int) {
	d.t.Helper()
	for _, sw := range d.sw {
		args := []string{"--", "set", "Open_vSwitch", ".", "manager_options=["}
		for _, i := range which {
			id := fmt.Sprintf("@m%d", i)
			args = append([]string{"--", "--id=" + id, "create", "Manager", `target="tcp:` + d.c[i].ovsdb + `"`, "inactivity_probe=30000", "max_backoff=1000"}, args...)
			args[len(args)-1] += id + ","
		}
		args[len(args)-1] = strings.TrimSuffix(args[len(args)-1], ",") + "]"
		sw.VSCtl(append([]string{"--no-wait"}, args...)...)
	}
}

// writesAll returns nil if a controller writes on both hosts and has nothing left to
// do.
func writesAll(st rivalStatus) error {
	for name, h := range st.Hosts {
		if !h.Writer || !h.InSync {
			return fmt.Errorf("%s: %+v", name, h)
		}
	}
	return both(st)
}

// waitsAll returns nil if it is connected to both and says that another one writes.
func waitsAll(st rivalStatus) error {
	for name, h := range st.Hosts {
		if !h.Connected || h.Writer || h.InSync || !strings.Contains(strings.Join(h.Problems, "; "), "which another controller holds") {
			return fmt.Errorf("%s: %+v", name, h)
		}
	}
	return both(st)
}

// quiet returns nil if it writes nowhere.
func quiet(st rivalStatus) error {
	return errors.Join(quietOn(st, "h1"), quietOn(st, "h2"), both(st))
}

func quietOn(st rivalStatus, host string) error {
	if h := st.Hosts[host]; h.Writer {
		return fmt.Errorf("%s: %+v", host, h)
	}
	return nil
}

func both(st rivalStatus) error {
	if len(st.Hosts) != 2 {
		return fmt.Errorf("%d hosts", len(st.Hosts))
	}
	return nil
}

// flowChanges returns how many changes of flows there were since the last call,
// and those that brought in a flow with a mark.
func (d *duel) flowChanges(mark string) (n int, marked []string) {
	d.t.Helper()
	for _, s := range d.witness {
		d.check(s.Barrier(d.ctx))
		c := s.TakeFlows()
		if c.Lost {
			d.t.Fatal("changes of flows were lost: the count would be wrong")
		}
		n += len(c.Updates)
		for _, u := range c.Updates {
			if text := u.Flow.Text(); u.Event != wire.UpdateRemoved && strings.Contains(text, "02:"+mark+":") {
				marked = append(marked, text)
			}
		}
	}
	return n, marked
}

// records returns the databases' logs' sizes and next_cfg, and the rows that carry
// a mark.
func (d *duel) records(mark string) (count string, marked []string) {
	d.t.Helper()
	for _, sw := range d.sw {
		log, err := os.ReadFile(filepath.Join(sw.Dir(), "conf.db"))
		d.check(err)
		count += fmt.Sprintf("%d records, next_cfg %s; ", strings.Count(string(log), "\nOVSDB JSON "), sw.VSCtl("get", "Open_vSwitch", ".", "next_cfg"))
		for _, line := range strings.Split(sw.VSCtl("--bare", "--columns=options", "find", "Interface", "type=gre"), "\n") {
			var key uint32
			_, at, _ := strings.Cut(line, "key=")
			if n, _ := fmt.Sscanf(strings.Trim(at, `"`), "%d", &key); n == 1 && fmt.Sprintf("%02x", key>>8) == mark {
				marked = append(marked, line)
			}
		}
	}
	return count, marked
}

// cycle stops the one that writes where it stands, in the middle of its work, lets
// the other one take over, and wakes the first up. Whatever that one writes then
// is counted.
func (d *duel) cycle(i int) (late float64, steps int) {
	d.t.Helper()
	h, w := d.c[i%2], d.c[1-i%2]
	d.until("one writes", func() error { return writesAll(h.say("")) })
	d.until("the other waits", func() error { return waitsAll(w.say("")) })
	d.flowChanges(h.mark)
	before := h.say("drive").Late
	if i/2%2 == 1 {
		w.say("drive")
	}
	time.Sleep(5*time.Millisecond + rand.N(60*time.Millisecond))
	if _, marked := d.flowChanges(w.mark); len(marked) > 0 {
		d.t.Errorf("cycle %d: the one that waits wrote %d flows, the first %s", i, len(marked), marked[0])
	}
	h.signal(syscall.SIGSTOP)
	for still := 0; still < 3; still++ { // what is on its way arrives
		time.Sleep(10 * time.Millisecond)
		if n, _ := d.flowChanges(h.mark); n > 0 {
			still = -1
		}
	}
	probed := i%4 == 3 // the database gives it up by itself; else it is told to
	if probed {
		for _, sw := range d.sw { // twice a second without an answer
			sw.VSCtl("--no-wait", "set", "Manager", "tcp:"+h.ovsdb, "inactivity_probe=1000")
		}
	} else {
		d.managers(1 - i%2)
	}
	w.say("rest")

	early := d.front != nil || i%3 == 0
	if early {
		// The other one is just taking over. With one address for both it has no
		// bridge yet: they are still connected to the one that is stopped.
		d.until("the lock", func() error {
			for name, st := range w.say("").Hosts {
				if !st.Writer {
					return errors.New(name)
				}
			}
			return nil
		})
		time.Sleep(rand.N(40 * time.Millisecond))
		h.signal(syscall.SIGCONT)
		d.until("woken up and quiet", func() error { return quiet(h.say("")) })
		time.Sleep(150 * time.Millisecond)
		if d.front != nil {
			if _, stale := d.flowChanges(h.mark); len(stale) > 0 {
				d.t.Errorf("cycle %d: it wrote %d flows after it woke up, the first %s", i, len(stale), stale[0])
			}
			d.front.point(w.openflow)
		}
		d.until("taken over", func() error { return writesAll(w.say("")) })
	} else {
		d.until("taken over", func() error { return writesAll(w.say("")) })
		time.Sleep(50 * time.Millisecond)
		d.flowChanges(h.mark)
		rows, _ := d.records(h.mark)
		h.signal(syscall.SIGCONT)
		d.until("woken up and quiet", func() error { return quiet(h.say("")) })
		time.Sleep(150 * time.Millisecond)
		if n, _ := d.flowChanges(h.mark); n > 0 {
			d.t.Errorf("cycle %d: %d changes of flows after it woke up", i, n)
		}
		if now, _ := d.records(h.mark); now != rows {
			d.t.Errorf("cycle %d: rows: %s then %s", i, rows, now)
		}
	}
	if _, stale := d.flowChanges(h.mark); len(stale) > 0 {
		d.t.Errorf("cycle %d: it wrote %d flows after it woke up, the first %s", i, len(stale), stale[0])
	}
	if _, stale := d.records(h.mark); len(stale) > 0 {
		d.t.Errorf("cycle %d: rows of it: %q", i, stale)
	}
	for _, sw := range d.sw {
		if flows := sw.OFCtl("dump-flows", "xapi1"); strings.Contains(flows, "02:"+h.mark+":") {
			d.t.Errorf("cycle %d: flows of it are there:\n%s", i, flows)
		}
	}
	st := h.say("rest")
	d.managers(0, 1)
	return st.Late - before, st.Steps
}

// A controller that was stopped while another one took over writes nothing when
// it wakes up: 100 times, at random moments of its work, and whether the other is
// done or has only just begun.
//
// In the last lane both share the address that bridges dial, so that no switch
// hangs up on the one that was stopped: it wakes up with a bundle half sent and a
// connection that works. It is the lock alone that keeps it from writing.
func TestPausedWriterWritesNothing(t *testing.T) {
	const lanes, cycles, sharedCycles = 5, 20, 10
	var late, done atomic.Int64
	start := time.Now()
	lane := func(cycles int, shared bool) func(*testing.T) {
		return func(t *testing.T) {
			d := startDuel(t, shared)
			for i := range cycles {
				n, steps := d.cycle(i)
				late.Add(int64(n))
				done.Add(1)
				if steps == 0 {
					t.Errorf("cycle %d: it had nothing to do", i)
				}
			}
		}
	}
	var all sync.WaitGroup // t.Parallel would run two at a time
	for i := range lanes {
		all.Go(func() { t.Run(fmt.Sprint("lane ", i), lane(cycles, false)) })
	}
	all.Go(func() { t.Run("one address", lane(sharedCycles, true)) })
	all.Go(func() { t.Run("standing back", testStandingBack) })
	all.Wait()
	t.Logf("%d cycles in %v; %d writes given up for want of the lock", done.Load(), time.Since(start).Round(time.Second), late.Load())
}

// testStandingBack: who does not write hangs up on bridges that dial it, at once
// if it never wrote, after a while if it has lost the lock; behind an address that
// both share they then find the one that does.
func testStandingBack(t *testing.T) {
	d := startDuel(t, true)
	d.front.point(d.c[1].openflow)
	d.until("the one that waits turns bridges away", func() error {
		if n := d.c[1].say("").TurnedAway; n < 4 {
			return fmt.Errorf("%v times", n)
		}
		return nil
	})
	if st := d.c[1].say(""); st.FlowMods != 0 || st.Transactions != 0 {
		t.Errorf("it wrote: %+v", st)
	}
	d.front.point(d.c[0].openflow)
	d.until("the bridges are back", func() error { return writesAll(d.c[0].say("")) })

	stolen := time.Now()
	steal := exec.Command("ovsdb-client", "steal", "unix:"+d.sw[0].DBSocket(), ovsdb.LockName)
	d.check(steal.Start())
	killed := false
	kill := func() {
		if !killed {
			killed = true
			_ = steal.Process.Kill() // it may have ended already
			_ = steal.Wait()
		}
	}
	defer kill()
	bridges := func() bool { return d.c[0].say("").Bridges["h1"] }
	d.until("the lock is lost", func() error { return quietOn(d.c[0].say(""), "h1") })
	if !bridges() {
		t.Error("it let go of the bridge at once: nobody can look at it")
	}
	d.until("the bridge is let go", func() error {
		if bridges() {
			return errors.New("still there")
		}
		return nil
	})
	if took := time.Since(stolen); took < 9*time.Second || took > 25*time.Second {
		t.Errorf("the bridge was let go after %v", took)
	}
	kill()
	d.until("the lock is back, and the bridge", func() error { return writesAll(d.c[0].say("")) })
}
