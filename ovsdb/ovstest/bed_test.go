package ovstest_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// twoHosts starts hosts a and b with a bridge xapi1 each, joined by one tunnel
// made by hand, and a VM on each: 10.1.1.1 and fd10::1 on a, .2 on b.
func twoHosts(t *testing.T, ctx context.Context, bed *ovstest.Bed, encap string) (va, vb *ovstest.VM) {
	t.Helper()
	var vms []*ovstest.VM
	for i, name := range []string{"a", "b"} {
		h, err := bed.AddHost(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.AddBridge(ctx, "xapi1"); err != nil {
			t.Fatal(err)
		}
		vm, err := h.AddVM(ctx, ovstest.VMSpec{
			Name: "vm-" + name, Bridge: "xapi1", MAC: topology.MAC{2, 0, 0, 0, 0, byte(i + 1)},
			IPs: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.1.1.%d/24", i+1)),
				netip.MustParsePrefix(fmt.Sprintf("fd10::%d/64", i+1)),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		vms = append(vms, vm)
	}
	a, b := bed.Host("a"), bed.Host("b")
	tunnel(t, ctx, a, encap, b.Addr)
	tunnel(t, ctx, b, encap, a.Addr)
	return vms[0], vms[1]
}

// tunnel makes or changes the one tunnel port of a host.
func tunnel(t *testing.T, ctx context.Context, h *ovstest.Host, encap string, remote netip.Addr) {
	t.Helper()
	_, err := h.VSCtl(ctx, "--may-exist", "add-port", "xapi1", "tun0", "--", "set", "Interface", "tun0",
		"type="+encap, "options:key=103", fmt.Sprintf("options:remote_ip=%q", remote))
	if err != nil {
		t.Fatal(err)
	}
}

func TestBedCarriesPackets(t *testing.T) {
	for _, encap := range []string{"gre", "vxlan"} {
		t.Run(encap, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			bed := ovstest.StartBed(t, ovstest.Options{})
			va, vb := twoHosts(t, ctx, bed, encap)
			checkTraffic(t, ctx, va, vb)

			a, b := bed.Host("a"), bed.Host("b")
			tunnel(t, ctx, a, encap, b.Addr6)
			tunnel(t, ctx, b, encap, a.Addr6)
			checkTraffic(t, ctx, va, vb)
		})
	}
}

// checkTraffic demands that everything from va reaches vb.
func checkTraffic(t *testing.T, ctx context.Context, va, vb *ovstest.VM) {
	t.Helper()
	for _, ip := range vb.IPs {
		addr := ip.Addr()
		if err := va.WaitPing(ctx, addr); err != nil {
			t.Fatal(err)
		}
		// Just after a tunnel was changed ovs-vswitchd revises what it has in
		// its cache, and a packet may be lost on a busy machine.
		var r ovstest.PingResult
		for range 3 {
			var err error
			if r, err = va.Ping(ctx, addr, 20); err != nil || r.Sent != 20 || r.Duplicates != 0 {
				t.Errorf("ping %v = %+v, %v; want 20 of 20", addr, r, err)
			}
			if r.Lost() == 0 {
				break
			}
		}
		if r.Lost() > 0 {
			t.Errorf("ping %v = %+v, thrice not 20 of 20", addr, r)
		}
		if err := va.Transfer(ctx, vb, addr, 1<<20); err != nil {
			t.Error(err)
		}
	}
}
