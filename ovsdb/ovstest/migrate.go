package ovstest

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// Resume lets the VM run on the target of the migration that Prepare began, its
// processes and sockets with it. Its VIF on the source may still be there, or have
// been unplugged. It returns that VIF, for Unplug; Switch does both at once.
func (vm *VM) Resume(_ context.Context) (VIF, error) {
	if vm.Next == nil {
		return VIF{}, fmt.Errorf("VM %s: no migration was prepared", vm.Name)
	}
	old := VIF{vm.Host, vm.Interface}
	err := renameDown(end{vm.Namespace(), "eth0"}, "old0")
	if err == nil || errors.As(err, &netlink.LinkNotFoundError{}) {
		err = renameDown(end{vm.Namespace(), "next0"}, "eth0")
	}
	if err = errors.Join(err, vm.configure("eth0")); err != nil {
		return old, fmt.Errorf("move VM %s: %w", vm.Name, err)
	}
	vm.place(*vm.Next, nil)
	return old, errors.Join(vm.Announce(), vm.bed.save())
}

// Unplug takes a VIF that a migration has left behind off its host. One that is
// gone is no error.
func (vm *VM) Unplug(ctx context.Context, vif VIF) error { return vm.unplug(ctx, vif) }

// renameDown gives a device another name; it is down then, and has no address.
func renameDown(e end, name string) error {
	return withLink(e, func(link netlink.Link) error {
		if err := netlink.LinkSetDown(link); err != nil {
			return err
		}
		addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for i := range addrs {
			if err := netlink.AddrDel(link, &addrs[i]); err != nil {
				return err
			}
		}
		return netlink.LinkSetName(link, name)
	})
}
