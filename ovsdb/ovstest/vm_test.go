package ovstest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// experimental is the EtherType of IEEE 802 for experiments: none but these
// tests sends it.
const experimental = 0x88b5

func frame(dst, src topology.MAC, tag []byte, payload string) []byte {
	b := append([]byte{}, dst[:]...)
	b = append(b, src[:]...)
	b = append(b, tag...)
	b = binary.BigEndian.AppendUint16(b, experimental)
	b = append(b, payload...)
	return append(b, make([]byte, max(0, 60-len(b)))...)
}

func TestCaptureCountsInjectedFrames(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	va, vb := twoHosts(t, ctx, bed, "gre")
	if err := va.WaitPing(ctx, vb.IPs[0].Addr()); err != nil {
		t.Fatal(err)
	}
	sent, err := va.StartCapture()
	if err != nil {
		t.Fatal(err)
	}
	got, err := vb.StartCapture()
	if err != nil {
		t.Fatal(err)
	}
	plain := frame(vb.MAC, va.MAC, nil, "plain")
	tagged := frame(vb.MAC, va.MAC, []byte{0x81, 0x00, 0x00, 0x07}, "tagged")
	for range 10 {
		for _, f := range [][]byte{plain, tagged} {
			if err := va.SendFrame(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	is := func(want []byte, sent bool) func(ovstest.Frame) bool {
		return func(f ovstest.Frame) bool { return f.Sent == sent && bytes.Equal(f.Data, want) }
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got.Count(is(plain, false)) == 10 && got.Count(is(tagged, false)) == 10 {
			break
		}
	}
	for _, c := range []*ovstest.Capture{sent, got} {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		if err := c.Stop(); err != nil {
			t.Errorf("second Stop: %v", err)
		}
	}
	if p, q := got.Count(is(plain, false)), got.Count(is(tagged, false)); p != 10 || q != 10 {
		t.Errorf("%d plain and %d tagged frames arrived, want 10 each", p, q)
	}
	if n := sent.Count(func(f ovstest.Frame) bool { return f.Sent && f.EtherType() == experimental }); n != 20 {
		t.Errorf("saw %d frames leave, want 20", n)
	}
}

func TestPingCountsEveryLoss(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	va, vb := twoHosts(t, ctx, bed, "vxlan")
	addr := vb.IPs[0].Addr()
	if err := va.WaitPing(ctx, addr); err != nil {
		t.Fatal(err)
	}
	b := bed.Host("b")
	if err := b.CutUnderlay(ctx); err != nil {
		t.Fatal(err)
	}
	if r, err := va.Ping(ctx, addr, 5); err != nil || r.Sent != 5 || r.Lost() != 5 {
		t.Errorf("ping over a cut underlay = %+v, %v; want 5 lost", r, err)
	}
	if err := b.RestoreUnderlay(ctx); err != nil {
		t.Fatal(err)
	}
	if err := va.WaitPing(ctx, addr); err != nil {
		t.Error(err)
	}
	if err := b.Freeze(); err != nil {
		t.Fatal(err)
	}
	if r, err := va.Ping(ctx, addr, 5); err != nil || r.Received != 0 {
		t.Errorf("ping through a frozen switch = %+v, %v; want 5 lost", r, err)
	}
	if err := b.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := b.RestartVSwitchd(ctx); err != nil {
		t.Fatal(err)
	}
	if err := va.WaitPing(ctx, addr); err != nil {
		t.Errorf("after ovs-vswitchd's restart: %v", err)
	}
}

func TestVMMovesWithItsConnections(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed := ovstest.StartBed(t, ovstest.Options{})
	va, vb := twoHosts(t, ctx, bed, "gre")
	if err := va.WaitPing(ctx, vb.IPs[0].Addr()); err != nil {
		t.Fatal(err)
	}
	ping, err := vb.StartPing(ctx, va.IPs[0].Addr(), 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := vb.Prepare(ctx, bed.Host("a")); err != nil {
		t.Fatal(err)
	}
	if err := vb.Prepare(ctx, bed.Host("a")); err == nil {
		t.Error("prepared a second migration of one VM")
	}
	for _, h := range bed.Hosts() {
		out, err := h.VSCtl(ctx, "--bare", "--columns=external_ids", "find", "Interface", `external_ids:attached-mac="`+vb.MAC.String()+`"`)
		if err != nil || out == "" {
			t.Errorf("host %s knows no VIF of %s while it migrates: %q, %v", h.Name, vb.Name, out, err)
		}
	}
	if err := vb.Switch(ctx); err != nil {
		t.Fatal(err)
	}
	if err := vb.Switch(ctx); err == nil {
		t.Error("ended a migration that was not prepared")
	}
	if vb.Host != "a" {
		t.Errorf("the VM is on %s, want a", vb.Host)
	}
	if err := va.WaitPing(ctx, vb.IPs[0].Addr()); err != nil {
		t.Error(err)
	}
	r, err := ping.Stop()
	if err != nil || r.Received == 0 {
		t.Errorf("the ping that ran meanwhile = %+v, %v", r, err)
	}
	if out, err := bed.Host("b").VSCtl(ctx, "list-ports", "xapi1"); err != nil || out != "tun0" {
		t.Errorf("ports left on b = %q, %v; want tun0 alone", out, err)
	}
}
