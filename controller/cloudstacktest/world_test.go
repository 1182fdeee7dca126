package cloudstacktest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// The programs.
var ovsmesh, ovstunnel string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "om-cloudstack-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ovsmesh, ovstunnel = filepath.Join(dir, "ovsmesh"), filepath.Join(dir, "ovstunnel")
	for _, p := range []string{ovsmesh, ovstunnel} {
		if out, err := exec.Command("go", "build", "-o", p, "ovsmesh/cmd/"+filepath.Base(p)).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v: %s\n", err, out)
			return 1
		}
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// kind is a hypervisor.
type kind string

const (
	xenServer kind = "xenserver"
	kvm       kind = "kvm"
)

// world is a cloud on a bed of its own: with CloudStack's plugin on its hosts, or
// with ovstunnel and a server.
type world struct {
	*Cloud
	t      *testing.T
	ctx    context.Context
	bed    *ovstest.Bed
	kind   kind
	server *server // nil: the plugin
	pools  []*Pool // XenServer's; each has its share of the hosts

	vifScript bool          // CloudStack's udev script is there beside ovstunnel, too
	repeat    bool          // every call is made twice
	timeout   time.Duration // of ovstunnel; 0: what it has itself

	net *Network
}

// firstID is what CloudStack calls the first host: others than ovsmesh would
// choose itself.
const firstID = 11

// newWorld makes a cloud of so many hosts, h1 with the ID 11 and so on, with one
// network of key 103.
func newWorld(t *testing.T, k kind, hosts int, ours bool, opts ...func(*world)) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	w := &world{Cloud: NewCloud(), t: t, ctx: ctx, kind: k, bed: ovstest.StartBed(t, ovstest.Options{})}
	var names []string
	for i := range hosts {
		names = append(names, fmt.Sprintf("h%d", i+1))
	}
	if _, err := w.bed.AddHosts(ctx, names...); err != nil {
		t.Fatal(err)
	}
	w.pools = []*Pool{w.pool(1)}
	if ours {
		w.server = startServer(t, w.bed)
		for _, h := range w.bed.Hosts() {
			w.join(h)
		}
		w.server.connected(ctx, names...)
	}
	for _, o := range opts {
		o(w)
	}
	for i, h := range w.bed.Hosts() {
		w.AddHost(firstID+i, w.resource(h, w.pools[i*len(w.pools)/hosts]))
	}
	w.net = w.AddNetwork(Network{Name: "blue", UUID: ovstest.NewUUID(), Key: 103})
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// pool makes a pool whose first tunnel network has the bridge xapi<first>.
func (w *world) pool(first int) *Pool {
	w.t.Helper()
	p, err := NewPool(w.t.TempDir(), first, "guest")
	w.check(err)
	return p
}

// join has a host dial in, as an operator does.
func (w *world) join(h *ovstest.Host) {
	w.t.Helper()
	w.check(h.SetManager(w.ctx, fmt.Sprintf("tcp:%s:6640", w.bed.Controller)))
}

// resource is CloudStack's of a host.
func (w *world) resource(h *ovstest.Host, p *Pool) Resource {
	w.t.Helper()
	switch {
	case w.server == nil && w.kind == xenServer:
		return &XenServer{On: h, Pool: p, Plugin: &OldPlugin{On: h, Pool: p}, VIFScript: true}
	case w.server == nil:
		return &KVM{On: h, Script: &OldScript{On: h}}
	}
	prog := w.program(h, p)
	var plugin Plugin = prog
	var script Script = prog
	if w.repeat {
		plugin, script = repeated{prog, w}, repeated{prog, w}
	}
	if w.kind == xenServer {
		return &XenServer{On: h, Pool: p, Plugin: plugin, VIFScript: w.vifScript}
	}
	return &KVM{On: h, Script: script}
}

// program is ovstunnel on a host, with the configuration and the token that an
// operator puts there.
func (w *world) program(h *ovstest.Host, p *Pool) *Program {
	w.t.Helper()
	dir := w.t.TempDir()
	w.check(os.WriteFile(filepath.Join(dir, "token"), []byte(hostToken(h.Name)+"\n"), 0o600))
	config := fmt.Sprintf("server: %s\ntokenFile: %s/token\nlogFile: %s/ovstunnel.log\nxe: %s\n", w.server.url(), dir, dir, p.XE())
	if w.timeout > 0 {
		config += fmt.Sprintf("timeout: %v\n", w.timeout)
	}
	w.check(os.WriteFile(filepath.Join(dir, "ovstunnel.yaml"), []byte(config), 0o600))
	return &Program{On: h, Path: ovstunnel, Env: []string{"OVSMESH_OVSTUNNEL_CONFIG=" + filepath.Join(dir, "ovstunnel.yaml")}}
}

// vm adds a VM with the addresses 10.1.1.n and fd00::n.
func (w *world) vm(n *Network, name string, num byte) *VM {
	return w.AddVM(n, ovstest.VMSpec{
		Name: name, MAC: topology.MAC{2, 0, 0, 0, 1, num},
		IPs: []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, 1, num}), 24),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 15: num}), 64),
		},
	})
}

// look reads the state of all hosts.
func (w *world) look() State {
	w.t.Helper()
	s, err := Look(w.ctx, w.bed.Hosts()...)
	w.check(err)
	return s
}

// running are the network's VMs that run.
func (w *world) running(n *Network) []*VM {
	var vms []*VM
	for _, name := range w.names() {
		if vm := w.vms[name]; vm.Network == n && vm.state == running {
			vms = append(vms, vm)
		}
	}
	return vms
}

// talk demands that all VMs of a network reach each other, over IPv4 and IPv6,
// and that each gets the others' broadcasts once.
func (w *world) talk(n *Network) {
	w.t.Helper()
	vms := w.running(n)
	ctx, cancel := context.WithTimeout(w.ctx, 30*time.Second)
	defer cancel()
	var all errgroup.Group
	for _, from := range vms {
		all.Go(func() error {
			for _, to := range vms {
				for _, p := range to.IPs {
					if err := from.WaitPing(ctx, p.Addr()); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		w.t.Fatalf("%v\n%s", err, strings.Join(w.Log, "\n"))
	}
	w.broadcast(vms, vms)
}

// broadcast has each of the VMs send frames to all, and demands that all others
// get each of them once, and nobody else of those that listen.
func (w *world) broadcast(vms, listeners []*VM) {
	w.t.Helper()
	const (
		experimental = 0x88b5 // an EtherType for local experiments, IEEE 802
		frames       = 5
	)
	captures := make(map[*VM]*ovstest.Capture)
	for _, vm := range listeners {
		c, err := vm.StartCapture()
		w.check(err)
		captures[vm] = c
	}
	for i, vm := range vms {
		for range frames {
			frame := make([]byte, 60)
			copy(frame, "\xff\xff\xff\xff\xff\xff")
			copy(frame[6:], vm.MAC[:])
			binary.BigEndian.PutUint16(frame[12:], experimental)
			frame[14] = byte(i)
			w.check(vm.SendFrame(frame))
		}
	}
	got := func(c *ovstest.Capture, sender int) int {
		return c.Count(func(f ovstest.Frame) bool {
			return !f.Sent && f.EtherType() == experimental && f.Data[14] == byte(sender)
		})
	}
	member := make(map[*VM]bool)
	for _, vm := range vms {
		member[vm] = true
	}
	want := func(listener *VM, sender int) int {
		if !member[listener] || vms[sender] == listener {
			return 0
		}
		return frames
	}
	eventually(w.t, "broadcasts arrive", func() error {
		for vm, c := range captures {
			for i := range vms {
				if n := got(c, i); n < want(vm, i) {
					return fmt.Errorf("%s got %d of %d frames of %s", vm.Name, n, frames, vms[i].Name)
				}
			}
		}
		return nil
	})
	time.Sleep(100 * time.Millisecond) // for one that arrives once more
	for vm, c := range captures {
		w.check(c.Stop())
		for i := range vms {
			if n := got(c, i); n != want(vm, i) {
				w.t.Errorf("%s got %d frames of %s, want %d", vm.Name, n, vms[i].Name, want(vm, i))
			}
		}
	}
}
