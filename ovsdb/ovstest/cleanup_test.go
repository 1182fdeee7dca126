package ovstest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// remains lists what there is of a bed on this machine.
func remains(t *testing.T, id string) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"/run/" + id, "/run/netns/" + id + "-*", "/sys/class/net/" + id + "*"} {
		list, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, list...)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if text, err := os.ReadFile(p); err == nil && strings.Contains(string(text), "/run/"+id+"/") {
			found = append(found, p)
		}
	}
	return found
}

// populate gives a bed what a bed can have, with daemons in every condition.
func populate(t *testing.T, ctx context.Context, bed *ovstest.Bed) {
	t.Helper()
	va, _ := twoHosts(t, ctx, bed, "gre")
	if err := va.Start(exec.Command("sleep", "60")); err != nil {
		t.Fatal(err)
	}
	if _, err := va.ServeDHCP(netip.MustParseAddr("10.1.1.100"), netip.MustParseAddr("10.1.1.110"), netip.Addr{}, netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	if _, err := va.ServeVRRP(1, 1, netip.MustParsePrefix("10.1.1.200/24"), false); err != nil {
		t.Fatal(err)
	}
	if _, err := bed.AddVTEP(ctx, "ext", 1); err != nil {
		t.Fatal(err)
	}
	if err := va.Prepare(ctx, bed.Host("b")); err != nil {
		t.Fatal(err)
	}
	if err := bed.Host("b").Freeze(); err != nil {
		t.Fatal(err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	bed, err := ovstest.NewBed(t.Context(), ovstest.Options{Management: true})
	if err != nil {
		t.Fatal(err)
	}
	defer bed.Close()
	populate(t, t.Context(), bed)
	if len(remains(t, bed.ID)) == 0 {
		t.Fatal("saw nothing of a bed that stands")
	}
	for range 2 { // the second finds nothing to do
		if err := bed.Close(); err != nil {
			t.Error(err)
		}
		if left := remains(t, bed.ID); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}

func TestSweepTakesWhatTheDeadLeft(t *testing.T) {
	ctx := t.Context()
	crashed, err := ovstest.NewBed(ctx, ovstest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer crashed.Close()
	populate(t, ctx, crashed)
	kept, err := ovstest.NewBed(ctx, ovstest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := kept.Keep(); err != nil {
		t.Fatal(err)
	}
	disown(t, filepath.Join("/run", kept.ID, "owner.json"), "1")
	mine := ovstest.StartBed(t, ovstest.Options{})

	// Our own PID with another start time: that of a process that is no more.
	disown(t, filepath.Join("/run", crashed.ID, "owner.json"), "1")
	if err := ovstest.Sweep(); err != nil {
		t.Error(err)
	}
	if left := remains(t, crashed.ID); len(left) > 0 {
		t.Errorf("left of the crashed one: %q", left)
	}
	for _, b := range []*ovstest.Bed{kept, mine} {
		if len(remains(t, b.ID)) < 3 {
			t.Errorf("sweep took %s, which has an owner", b.ID)
		}
	}
}

func TestSweepTakesADeadSwitch(t *testing.T) {
	s := ovstest.StartSwitch(t)
	disown(t, filepath.Join(s.Dir(), "owner.json"), "1")
	if err := ovstest.Sweep(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Dir()); err == nil {
		t.Errorf("%s is still there", s.Dir())
	}
}

func disown(t *testing.T, path, start string) {
	t.Helper()
	var o map[string]any
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	o["start"] = start
	if text, err = json.Marshal(o); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherProcessOpensABed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	_, vb := twoHosts(t, ctx, bed, "vxlan")
	again, err := ovstest.OpenBed(bed.ID)
	if err != nil {
		t.Fatal(err)
	}
	if again.Controller != bed.Controller || len(again.Hosts()) != 2 || len(again.VMs()) != 2 {
		t.Fatalf("opened %+v", again)
	}
	va := again.VM("vm-a")
	if err := va.WaitPing(ctx, vb.IPs[0].Addr()); err != nil {
		t.Error(err)
	}
	if err := va.Move(ctx, again.Host("b")); err != nil {
		t.Error(err)
	}
	if err := again.Host("a").RestartOVSDB(ctx); err != nil {
		t.Error(err)
	}
	if err := va.Remove(ctx); err != nil {
		t.Error(err)
	}
	if err := again.Host("a").Remove(); err != nil {
		t.Error(err)
	}
	if again.Host("a") != nil || again.VM("vm-a") != nil {
		t.Error("removed, and still listed")
	}
	if _, err := ovstest.OpenBed("om-none"); err == nil {
		t.Error("opened a bed that is not there")
	}
}

func TestWrongAdditionsAreRefused(t *testing.T) {
	ctx := t.Context()
	bed := ovstest.StartBed(t, ovstest.Options{})
	h, err := bed.AddHost(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "a", "A", "-a", "a/b", strings.Repeat("a", 43)} {
		if _, err := bed.AddHost(ctx, name); err == nil {
			t.Errorf("host name %q was taken", name)
		}
	}
	mac := topology.MAC{2, 0, 0, 0, 0, 1}
	for _, spec := range []ovstest.VMSpec{
		{Name: "", Bridge: "br-phy", MAC: mac},
		{Name: "v", Bridge: "br-phy"},
		{Name: "v", Bridge: "br-phy", MAC: topology.MAC{1}},
		{Name: "v", Bridge: "nosuch", MAC: mac},
		{Name: "v", Bridge: "br-phy", MAC: mac, IPs: make([]netip.Prefix, 1)},
	} {
		if _, err := h.AddVM(ctx, spec); err == nil {
			t.Errorf("added VM %+v", spec)
		}
	}
	if vms := bed.VMs(); len(vms) != 0 {
		t.Errorf("refused VMs stay: %v", vms)
	}
	if ns, _ := filepath.Glob("/run/netns/" + bed.ID + "-v-*"); len(ns) != 0 {
		t.Errorf("their namespaces stay: %v", ns)
	}
	if out, err := h.VSCtl(ctx, "list-ports", "br-phy"); err != nil || out != "eth0" {
		t.Errorf("their ports stay: %q, %v", out, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	var group errgroup.Group
	for i := range 4 {
		group.Go(func() error {
			h, err := bed.AddHost(ctx, fmt.Sprintf("h%d", i))
			if err != nil {
				return err
			}
			var vms errgroup.Group
			for v := range 2 {
				vms.Go(func() error {
					_, err := h.AddVM(ctx, ovstest.VMSpec{
						Name: fmt.Sprintf("%s-v%d", h.Name, v), Bridge: "br-phy", MAC: topology.MAC{2, 0, 0, 0, byte(i), byte(v)},
					})
					return err
				})
			}
			return vms.Wait()
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	addrs := make(map[netip.Addr]bool)
	for _, h := range bed.Hosts() {
		addrs[h.Addr], addrs[h.Addr6] = true, true
	}
	if len(addrs) != 8 || len(bed.VMs()) != 8 {
		t.Errorf("%d addresses and %d VMs, want 8 and 8", len(addrs), len(bed.VMs()))
	}
}

func TestHostsReachTheController(t *testing.T) {
	for _, management := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		bed := ovstest.StartBed(t, ovstest.Options{Management: management})
		h, err := bed.AddHost(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		l := listen(t, netip.AddrPortFrom(bed.Controller, 0))
		l6 := listen(t, netip.AddrPortFrom(bed.Controller6, 0))
		if management {
			if err := h.Freeze(); err != nil {
				t.Fatal(err)
			}
		}
		for _, l := range []*listener{l, l6} {
			if _, err := h.VSCtl(ctx, "--no-wait", "set-manager", "tcp:"+l.Addr().String()); err != nil {
				t.Fatal(err)
			}
			if !l.accepted(ctx) {
				t.Errorf("management %v: no dial to %v", management, l.Addr())
			}
		}
	}
}
