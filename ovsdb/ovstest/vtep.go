package ovstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// VTEP is a tunnel endpoint without Open vSwitch: a namespace on the underlay
// with the kernel's VXLAN device in a Linux bridge, and VMs on that. It goes
// with the bed.
type VTEP struct {
	Name string
	Addr netip.Addr // on the underlay

	bed *Bed
	ns  string
	vms int
}

// vteps is how many VTEPs a bed has room for, above its hosts.
const vteps = 5

// AddVTEP makes an endpoint of a VXLAN. What it floods, and what it knows no
// endpoint for, goes to all remotes; where stations are it learns.
func (b *Bed) AddVTEP(ctx context.Context, name string, vni uint32, remotes ...netip.Addr) (*VTEP, error) {
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("VTEP name %q: want lower-case letters, digits and inner hyphens, at most 42", name)
	}
	v := &VTEP{Name: name, bed: b, ns: b.ID + "-x-" + name}
	index := -1
	for i := range vteps {
		far := end{b.fabricNS(), fmt.Sprintf("x%d", i)}
		if withLink(far, func(netlink.Link) error { return nil }) == nil {
			continue
		}
		index = i
		break
	}
	if index < 0 {
		return nil, fmt.Errorf("a bed has room for %d VTEPs", vteps)
	}
	v.Addr = b.addr4(underlay, maxHosts+10+index)
	if err := v.build(ctx, index, vni, remotes); err != nil {
		return nil, errors.Join(fmt.Errorf("add VTEP %s: %w", name, err), delNS(context.WithoutCancel(ctx), v.ns))
	}
	return v, nil
}

func (v *VTEP) build(ctx context.Context, index int, vni uint32, remotes []netip.Addr) error {
	if err := addNS(ctx, v.ns); err != nil {
		return err
	}
	if err := setSysctls(v.ns, "ipv6/conf/default/disable_ipv6=1"); err != nil {
		return err
	}
	near, far := end{v.ns, "eth0"}, end{v.bed.fabricNS(), fmt.Sprintf("x%d", index)}
	if err := addVeth(near, far, underlayMTU); err != nil {
		return err
	}
	err := errors.Join(v.bed.attach(far, v.bed.fabricOf(underlay)),
		checksumInSoftware(near), bringUp(near, netip.PrefixFrom(v.Addr, 24)))
	if err != nil {
		return err
	}
	if err := inNS(v.ns, func() error { return v.addVXLAN(vni, remotes) }); err != nil {
		return err
	}
	return errors.Join(bringUp(end{v.ns, fabricLink}), bringUp(end{v.ns, "vxlan0"}))
}

// addVXLAN makes the device and its bridge, in the VTEP's namespace.
func (v *VTEP) addVXLAN(vni uint32, remotes []netip.Addr) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fabricLink
	noSnooping := false
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &noSnooping}
	if err := netlink.LinkAdd(bridge); err != nil {
		return err
	}
	attrs = netlink.NewLinkAttrs()
	attrs.Name = "vxlan0"
	device := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: int(vni), SrcAddr: v.Addr.AsSlice(), Port: 4789, Learning: true}
	if err := netlink.LinkAdd(device); err != nil {
		return fmt.Errorf("add VXLAN device: %w", err)
	}
	if err := netlink.LinkSetMaster(device, bridge); err != nil {
		return err
	}
	for _, r := range remotes {
		// An entry of no station: where to flood to, bridge(8).
		err := netlink.NeighAppend(&netlink.Neigh{
			LinkIndex: device.Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF, State: netlink.NUD_PERMANENT,
			HardwareAddr: make(net.HardwareAddr, 6), IP: r.AsSlice(),
		})
		if err != nil {
			return fmt.Errorf("flood to %s: %w", r, err)
		}
	}
	return nil
}

// AddVM starts a VM behind the endpoint. Only Name, MAC, IPs and MTU of its
// spec count; it can't move.
func (v *VTEP) AddVM(ctx context.Context, spec VMSpec) (*VM, error) {
	vm, err := v.bed.newVM(spec)
	if err != nil {
		return nil, err
	}
	v.vms++
	port := end{v.ns, fmt.Sprintf("vm%d", v.vms)}
	err = vm.makeNS(ctx)
	if err == nil {
		err = addVeth(port, end{vm.Namespace(), "eth0"}, vm.MTU)
	}
	if err == nil {
		err = errors.Join(v.bed.attach(port, fabricLink), vm.configure("eth0"))
	}
	if err != nil {
		return nil, fmt.Errorf("add VM %s: %w", spec.Name, errors.Join(err, vm.Remove(context.WithoutCancel(ctx))))
	}
	return vm, v.bed.save()
}

// Namespace is the name of the endpoint's network namespace, as of ip-netns(8).
func (v *VTEP) Namespace() string { return v.ns }
