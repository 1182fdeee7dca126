package ovstest_test

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

func TestEnvelopes(t *testing.T) {
	inner := frame(topology.MAC{2, 1}, topology.MAC{2, 2}, nil, "inner")
	for name, env := range map[string]ovstest.Envelope{
		"GRE":   {Key: 103, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")},
		"VXLAN": {VXLAN: true, Key: 1<<24 - 1, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), DstPort: 4789},
	} {
		t.Run(name, func(t *testing.T) {
			packet := append(make([]byte, 12), 0x08, 0x00)
			packet = append(packet, ovstest.Encapsulate(env, inner)...)
			for n := range len(packet) - len(inner) {
				if got, _, ok := ovstest.Decapsulate(ovstest.Frame{Data: packet[:n]}); ok {
					t.Errorf("the first %d bytes are %+v", n, got)
				}
			}
			got, in, ok := ovstest.Decapsulate(ovstest.Frame{Data: packet})
			if !ok || got != env || !bytes.Equal(in.Data, inner) {
				t.Errorf("got %+v, %x, %v; want %+v, %x", got, in.Data, ok, env, inner)
			}
		})
	}
}

// What a real switch sends is read, and what is made here a real switch takes.
func TestEnvelopesOnTheUnderlay(t *testing.T) {
	for encap, vxlan := range map[string]bool{"gre": false, "vxlan": true} {
		t.Run(encap, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			bed := ovstest.StartBed(t, ovstest.Options{})
			va, vb := twoHosts(t, ctx, bed, encap)
			a, b := bed.Host("a"), bed.Host("b")
			if err := va.WaitPing(ctx, vb.IPs[0].Addr()); err != nil {
				t.Fatal(err)
			}
			under, err := a.StartCapture()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := va.Ping(ctx, vb.IPs[0].Addr(), 5); err != nil {
				t.Fatal(err)
			}
			env := ovstest.Envelope{VXLAN: vxlan, Key: 103, Src: a.Addr, Dst: b.Addr}
			if vxlan {
				env.DstPort = 4789
			}
			sent := 0
			for deadline := time.Now().Add(30 * time.Second); sent < 5 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				sent = under.Count(func(f ovstest.Frame) bool {
					got, in, ok := ovstest.Decapsulate(f)
					return ok && f.Sent && got == env && in.EtherType() == 0x0800
				})
			}
			if sent != 5 {
				t.Errorf("the host sent %d pings in tunnels, want 5", sent)
			}
			if err := under.Stop(); err != nil {
				t.Error(err)
			}

			in, err := vb.StartCapture()
			if err != nil {
				t.Fatal(err)
			}
			forged := frame(vb.MAC, va.MAC, nil, "forged")
			if err := b.Inject(ctx, env, forged); err != nil {
				t.Fatal(err)
			}
			wrongKey := env
			wrongKey.Key++
			if err := b.Inject(ctx, wrongKey, forged); err != nil {
				t.Fatal(err)
			}
			arrived := func() int { return in.Count(func(f ovstest.Frame) bool { return bytes.Equal(f.Data, forged) }) }
			for deadline := time.Now().Add(30 * time.Second); arrived() == 0 && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(300 * time.Millisecond) // for those that must not come
			if err := in.Stop(); err != nil {
				t.Error(err)
			}
			if n := arrived(); n != 1 {
				t.Errorf("%d copies of a forged packet arrived, want that with the right key", n)
			}
			// The switch may be late, on a machine that is busy with other things.
			after, err := va.StartPing(ctx, vb.IPs[0].Addr(), 10*time.Millisecond, "-c", "5", "-W", "20")
			if err != nil {
				t.Fatal(err)
			}
			if r, err := after.Wait(); err != nil || r.Lost() > 0 {
				t.Errorf("ping after that = %+v, %v; want none lost", r, err)
			}
		})
	}
}

func TestKernelVXLAN(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	va, _ := twoHosts(t, ctx, bed, "vxlan")
	a := bed.Host("a")
	v, err := bed.AddVTEP(ctx, "ext", 103, a.Addr)
	if err != nil {
		t.Fatal(err)
	}
	tunnel(t, ctx, a, "vxlan", v.Addr)
	vm, err := v.AddVM(ctx, ovstest.VMSpec{
		Name: "vm-x", MAC: topology.MAC{2, 0, 0, 0, 0, 9},
		IPs: []netip.Prefix{netip.MustParsePrefix("10.1.1.9/24"), netip.MustParsePrefix("fd10::9/64")},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkTraffic(t, ctx, va, vm)
	if _, err := v.AddVM(ctx, ovstest.VMSpec{Name: "vm-x", MAC: vm.MAC}); err == nil {
		t.Error("a second VM of one name was added")
	}
	if err := vm.Remove(ctx); err != nil {
		t.Error(err)
	}
}

func TestHostOfTheOldPlugin(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	va, vb := twoHosts(t, ctx, bed, "gre")
	hosts := bed.Hosts()
	for i, vm := range []*ovstest.VM{va, vb} {
		h, peer := hosts[i], hosts[1-i]
		if _, err := h.VSCtl(ctx, "del-port", "tun0"); err != nil {
			t.Fatal(err)
		}
		name, err := h.PluginTunnel(ctx, "xapi1", 103, i+1, 2-i, peer.Addr)
		if err != nil || name != []string{"t103-1-2", "t103-2-1"}[i] {
			t.Fatalf("tunnel %q, %v", name, err)
		}
		if err := h.PluginVIF(ctx, "xapi1", vm.Interface); err != nil {
			t.Fatal(err)
		}
		if err := h.PluginDelivery(ctx, "xapi1", vm.Interface); err != nil {
			t.Fatal(err)
		}
	}
	checkTraffic(t, ctx, va, vb)
}

func TestOldHostLacksColumns(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	h, err := bed.AddOldHost(ctx, "old", "Port.protected", "Bridge.flood_vlans")
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Exec(ctx, "ovsdb-client", "list-columns", "unix:"+h.DBSocket(), "Open_vSwitch", "Port")
	if err != nil || strings.Contains(out, "protected") || !strings.Contains(out, "vlan_mode") {
		t.Errorf("columns %q, %v; want all but protected", out, err)
	}
	if err := h.AddBridge(ctx, "xapi1"); err != nil {
		t.Error(err)
	}
	if err := h.RestartVSwitchd(ctx); err != nil {
		t.Error(err)
	}
	if _, err := bed.AddOldHost(ctx, "odd", "Port.nosuch"); err == nil || bed.Host("odd") != nil {
		t.Errorf("a column that is not there was left out: %v", err)
	}
}
