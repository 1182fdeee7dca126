package controller_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// herd is real switches that dial in to a controller of this process on two
// addresses: one that is told the other address hangs up and dials in there at
// once.
type herd struct {
	t        *testing.T
	ctl      *running
	switches []*ovstest.Switch
	targets  [2]string // managers
	dpids    []uint64
}

// startHerd starts so many switches, all in one network.
func startHerd(t *testing.T, n int) *herd {
	t.Helper()
	h := &herd{t: t}
	listen := func(addr string) *net.TCPListener {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return l.(*net.TCPListener)
	}
	db, of := [2]*net.TCPListener{}, [2]*net.TCPListener{}
	for i, addr := range []string{"127.0.0.1", "127.0.0.2"} {
		port := "0"
		if i > 0 { // bridges are told the address that their host dialled, and one port
			port = strconv.Itoa(of[0].Addr().(*net.TCPAddr).Port)
		}
		db[i], of[i] = listen(addr+":0"), listen(addr+":"+port)
		h.targets[i] = "tcp:" + db[i].Addr().String()
	}
	h.ctl = startController(t, t.TempDir(), db[0], of[0], 0, func(c *controller.Config) {
		c.OVSDB, c.OpenFlow = append(c.OVSDB, db[1]), append(c.OpenFlow, of[1])
		c.Log = zap.NewNop() // the test's own keeps every line
	})
	for i := range n {
		name := fmt.Sprintf("h%d", i+1)
		s := ovstest.StartSwitch(t, ovstest.WithHostname(name), ovstest.WithSystemID(name))
		h.dpids = append(h.dpids, 0x4242_0000+uint64(i))
		s.VSCtl("set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:ovsmesh-endpoint-ip=198.18.0.%d", i+1),
			"--", "add-br", "br-int", "--", "set", "Bridge", "br-int", fmt.Sprintf("other_config:datapath-id=%016x", h.dpids[i]),
			"--", "add-port", "br-int", "vif1", "--", "set", "Interface", "vif1", "type=internal",
			fmt.Sprintf(`external_ids:attached-mac="%s"`, mac(i+1)), "external_ids:ovsmesh-network=blue")
		s.SetManager(h.targets[0])
		h.switches = append(h.switches, s)
	}
	_, err := h.ctl.Apply(t.Context(), api.ApplyRequest{Files: []api.File{{Name: "blue.yaml", Data: "networks:\n- {name: blue, encap: gre, key: 103}\n"}}})
	if err != nil {
		t.Fatal(err)
	}
	h.settled()
	return h
}

// settled waits until all switches are connected and hold what is wanted.
func (h *herd) settled() {
	h.t.Helper()
	n := len(h.switches)
	h.within(2*time.Minute, "all in sync", func() error {
		top, err := h.ctl.Topology(h.t.Context(), api.TopologyFilter{})
		if err != nil {
			h.t.Fatal(err)
		}
		if len(top.Hosts) != n || len(top.Networks) != 1 || len(top.Networks[0].Hosts) != n || !top.Networks[0].InSync {
			return fmt.Errorf("%d hosts, %+v", len(top.Hosts), top.Networks)
		}
		for _, s := range top.Hosts {
			if !s.Connected || !s.InSync || len(s.Bridges) != 1 || !s.Bridges[0].Connected || s.Bridges[0].FlowsInstalled != s.Bridges[0].FlowsWanted {
				return fmt.Errorf("%+v", s)
			}
		}
		return nil
	})
}

func (h *herd) within(limit time.Duration, what string, f func() error) {
	h.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
	}
}

// metric returns the value of a counter of the controller.
func (h *herd) metric(name string) int {
	h.t.Helper()
	return int(counted(h.t, h.ctl.Controller, name))
}

// flip makes switches hang up and dial in again, database and bridge, so many
// times each, all at once.
func (h *herd) flip(switches []*ovstest.Switch, times int) {
	h.t.Helper()
	var all sync.WaitGroup
	for _, s := range switches {
		all.Go(func() {
			for i := range times {
				target := h.targets[(i+1)%2]
				if err := s.OVS.SetManager(h.t.Context(), target); err != nil {
					h.t.Error(err)
					return
				}
				h.follows(s, strings.Split(target, ":")[1]) // bridges are told the address that the database dialled
			}
		})
	}
	all.Wait()
}

// freeze sends both daemons of a switch a signal.
func (h *herd) freeze(s *ovstest.Switch, sig syscall.Signal) {
	h.t.Helper()
	db, vswitchd := s.Pids()
	for _, pid := range []int{db, vswitchd} {
		if err := syscall.Kill(pid, sig); err != nil {
			h.t.Fatal(err)
		}
	}
}

// follows waits until a switch's ovs-vswitchd has a connection to an address. The
// database tells of it too, but seconds late.
func (h *herd) follows(s *ovstest.Switch, address string) {
	_, vswitchd := s.Pids()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if connected(h.t, vswitchd, address) {
			return
		}
		if time.Now().After(deadline) {
			h.t.Errorf("the bridge did not follow to %s", address)
			return
		}
	}
}

// connected reports whether a process has a TCP connection to an IPv4 address, as
// proc_pid_net(5) and proc_pid_fd(5) show it.
func connected(t *testing.T, pid int, address string) bool {
	a := netip.MustParseAddr(address).As4()
	remote := fmt.Sprintf("%08X", binary.LittleEndian.Uint32(a[:]))
	dir := fmt.Sprintf("/proc/%d", pid)
	table, err := os.ReadFile(dir + "/net/tcp")
	if err != nil {
		t.Error(err)
		return false
	}
	const established = "01"
	sockets := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && strings.HasPrefix(f[2], remote+":") && f[3] == established {
			sockets["socket:["+f[9]+"]"] = true
		}
	}
	open, err := os.ReadDir(dir + "/fd")
	if err != nil {
		t.Error(err)
		return false
	}
	for _, fd := range open {
		if link, err := os.Readlink(dir + "/fd/" + fd.Name()); err == nil && sockets[link] {
			return true
		}
	}
	return false
}

// held is what a process holds.
type held struct{ goroutines, descriptors int }

func holds(t *testing.T) held {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return held{runtime.NumGoroutine(), len(list)}
}

// lives returns how many bytes the heap holds that are in use.
func lives() int {
	var m runtime.MemStats
	for range 2 { // what has a finalizer goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A controller holds after a thousand connections of each kind exactly what it
// held before: those of switches that come and go, of one that is frozen until
// it is given up, of peers that talk nonsense or vanish, and of readers of
// events.
func TestThousandConnectionsLeaveNothing(t *testing.T) {
	const (
		switches = 5
		flips    = 10   // of each switch
		rude     = 1000 // peers of each protocol
		readers  = 1000 // of events
		growth   = 512 << 10
	)
	h := startHerd(t, switches+2)
	w := serveWeb(t, h.ctl, "")
	m := &mob{t: t, db: strings.TrimPrefix(h.targets[0], "tcp:"), of: h.ctl.openflow, web: w.addr, dpid: h.dpids[switches+1]}
	round := func(flips, rude, readers int) {
		var all sync.WaitGroup
		all.Go(func() { h.flip(h.switches[:switches], flips) })
		all.Go(func() { m.run(rude, m.ovsdbPeer) })
		all.Go(func() { m.run(rude, m.openflowPeer) })
		all.Go(func() { m.run(readers, m.eventReader) })
		all.Wait()
	}
	round(2, 50, 50) // what is made once is kept
	h.settled()
	before, heap := rest(t, held{}, 6*time.Second), lives()
	database := func() int { return h.metric("ovsmesh_ovsdb_connections_total") }
	openflow := func() int { // a peer that says to be a switch which is away takes its place until it dials in
		return h.metric("ovsmesh_openflow_connections_total") + h.metric("ovsmesh_openflow_connections_refused_total")
	}
	db, of := database(), openflow()

	h.freeze(h.switches[switches], syscall.SIGSTOP)
	round(flips, rude, readers)
	h.within(time.Minute, "the frozen host given up", func() error {
		top, err := h.ctl.Topology(t.Context(), api.TopologyFilter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range top.Hosts {
			if s.Name == fmt.Sprintf("h%d", switches+1) && (s.Connected || s.Bridges[0].Connected) {
				return fmt.Errorf("%+v", s)
			}
		}
		return nil
	})
	h.freeze(h.switches[switches], syscall.SIGCONT)
	h.settled()

	after := rest(t, before, 20*time.Second)
	if after != before {
		t.Errorf("before: %+v, after: %+v\n%s", before, after, stacks(t))
	}
	if grown := lives() - heap; grown > growth {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	const came = switches*flips + rude + 1
	if db, of := database()-db, openflow()-of; db < came || of < came {
		t.Errorf("%d OVSDB and %d OpenFlow connections were counted, want %d at least", db, of, came)
	}
}

// stacks returns how many goroutines are where.
func stacks(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Error(err)
	}
	return b.String()
}

// rest waits until what the process holds is what is wanted, or has not changed
// for so long, and returns it.
func rest(t *testing.T, want held, patience time.Duration) held {
	t.Helper()
	got, since := holds(t), time.Now()
	for got != want && time.Since(since) < patience {
		time.Sleep(50 * time.Millisecond)
		if now := holds(t); now != got {
			got, since = now, time.Now()
		}
	}
	return got
}
