package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// settleWait is how long the mesh may take to follow the VMs.
const settleWait = 30 * time.Second

// startVMs starts the VMs side by side. The same VM of both tenants has the
// same addresses.
func (d *demo) startVMs(ctx context.Context) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, h := range d.bed.Hosts() {
		group.Go(func() error {
			for k := range d.size.vms {
				for _, n := range demoNetworks {
					if _, err := h.AddVM(gctx, n.vm(h, k+1)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, vm := range d.bed.VMs() {
		fmt.Fprintf(d.out, "%-14s on %s at %s/%s  %s  %s\n", vm.Name, vm.Host, vm.Bridge, vm.Interface, vm.MAC, strings.Join(addresses(vm), " "))
	}
	return nil
}

// topologyJSON is what the demo reads of "ovsmesh topology -o json".
type topologyJSON struct {
	Networks []struct {
		Name          string `json:"name"`
		Ports         int    `json:"ports"`
		TunnelsWanted int    `json:"tunnelsWanted"`
		TunnelsUp     int    `json:"tunnelsUp"`
		InSync        bool   `json:"inSync"`
	} `json:"networks"`
}

// showTopology waits until the mesh has followed the VMs and shows it.
func (d *demo) showTopology(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	for {
		settled, err := d.settled(ctx)
		if settled {
			break
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the mesh was not complete after %v", settleWait), err, d.show(context.WithoutCancel(ctx), "topology"))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.Join(d.show(ctx, "topology"), d.show(ctx, "topology", "tunnels"))
}

func (d *demo) settled(ctx context.Context) (bool, error) {
	out, err := d.query(ctx, "topology", "-o", "json")
	if err != nil {
		return false, err
	}
	var t topologyJSON
	if err := json.Unmarshal(out, &t); err != nil {
		return false, err
	}
	want := make(map[string]bool)
	for _, n := range demoNetworks {
		want[n.Name] = true
	}
	for _, n := range t.Networks {
		tunnels := d.size.hosts * (d.size.hosts - 1)
		if n.InSync && n.Ports == d.size.hosts*d.size.vms && n.TunnelsWanted == tunnels && n.TunnelsUp == tunnels {
			delete(want, n.Name)
		}
	}
	return len(want) == 0, nil
}

// of returns the VMs of a network.
func (d *demo) of(n network) []*ovstest.VM {
	var list []*ovstest.VM
	for _, vm := range d.bed.VMs() {
		if vm.Bridge == n.Bridge {
			list = append(list, vm)
		}
	}
	return list
}

// pingAll pings from every VM to every other of its network, over IPv4 and
// IPv6, and prints one line a VM.
func (d *demo) pingAll(ctx context.Context) error {
	var errs []error
	for _, n := range demoNetworks {
		vms := d.of(n)
		for _, from := range vms {
			fmt.Fprintf(d.out, "%-7s %-12s", n.Tenant, from.Name)
			for _, to := range vms {
				if from == to {
					continue
				}
				text := "ok"
				for _, ip := range to.IPs {
					if err := ping(ctx, from, to, ip.Addr()); err != nil {
						errs = append(errs, err)
						text = "FAILED"
					}
				}
				fmt.Fprintf(d.out, "  → %s %s", to.Name, text)
			}
			fmt.Fprintln(d.out)
		}
	}
	return errors.Join(errs...)
}

// checkIsolation has every VM send a marked broadcast, multicast and unknown
// unicast, and captures at all VMs: each must see the frames of its own network
// once, and no other.
func (d *demo) checkIsolation(ctx context.Context) error {
	vms := d.bed.VMs()
	captures := make(map[*ovstest.VM]*ovstest.Capture)
	for _, vm := range vms {
		c, err := vm.StartCapture()
		if err != nil {
			return err
		}
		defer c.Stop()
		captures[vm] = c
	}
	for _, vm := range vms {
		for _, dst := range floodedAddresses {
			if err := vm.SendFrame(marked(dst, vm.MAC, vm.Bridge)); err != nil {
				return err
			}
		}
	}
	own := func(vm *ovstest.VM) func(ovstest.Frame) bool {
		return func(f ovstest.Frame) bool { return !f.Sent && markOf(f) == vm.Bridge }
	}
	want := len(floodedAddresses) * (d.size.hosts*d.size.vms - 1)
	waitFor(ctx, 5*time.Second, func() bool {
		for vm, c := range captures {
			if c.Count(own(vm)) < want {
				return false
			}
		}
		return true
	})
	time.Sleep(200 * time.Millisecond) // for copies that should not come

	var errs []error
	for _, n := range demoNetworks {
		arrived, strangers := 0, 0
		for _, vm := range d.of(n) {
			c := captures[vm]
			errs = append(errs, c.Stop())
			got := c.Count(own(vm))
			arrived += got
			if got != want {
				errs = append(errs, fmt.Errorf("%s saw %d flooded frames of its network, want %d", vm.Name, got, want))
			}
			strangers += c.Count(func(f ovstest.Frame) bool { return !f.Sent && markOf(f) != "" && markOf(f) != vm.Bridge })
		}
		fmt.Fprintf(d.out, "%-7s broadcast, multicast, unknown unicast: %d frames arrived at its VMs (want %d), %d of the other tenant (want 0)\n",
			n.Tenant, arrived, want*len(d.of(n)), strangers)
		if strangers > 0 {
			errs = append(errs, fmt.Errorf("%d frames of another tenant reached %s", strangers, n.Tenant))
		}
	}
	return errors.Join(errs...)
}

// ping wants five replies to five requests, once a first one has resolved what
// there is to resolve on the way.
func ping(ctx context.Context, from, to *ovstest.VM, addr netip.Addr) error {
	first, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := from.WaitPing(first, addr); err != nil {
		return err
	}
	const count = 5
	r, err := from.Ping(ctx, addr, count)
	if err != nil {
		return err
	}
	if r.Received != count || r.Duplicates != 0 {
		return fmt.Errorf("ping from %s to %s at %v: %d of %d replies, %d duplicates", from.Name, to.Name, addr, r.Received, r.Sent, r.Duplicates)
	}
	return nil
}

// experimental is the EtherType that IEEE 802 sets aside for experiments.
const experimental = 0x88b5

// floodedAddresses are destinations that reach every VM of a network: broadcast,
// an IPv4 and an IPv6 multicast group, and a station that there is not.
var floodedAddresses = [...]topology.MAC{
	{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01},
	{0x33, 0x33, 0x00, 0x00, 0x00, 0x01},
	{0x02, 0xee, 0xee, 0xee, 0xee, 0xee},
}

// marked is a frame that carries a text.
func marked(dst, src topology.MAC, mark string) []byte {
	frame := append(append([]byte{}, dst[:]...), src[:]...)
	frame = binary.BigEndian.AppendUint16(frame, experimental)
	frame = append(frame, mark...)
	return append(frame, make([]byte, 60-len(frame))...)
}

// markOf returns the text of a frame that marked made, else "".
func markOf(f ovstest.Frame) string {
	if f.EtherType() != experimental {
		return ""
	}
	return strings.TrimRight(string(f.Data[14:]), "\x00")
}

// waitFor waits until ok says so, but no longer than limit.
func waitFor(ctx context.Context, limit time.Duration, ok func() bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// audit has ovsmesh compare the switches with what should be there; it ends
// with 2 where they differ.
func (d *demo) audit(ctx context.Context) error { return d.show(ctx, "audit") }
