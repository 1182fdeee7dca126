package controller_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// phy is the bridge by which a host of the bed reaches everything, the
// controller too.
const phy = "br-phy"

const takenBridge = `networks: [{name: blue, encap: gre, key: 103, bridge: br-phy, takeBridge: true}]`

// startInBand is three hosts that reach the controller by the bridge with their
// NIC, and each other also by a VLAN fake bridge and by an internal port in
// another VLAN on it.
func startInBand(t *testing.T) *mesh {
	t.Helper()
	m := startMeshOf(t, bedKind{hosts: 3, inBand: true})
	for _, h := range m.Hosts() {
		m.vsctl(h, "add-br", "br-v50", phy, "50",
			"--", "add-port", phy, "vlan60", "tag=60", "--", "set", "Interface", "vlan60", "type=internal")
		m.vsctl(h, "set", "Manager", "tcp:"+m.ctl.ovsdb, "max_backoff=1000")
		m.addressVLANs(h)
		// The userspace datapath leaves a VIF's frames to the kernel as well,
		// which else answers VMs for every address of the host.
		_, err := h.Exec(m.ctx, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore")
		m.check(err)
	}
	return m
}

// addressVLANs does for the host's further devices what StartVSwitchd does for
// br-phy.
func (m *mesh) addressVLANs(h *ovstest.Host) {
	m.t.Helper()
	for i, dev := range []string{"br-v50", "vlan60"} {
		for _, argv := range [][]string{
			{"ip", "link", "set", "dev", dev, "up"},
			{"ip", "addr", "replace", netip.PrefixFrom(vlanAddr(h, i), 24).String(), "dev", dev},
		} {
			_, err := h.Exec(m.ctx, argv...)
			m.check(err)
		}
	}
}

// vlanAddr is a host's address on its VLAN fake bridge, 0, or its internal port, 1.
func vlanAddr(h *ovstest.Host, which int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 50 + 10*byte(which), 0, byte(h.Index)})
}

// tracedPing is a ping, in 10 ms steps, that tells which requests had no reply.
type tracedPing struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

// tracePing starts a ping from a host or a VM.
func (m *mesh) tracePing(from interface{ Start(*exec.Cmd) error }, to netip.Addr) *tracedPing {
	m.t.Helper()
	p := &tracedPing{cmd: exec.CommandContext(m.ctx, "ping", "-n", "-W", "1", "-i", "0.01", to.String())}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	m.check(from.Start(p.cmd))
	return p
}

// hostPings pings from hosts to all others, by all ways that there are, and to the
// controller.
func (m *mesh) hostPings(hosts ...*ovstest.Host) map[string]*tracedPing {
	m.t.Helper()
	all := map[string]*tracedPing{}
	for _, h := range hosts {
		start := func(to netip.Addr) { all[fmt.Sprintf("%s to %v", h.Name, to)] = m.tracePing(h, to) }
		start(m.Controller)
		for _, to := range m.Hosts() {
			if to != h {
				start(to.Addr)
				start(vlanAddr(to, 0))
				start(vlanAddr(to, 1))
			}
		}
	}
	return all
}

var (
	replied = regexp.MustCompile(`(?m)icmp_seq=(\d+) ttl=.*?( \(DUP!\))?$`)
	pinged  = regexp.MustCompile(`(\d+) packets transmitted`)
)

// onTheWay is how many requests may have no reply yet when a ping ends: those of
// a quarter of a second, as machines that run tests are busy.
const onTheWay = 25

// undisturbed ends pings and demands that each request has had its reply,
// once, save those that were on their way.
func (m *mesh) undisturbed(during string, pings map[string]*tracedPing) {
	m.t.Helper()
	for name, p := range pings {
		m.check(p.cmd.Process.Signal(syscall.SIGINT))
		_ = p.cmd.Wait() // 1 if nothing was answered, which is judged below
		out := p.out.String()
		total := pinged.FindStringSubmatch(out)
		if total == nil {
			m.t.Fatalf("%s: %s: %q", during, name, out)
		}
		sent, err := strconv.Atoi(total[1])
		m.check(err)
		seen, last, twice := map[int]bool{}, 0, 0
		for _, c := range replied.FindAllStringSubmatch(out, -1) {
			n, err := strconv.Atoi(c[1])
			m.check(err)
			if seen[n] || c[2] != "" {
				twice++
			}
			seen[n], last = true, max(last, n)
		}
		if lost := last - len(seen); lost > 0 || twice > 0 || len(seen) == 0 || sent-last > onTheWay {
			m.t.Errorf("%s: %s: %d requests, the last with a reply is %d, before it %d have none, %d have two", during, name, sent, last, lost, twice)
		}
	}
}

// reachable waits until a host gets through to all others, by all ways, and
// to the controller.
func (m *mesh) reachable(h *ovstest.Host) {
	m.t.Helper()
	to := []netip.Addr{m.Controller}
	for _, other := range m.Hosts() {
		if other != h {
			to = append(to, other.Addr, vlanAddr(other, 0), vlanAddr(other, 1))
		}
	}
	m.eventually(h.Name+" reachable", func() error {
		for _, a := range to {
			if _, err := h.Exec(m.ctx, "ping", "-n", "-q", "-c", "1", "-W", "0.2", a.String()); err != nil {
				return fmt.Errorf("%v: %w", a, err)
			}
		}
		return nil
	})
}

// ofVM reports whether a frame has the address of a VM as its source.
func ofVM(f ovstest.Frame) bool {
	first := mac(0)
	return len(f.Data) > 12 && bytes.HasPrefix(f.Data[6:], first[:5])
}

// apart demands that, while act runs and a moment after, no frame of a VM is on a
// NIC but in a tunnel, none at a bridge's own port or in the host's VLANs, and
// that no frame arrives at a VM which is not a VM's.
func (m *mesh) apart(during string, vms []*ovstest.VM, act func()) {
	m.t.Helper()
	type watched struct {
		capture *ovstest.Capture
		name    string
		wrong   func(ovstest.Frame) bool
	}
	var all []watched
	watch := func(c *ovstest.Capture, err error, name string, wrong func(ovstest.Frame) bool) {
		m.check(err)
		all = append(all, watched{c, name, wrong})
	}
	for _, h := range m.Hosts() {
		c, err := h.StartCapture()
		watch(c, err, "the NIC of "+h.Name, ofVM)
		for _, dev := range []string{phy, "br-v50", "vlan60"} {
			c, err := h.StartCaptureAt(dev)
			watch(c, err, dev+" of "+h.Name, ofVM)
		}
	}
	for _, vm := range vms {
		c, err := vm.StartCapture()
		watch(c, err, "VM "+vm.Name, func(f ovstest.Frame) bool { return !f.Sent && !ofVM(f) })
	}
	act()
	time.Sleep(200 * time.Millisecond)
	for _, w := range all {
		m.check(w.capture.Stop())
		if n := w.capture.Count(w.wrong); n > 0 {
			for _, f := range w.capture.Frames() {
				if w.wrong(f) {
					m.t.Errorf("%s: %d frames at %s that must not be there, such as %x", during, n, w.name, f.Data[:min(60, len(f.Data))])
					break
				}
			}
		}
	}
}

// chatter has VMs and hosts send all that a switch floods, and what is meant
// for the other side.
func (m *mesh) chatter(vms ...*ovstest.VM) {
	m.t.Helper()
	for i, vm := range vms {
		h := m.Host(vm.Host)
		var own topology.MAC
		text, err := h.Exec(m.ctx, "ip", "-br", "link", "show", "dev", phy)
		m.check(err)
		own, err = topology.ParseMAC(strings.Fields(text)[2])
		m.check(err)
		frames := [][]byte{
			arpRequest(vm.MAC, m.Controller.As4(), h.Addr.As4()),
			arpRequest(vm.MAC, vm.IPs[0].Addr().As4(), m.Controller.As4()),
			testFrame(own, vm.MAC, "to the host"),
			append(append(append([]byte{}, own[:]...), vm.MAC[:]...), 0x81, 0, 0, 50, 8, 6, 0, 0), // VLAN 50
		}
		for _, dst := range floodKinds {
			frames = append(frames, testFrame(dst, vm.MAC, "to all"))
		}
		for _, f := range frames {
			m.check(vm.SendFrame(f))
		}
		// The host asks for nobody by broadcast, and sends to a VM's address.
		nobody, wrong := h.Addr.As4(), h.Addr.As4()
		nobody[3], wrong[3] = 250, 251
		to := vms[(i+1)%len(vms)].MAC
		_, err = h.Exec(m.ctx, "ip", "neigh", "replace", netip.AddrFrom4(wrong).String(), "lladdr", to.String(), "dev", phy)
		m.check(err)
		for _, a := range [][4]byte{nobody, wrong} {
			// That nobody answers is as it should be.
			_, _ = h.Exec(m.ctx, "ping", "-n", "-q", "-c", "3", "-i", "0.01", "-W", "0.1", netip.AddrFrom4(a).String())
		}
	}
}

// vlansOfPorts returns the VLANs of all ports of a bridge.
func (m *mesh) vlansOfPorts(h *ovstest.Host, bridge string) string {
	m.t.Helper()
	var b strings.Builder
	for name := range strings.FieldsSeq(m.vsctl(h, "list-ports", bridge)) {
		fmt.Fprintln(&b, name, strings.ReplaceAll(m.vsctl(h, "--columns=vlan_mode,tag,trunks,cvlans", "list", "Port", name), "\n", " "))
	}
	return b.String()
}

// A network takes the bridge by which its hosts reach the world. They lose
// nothing of it by that: not while it is taken, nor while VMs come and go, nor
// when it is given back; and when a switch starts anew while nobody is there to
// tell it anything, its host is back at once. VMs and hosts are apart throughout.
func TestTakenBridge(t *testing.T) {
	t.Parallel()
	m := startInBand(t)
	h1, h2 := m.Host("h1"), m.Host("h2")
	before, vlans := map[string]string{}, map[string]string{}
	for _, h := range m.Hosts() {
		m.reachable(h)
		before[h.Name], vlans[h.Name] = m.bridgeState(h, phy), m.vlansOfPorts(h, phy)
	}
	vm := func(host string, n int) *ovstest.VM {
		return m.vm(host, fmt.Sprintf("vm-%d", n), phy, n, "")
	}
	pings := m.hostPings(m.Hosts()...)
	m.apply(strings.Replace(takenBridge, ", takeBridge: true", ", hosts: [h1, h2, h3]", 1))
	for _, h := range m.Hosts() {
		m.problem("blue", h.Name+": bridge br-phy holds the physical NIC eth0: takeBridge: true takes it")
		m.problem("blue", h.Name+": bridge br-phy holds the VLAN fake bridge br-v50")
		if now := m.bridgeState(h, phy); now != before[h.Name] {
			t.Errorf("%s was not to be taken; it was\n%s\nand is\n%s", h.Name, before[h.Name], now)
		}
	}
	m.undisturbed("while it is refused", pings)

	// One that could not be given back is refused, until it can.
	m.vsctl(h1, "set-fail-mode", phy, "secure")
	m.ofctl(h1, "add-flow", phy, "priority=0,actions=NORMAL")
	m.reachable(h1)
	m.apply(strings.Replace(takenBridge, "}", ", hosts: [h1, h2, h3]}", 1))
	m.problem("blue", "h1: bridge br-phy is in secure mode and holds br-v50: to put that mode back some day would cut the host off")
	m.vsctl(h1, "del-fail-mode", phy)
	m.reachable(h1)
	m.meshed("blue", "h1", "h2", "h3")

	pings = m.hostPings(m.Hosts()...)
	m.remove(api.KindNetworks, "blue")
	m.apply(takenBridge)
	vms := []*ovstest.VM{vm("h1", 1), vm("h2", 2), vm("h3", 3), vm("h1", 4)}
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
	m.apart("all is well", vms, func() {
		m.chatter(vms...)
		m.pingAll(vms...)
	})
	for i := range 3 {
		five := vm(m.Hosts()[i].Name, 5)
		m.pingAll(vms[0], five)
		m.check(five.Remove(m.ctx))
	}
	m.check(vms[3].Move(m.ctx, h2))
	m.pingAll(vms...)
	m.check(vms[0].Transfer(m.ctx, vms[2], vms[2].IPs[0].Addr(), 1<<18))
	m.undisturbed("while it is taken and VMs come and go", pings)

	// The switch starts anew, and nobody is there.
	m.ctl.stop()
	m.check(h1.KillVSwitchd(syscall.SIGKILL))
	pings = map[string]*tracedPing{
		"h2 to the controller":    m.tracePing(h2, m.Controller),
		"h2 to h3":                m.tracePing(h2, m.Host("h3").Addr),
		"h2 to h3 in a VLAN":      m.tracePing(h2, vlanAddr(m.Host("h3"), 0)),
		"h2 to h3 in another":     m.tracePing(h2, vlanAddr(m.Host("h3"), 1)),
		"a VM of h2 to one of h3": m.tracePing(vms[1], vms[2].IPs[0].Addr()),
	}
	m.check(h1.StartVSwitchd(m.ctx))
	m.addressVLANs(h1)
	started := time.Now()
	m.reachable(h1)
	t.Logf("the host is back %v after its switch", time.Since(started))
	m.undisturbed("while another host's switch starts", pings)
	pings = m.hostPings(m.Hosts()...)
	m.apart("no controller after a restart", vms, func() { m.chatter(vms...) })
	m.pingAll(vms[1:]...) // theirs know what to do
	m.start()
	m.meshed("blue", "h1", "h2", "h3")
	m.pingAll(vms...)
	m.clean()
	m.undisturbed("while the controller comes back", pings)

	// Given back with VMs still there, which are then on the LAN as they were.
	pings = m.hostPings(m.Hosts()...)
	m.remove(api.KindNetworks, "blue")
	for _, one := range vms {
		m.check(one.Remove(m.ctx))
	}
	for _, h := range m.Hosts() {
		m.eventually(h.Name+" as it was", func() error {
			if now := m.bridgeState(h, phy); now != before[h.Name] {
				return fmt.Errorf("was\n%s\nand is\n%s", before[h.Name], now)
			}
			if now := m.vlansOfPorts(h, phy); now != vlans[h.Name] {
				return fmt.Errorf("VLANs were\n%s\nand are\n%s", vlans[h.Name], now)
			}
			return nil
		})
	}
	m.undisturbed("while it is given back", pings)
	m.clean()
}
