package ovstest_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

func TestVMsServeAddresses(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	va, vb := twoHosts(t, ctx, bed, "gre")
	if err := va.WaitPing(ctx, vb.IPs[0].Addr()); err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	dhcp, err := va.ServeDHCP(addr("10.1.1.100"), addr("10.1.1.110"), addr("fd10::1000"), addr("fd10::10ff"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Log(dhcp.Log())
		}
	}()
	if err := vb.Boot(ctx, false); err != nil {
		t.Fatal(err)
	}
	if _, err := vb.WaitAddr(ctx, netip.MustParsePrefix("fe80::/64")); err != nil {
		t.Fatal(err)
	}
	for family, want := range map[int]netip.Prefix{4: netip.MustParsePrefix("10.1.1.96/27"), 6: netip.MustParsePrefix("fd10::1000/120")} {
		if got, err := vb.Lease(ctx, family); err != nil || !want.Contains(got) {
			t.Errorf("lease of family %d = %v, %v; want one of %v", family, got, err, want)
		}
	}
	if err := dhcp.Stop(); err != nil || dhcp.Running() {
		t.Errorf("Stop = %v, running %v", err, dhcp.Running())
	}
	if err := dhcp.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}

	ra, err := va.ServeRA(netip.MustParsePrefix("fd20::/64"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vb.WaitAddr(ctx, netip.MustParsePrefix("fd20::/64")); err != nil {
		t.Error(err, ra.Log())
	}
	short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	if got, err := vb.WaitAddr(short, netip.MustParsePrefix("fd99::/64")); err == nil {
		t.Errorf("an address that nobody advertised: %v", got)
	}
	if got, err := vb.Lease(short, 4); err == nil {
		t.Errorf("a lease without a server: %v", got)
	}
}

func TestVMsShareAnAddress(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	va, vb := twoHosts(t, ctx, bed, "gre")
	vip := netip.MustParsePrefix("10.1.1.200/24")
	for _, ownMAC := range []bool{true, false} {
		one, err := va.ServeVRRP(51, 200, vip, ownMAC)
		if err != nil {
			t.Fatal(err)
		}
		two, err := vb.ServeVRRP(51, 100, vip, ownMAC)
		if err != nil {
			t.Fatal(err)
		}
		want := va.MAC
		if !ownMAC {
			want = ovstest.VRRPMAC(51)
		}
		// Until it hears of the other one it may have the address itself.
		for neigh := ""; !strings.Contains(neigh, want.String()); {
			if err := vb.WaitPing(ctx, vip.Addr()); err != nil {
				t.Fatalf("own MAC %v: the address is at %q, want %v: %v %s", ownMAC, neigh, want, err, one.Log())
			}
			if neigh, err = vb.Exec(ctx, "ip", "neigh", "show", vip.Addr().String(), "dev", "eth0"); err != nil {
				t.Fatal(err)
			}
		}
		gone(t, ctx, one, va, vip)
		// The other takes over after three adverts that did not come.
		if err := va.WaitPing(ctx, vip.Addr()); err != nil {
			t.Fatal(err, two.Log())
		}
		gone(t, ctx, two, vb, vip)
		for _, vm := range []*ovstest.VM{va, vb} {
			if _, err := vm.Exec(ctx, "ip", "neigh", "flush", "dev", "eth0"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// gone kills a keepalived and takes away what a machine that dies takes along.
func gone(t *testing.T, ctx context.Context, d *ovstest.Daemon, vm *ovstest.VM, vip netip.Prefix) {
	t.Helper()
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err := vm.Exec(ctx, "sh", "-c", "ip link del vrrp0 2>/dev/null || ip addr del "+vip.String()+" dev eth0")
	if err != nil {
		t.Fatal(err)
	}
}
