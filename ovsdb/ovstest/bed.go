package ovstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
)

const (
	prefix     = "om-"
	runDir     = "/run"        // a bed's directory is runDir/om-XX, XX its number in hex
	switchDirs = "/tmp/om-sw-" // a switch's
	stateFile  = "bed.json"
	fabricLink = "br0" // the bridge in the fabric's namespace
	maxBeds    = 256   // the third octet of a bed's IPv4 network
	maxHosts   = 240
)

// Options says what kind of bed NewBed makes. The zero value will do.
type Options struct {
	// Management gives every host a second, kernel-only link to the
	// controller. Without it a host reaches the controller through its br-phy,
	// so that its OVSDB connection breaks whenever ovs-vswitchd stops.
	Management bool `json:"management,omitempty"`
}

// Bed is a number of hosts on one underlay, and the VMs that run on them.
//
//	namespace of this process    om-XX-fabric     om-XX-h-NAME          om-XX-v-NAME
//	 om-XX 10.211.N.1 ──────────── br0 ──────────── eth0 in br-phy
//	                                │              10.211.N.10
//	                                │                xapi1 ── vif1.0 ──── eth0
//	                                └── (the next host)
//
// A controller that listens in the namespace of this process is reached by the
// hosts at Controller: a daemon started by hand needs no namespace. All links
// are veth pairs with an MTU of 1500; br0 is a Linux bridge.
//
// Methods may be called by several goroutines, but not two at a time for one
// host or VM.
type Bed struct {
	ID          string     `json:"id"`          // "om-3f"
	Controller  netip.Addr `json:"controller"`  // the controller's address on the bed
	Controller6 netip.Addr `json:"controller6"` // likewise IPv6
	Options     Options    `json:"options"`
	Number      int        `json:"number"` // of the bed: its networks follow from it

	mu    sync.Mutex
	hosts map[string]*Host
	vms   map[string]*VM
}

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$`)

// NewBed makes a bed without hosts. What it made is removed by Close, and on
// an error before it returns.
func NewBed(ctx context.Context, opts Options) (*Bed, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a test bed makes network namespaces: run as root")
	}
	// Leftovers of others are no reason to fail; they are tried again next time.
	_ = Sweep()
	number, err := claimBed()
	if err != nil {
		return nil, err
	}
	b := &Bed{
		ID: bedID(number), Number: number, Options: opts,
		hosts: make(map[string]*Host), vms: make(map[string]*VM),
	}
	b.Controller, b.Controller6 = b.addr4(underlay, 1), b.addr6(underlay, 1)
	if opts.Management {
		b.Controller, b.Controller6 = b.addr4(management, 1), b.addr6(management, 1)
	}
	if err := b.build(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// StartBed makes a bed that is closed when the test ends. If the test fails,
// the logs of all hosts are printed.
func StartBed(tb testing.TB, opts Options) *Bed {
	tb.Helper()
	b, err := NewBed(context.Background(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			for _, h := range b.Hosts() {
				tb.Logf("=== host %s\n%s", h.Name, h.Logs())
			}
		}
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

// OpenBed finds a bed that another process made and that still stands.
func OpenBed(id string) (*Bed, error) {
	text, err := os.ReadFile(filepath.Join(runDir, id, stateFile))
	if err != nil {
		return nil, fmt.Errorf("open bed %s: %w", id, err)
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("open bed %s: %w", id, err)
	}
	b := s.Bed
	b.hosts, b.vms = make(map[string]*Host), make(map[string]*VM)
	for _, h := range s.Hosts {
		h.bed, h.OVS = b, &OVS{dir: b.hostDir(h.Name), ns: b.hostNS(h.Name), vswitchd: hostFlags()}
		b.hosts[h.Name] = h
	}
	for _, vm := range s.VMs {
		vm.bed = b
		b.vms[vm.Name] = vm
	}
	return b, nil
}

// Close stops and removes everything of the bed. It is idempotent.
func (b *Bed) Close() error { return RemoveBed(b.ID) }

// Keep lets the bed outlive this process: Sweep spares it from now on, and it
// stands until someone opens and closes it.
func (b *Bed) Keep() error { return claim(b.Dir(), true) }

// Host returns the host of that name, or nil.
func (b *Bed) Host(name string) *Host {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hosts[name]
}

// Hosts returns all hosts in the order in which they were added.
func (b *Bed) Hosts() []*Host {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sortedHosts()
}

func (b *Bed) sortedHosts() []*Host {
	var list []*Host
	for _, h := range b.hosts {
		list = append(list, h)
	}
	slices.SortFunc(list, func(x, y *Host) int { return x.Index - y.Index })
	return list
}

// VM returns the VM of that name, or nil.
func (b *Bed) VM(name string) *VM {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.vms[name]
}

// VMs returns all VMs sorted by name.
func (b *Bed) VMs() []*VM {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sortedVMs()
}

func (b *Bed) sortedVMs() []*VM {
	var list []*VM
	for _, vm := range b.vms {
		list = append(list, vm)
	}
	slices.SortFunc(list, func(x, y *VM) int { return strings.Compare(x.Name, y.Name) })
	return list
}

// state is a bed as it lies on disk.
type state struct {
	Bed   *Bed    `json:"bed"`
	Hosts []*Host `json:"hosts"`
	VMs   []*VM   `json:"vms"`
}

// save writes the bed's state, for OpenBed.
func (b *Bed) save() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	text, err := json.MarshalIndent(state{b, b.sortedHosts(), b.sortedVMs()}, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(b.Dir(), stateFile)
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// claimBed takes the lowest bed number whose networks are free on this machine.
func claimBed() (int, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 0, fmt.Errorf("list routes: %w", err)
	}
	for n := range maxBeds {
		b := Bed{Number: n}
		if slices.ContainsFunc(routes, func(r netlink.Route) bool {
			return r.Dst != nil && (covers(r.Dst, b.addr4(underlay, 1)) || covers(r.Dst, b.addr4(management, 1)))
		}) {
			continue
		}
		dir := filepath.Join(runDir, bedID(n))
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if err := claim(dir, false); err != nil {
			return 0, errors.Join(err, os.RemoveAll(dir))
		}
		return n, nil
	}
	return 0, fmt.Errorf("all %d beds of this machine are in use", maxBeds)
}

func bedID(n int) string { return fmt.Sprintf("%s%02x", prefix, n) }

// Dir is the bed's directory. What its user puts there goes with the bed.
func (b *Bed) Dir() string { return filepath.Join(runDir, b.ID) }

func (b *Bed) hostDir(name string) string { return filepath.Join(b.Dir(), "h-"+name) }
func (b *Bed) fabricNS() string           { return b.ID + "-fabric" }
func (b *Bed) hostNS(name string) string  { return b.ID + "-h-" + name }
func (b *Bed) vmNS(name string) string    { return b.ID + "-v-" + name }
