package controller_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// bedKind says on what hosts a mesh of options runs.
type bedKind struct {
	hosts   int
	inBand  bool     // hosts reach the controller through br-phy
	without []string // columns that their databases lack
}

// startMeshOf is startMesh on hosts of a kind.
func startMeshOf(t *testing.T, kind bedKind, opts ...func(*mesh)) *mesh {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	t.Cleanup(cancel)
	m := &mesh{Bed: ovstest.StartBed(t, ovstest.Options{Management: !kind.inBand}), t: t, ctx: ctx, dir: t.TempDir()}
	for i := range kind.hosts {
		_, err := m.AddOldHost(ctx, fmt.Sprintf("h%d", i+1), kind.without...)
		m.check(err)
	}
	for _, o := range opts {
		o(m)
	}
	m.start()
	for _, h := range m.Hosts() {
		m.check(h.SetManager(m.ctx, "tcp:"+m.ctl.ovsdb))
	}
	m.eventually("all hosts connected", func() error {
		connected := 0
		for _, h := range m.topology(api.TopologyFilter{}).Hosts {
			if h.Connected {
				connected++
			}
		}
		if connected != kind.hosts {
			return fmt.Errorf("%d hosts of %d", connected, kind.hosts)
		}
		return nil
	})
	return m
}

// knownVM is vm with its addresses known to the switch.
func (m *mesh) knownVM(host, name, bridge string, n int, network string) *ovstest.VM {
	m.t.Helper()
	vm, err := m.Host(host).AddVM(m.ctx, ovstest.VMSpec{
		Name: name, Bridge: bridge, MAC: mac(n), Network: network,
		IPs: []netip.Prefix{netip.PrefixFrom(ip4(n), 24), netip.PrefixFrom(ip6(n), 64)},
		IDs: map[string]string{"ovsmesh-ips": fmt.Sprintf("%s,%s", ip4(n), ip6(n))},
	})
	m.check(err)
	return vm
}

// inTunnel is a frame that a host sent or got in a tunnel.
type inTunnel struct {
	host string
	ovstest.Envelope
	ovstest.Frame
}

// watchUnderlay returns what hosts send in tunnels while act runs and a moment
// after.
func (m *mesh) watchUnderlay(act func()) []inTunnel {
	m.t.Helper()
	caps := map[string]*ovstest.Capture{}
	for _, h := range m.Hosts() {
		c, err := h.StartCapture()
		m.check(err)
		caps[h.Name] = c
	}
	act()
	time.Sleep(300 * time.Millisecond)
	var list []inTunnel
	for host, c := range caps {
		m.check(c.Stop())
		for _, f := range c.Frames() {
			if env, inner, ok := ovstest.Decapsulate(f); ok && f.Sent {
				list = append(list, inTunnel{host, env, inner})
			}
		}
	}
	return list
}

// someFrames prints a few frames for people.
func someFrames(list []inTunnel) string {
	const most = 5
	var b strings.Builder
	for _, f := range list[:min(most, len(list))] {
		fmt.Fprintf(&b, "\n%s to %v key %d: %x", f.host, f.Dst, f.Key, f.Data[:min(60, len(f.Data))])
	}
	return b.String()
}

// having returns those of list that satisfy a condition.
func having(list []inTunnel, is func(inTunnel) bool) []inTunnel {
	var some []inTunnel
	for _, f := range list {
		if is(f) {
			some = append(some, f)
		}
	}
	return some
}

// floodKinds are destinations of every kind that NORMAL floods.
var floodKinds = map[string]topology.MAC{
	"broadcast":       {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	"IPv4 multicast":  {0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb},
	"IPv6 multicast":  {0x33, 0x33, 0x00, 0x00, 0x00, 0xfb},
	"unknown unicast": {0x02, 0x00, 0x00, 0x00, 0x99, 0x99},
}

// flooding sends numbered frames of every kind from one VM while act runs, and
// demands that none of them arrives twice at any VM nor is more often in
// tunnels than once for each other host. It returns how many were sent and how
// many each VM got.
func (m *mesh) flooding(from *ovstest.VM, vms []*ovstest.VM, act func()) (sent int, got []int) {
	m.t.Helper()
	const mark = "numbered "
	number := func(data []byte) (uint32, bool) {
		_, text, ok := bytes.Cut(data, []byte(mark))
		if !ok || len(text) < 4 {
			return 0, false
		}
		return binary.BigEndian.Uint32(text), true
	}
	caps := make([]*ovstest.Capture, len(vms))
	for i, vm := range vms {
		c, err := vm.StartCapture()
		m.check(err)
		caps[i] = c
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	tunnelled := m.watchUnderlay(func() {
		go func() {
			for {
				for _, dst := range floodKinds {
					number := binary.BigEndian.AppendUint32([]byte(mark), uint32(sent))
					if err := from.SendFrame(testFrame(dst, from.MAC, string(number))); err != nil {
						done <- err
						return
					}
					sent++
				}
				select {
				case <-stop:
					done <- nil
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
		}()
		act()
		close(stop)
		m.check(<-done)
		still(func() (n int) { // other traffic may go on
			for _, c := range caps {
				n += c.Count(func(f ovstest.Frame) bool { _, ok := number(f.Data); return ok })
			}
			return n
		})
	})
	got = make([]int, len(vms))
	for i, c := range caps {
		m.check(c.Stop())
		seen := map[uint32]int{}
		for _, f := range c.Frames() {
			if n, ok := number(f.Data); ok && !f.Sent {
				seen[n]++
			}
		}
		got[i] = len(seen)
		if vms[i] == from && len(seen) > 0 {
			m.t.Errorf("%d frames came back to %s, who sent them", len(seen), from.Name)
		}
		for n, copies := range seen {
			if copies > 1 {
				m.t.Errorf("frame %d arrived %d times at %s", n, copies, vms[i].Name)
				break
			}
		}
	}
	ways := map[uint32]int{}
	for _, f := range tunnelled {
		if n, ok := number(f.Data); ok && f.EtherType() == 0x88b5 {
			ways[n]++
		}
	}
	for n, copies := range ways {
		if most := len(m.Hosts()) - 1; copies > most {
			m.t.Errorf("frame %d was in tunnels %d times, at most %d are needed", n, copies, most)
			break
		}
	}
	floods := having(tunnelled, func(f inTunnel) bool { return f.EtherType() == 0x88b5 || f.Data[0]&1 != 0 })
	if most := sent*(len(m.Hosts())-1)*2 + 2000; len(floods) > most {
		m.t.Errorf("%d frames that flood in tunnels while %d were sent: a storm", len(floods), sent)
	}
	return sent, got
}

// still waits until nothing more arrives, or for as long as a frame may take.
func still(arrived func() int) {
	const quiet = 500 * time.Millisecond
	n, since := arrived(), time.Now()
	for begin := since; time.Since(since) < quiet && time.Since(begin) < arrival; time.Sleep(20 * time.Millisecond) {
		if now := arrived(); now != n {
			n, since = now, time.Now()
		}
	}
}

// expected is a frame and how often each VM should get it.
type expected struct {
	what  string
	frame []byte
	want  map[*ovstest.VM]int // 0 where a VM is not in it
}

// arrive captures at VMs while act runs, until frames have arrived as often as
// expected and a moment longer, and demands that none arrives more often.
func (m *mesh) arrive(vms []*ovstest.VM, frames []expected, act func()) {
	m.t.Helper()
	caps := make([]*ovstest.Capture, len(vms))
	for i, vm := range vms {
		c, err := vm.StartCapture()
		m.check(err)
		caps[i] = c
	}
	came := func(c *ovstest.Capture, e expected) int {
		return c.Count(func(f ovstest.Frame) bool { return !f.Sent && bytes.HasPrefix(f.Data, e.frame) })
	}
	all := func() bool {
		for i, c := range caps {
			if slices.ContainsFunc(frames, func(e expected) bool { return came(c, e) < e.want[vms[i]] }) {
				return false
			}
		}
		return true
	}
	act()
	for begin := time.Now(); !all() && time.Since(begin) < arrival; {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond) // for those that must not come
	for i, c := range caps {
		m.check(c.Stop())
		for _, e := range frames {
			if n := came(c, e); n != e.want[vms[i]] {
				m.t.Errorf("%s: %s got %d frames, want %d", e.what, vms[i].Name, n, e.want[vms[i]])
			}
		}
	}
}

// arrival is how long a frame may be on its way on a machine that is busy with
// other things as well.
const arrival = 10 * time.Second

// once sends frames of these kinds from every VM and demands that each arrives
// once at all others, and at no VM of others.
func (m *mesh) once(vms, others []*ovstest.VM, kinds ...string) {
	m.t.Helper()
	const copies = 3
	var frames []expected
	for _, from := range vms {
		for _, kind := range kinds {
			e := expected{kind + " of " + from.Name, testFrame(floodKinds[kind], from.MAC, kind+" once from "+from.Name), map[*ovstest.VM]int{}}
			for _, vm := range vms {
				if vm != from {
					e.want[vm] = copies
				}
			}
			frames = append(frames, e)
		}
	}
	m.arrive(append(append([]*ovstest.VM{}, vms...), others...), frames, func() {
		for range copies {
			for i, e := range frames {
				m.check(vms[i/len(kinds)].SendFrame(e.frame))
			}
		}
	})
}

// forgetNeighbours empties the VMs' tables of ARP and neighbours.
func (m *mesh) forgetNeighbours(vms ...*ovstest.VM) {
	m.t.Helper()
	for _, vm := range vms {
		_, err := vm.Exec(m.ctx, "ip", "neigh", "flush", "dev", "eth0")
		m.check(err)
	}
}

// pings starts a ping every 10 ms from one VM to each address of another.
func (m *mesh) pings(from, to *ovstest.VM) map[string]*ovstest.Pinger {
	m.t.Helper()
	all := map[string]*ovstest.Pinger{}
	for _, p := range to.IPs {
		ping, err := from.StartPing(m.ctx, p.Addr(), 10*time.Millisecond)
		m.check(err)
		all[fmt.Sprintf("%s to %s", from.Name, p.Addr())] = ping
	}
	return all
}

// lost ends pings and demands that they lost no more than a number of packets
// each, and none of them got a reply twice.
func (m *mesh) lost(during string, most int, lists ...map[string]*ovstest.Pinger) {
	m.t.Helper()
	all := map[string]*ovstest.Pinger{}
	for _, l := range lists {
		maps.Copy(all, l)
	}
	for name, ping := range all {
		r, err := ping.Stop()
		m.check(err)
		m.t.Logf("%s: %s: %+v, %d lost", during, name, r, r.Lost())
		if r.Lost() > most || r.Duplicates > 0 || r.Received == 0 {
			m.t.Errorf("%s: %s: %+v, %d lost; want at most %d, and no duplicates", during, name, r, r.Lost(), most)
		}
	}
}
