package ovstest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"

	"github.com/vishvananda/netlink"

	"ovsmesh/topology"
)

// defaultVMMTU fits into GRE and VXLAN over IPv4 and IPv6 on an underlay of
// 1500.
const defaultVMMTU = 1400

// VMSpec says what AddVM is to make.
type VMSpec struct {
	Name    string // unique on the bed; [a-z0-9][-a-z0-9]*
	Bridge  string // that its VIF is plugged into
	MAC     topology.MAC
	IPs     []netip.Prefix    // inner addresses with the length of their network
	IfaceID string            // external_ids:iface-id; a random UUID otherwise
	Network string            // external_ids:ovsmesh-network, where not empty
	IDs     map[string]string // further external_ids of the Interface, or others in place of the usual
	Bare    bool              // no external_ids but IDs and Network: a switch that no toolstack serves
	MTU     int               // 0: 1400
}

// VM is a virtual machine: a network namespace whose eth0 is one end of a veth
// pair, the other being the VIF on its host.
type VM struct {
	VMSpec
	Host      string `json:"host"`
	Interface string `json:"interface"`      // the VIF on the host, "vif1.0"
	Next      *VIF   `json:"next,omitempty"` // where a migration is under way
	VMID      string `json:"vmID"`           // external_ids:vm-id
	bed       *Bed
}

// VIF is a VM's interface on a host.
type VIF struct {
	Host      string `json:"host"`
	Interface string `json:"interface"`
}

// AddVM starts a VM on the host. Its VIF carries the external_ids that libvirt
// sets: attached-mac, iface-id, vm-id, and iface-status=active. On an error
// nothing of it stays.
func (h *Host) AddVM(ctx context.Context, spec VMSpec) (*VM, error) {
	vm, err := h.bed.newVM(spec)
	if err != nil {
		return nil, err
	}
	if err := vm.build(ctx, h); err != nil {
		return nil, fmt.Errorf("add VM %s: %w", spec.Name, errors.Join(err, vm.Remove(context.WithoutCancel(ctx))))
	}
	return vm, h.bed.save()
}

// newVM takes a VM's name; nothing of it is there yet.
func (b *Bed) newVM(spec VMSpec) (*VM, error) {
	if !validName.MatchString(spec.Name) {
		return nil, fmt.Errorf("VM name %q: want lower-case letters, digits and inner hyphens, at most 42", spec.Name)
	}
	if !spec.MAC.IsUnicast() {
		return nil, fmt.Errorf("VM %s: MAC %q is no station's address", spec.Name, spec.MAC)
	}
	if spec.IfaceID == "" {
		spec.IfaceID = NewUUID()
	}
	if spec.MTU == 0 {
		spec.MTU = defaultVMMTU
	}
	vm := &VM{VMSpec: spec, VMID: NewUUID(), bed: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vms[spec.Name] != nil {
		return nil, fmt.Errorf("VM %s is there already", spec.Name)
	}
	b.vms[spec.Name] = vm
	return vm, nil
}

func (vm *VM) makeNS(ctx context.Context) error {
	if err := addNS(ctx, vm.Namespace()); err != nil {
		return err
	}
	// No traffic of its own beyond what a test asks for, and no waiting for
	// duplicate address detection.
	return setSysctls(vm.Namespace(),
		"ipv6/conf/default/accept_dad=0", "ipv6/conf/default/accept_ra=0",
		"ipv6/conf/default/router_solicitations=0", "ipv6/conf/all/accept_dad=0")
}

func (vm *VM) build(ctx context.Context, h *Host) error {
	if err := vm.makeNS(ctx); err != nil {
		return err
	}
	vif, err := vm.plug(ctx, h, "eth0")
	if err != nil {
		return err
	}
	vm.place(*vif, nil)
	return vm.configure("eth0")
}

// place notes where the VM's VIFs are; another VM's save may read it meanwhile.
func (vm *VM) place(at VIF, next *VIF) {
	vm.bed.mu.Lock()
	defer vm.bed.mu.Unlock()
	vm.Host, vm.Interface, vm.Next = at.Host, at.Interface, next
}

// plug makes a veth pair between the VM and a host and adds the host's end to
// the bridge. The VM's end is down.
func (vm *VM) plug(ctx context.Context, h *Host, dev string) (*VIF, error) {
	vm.bed.mu.Lock()
	h.LastVIF++
	vif := &VIF{Host: h.Name, Interface: fmt.Sprintf("vif%d.0", h.LastVIF)}
	vm.bed.mu.Unlock()
	if err := addVeth(end{h.ns, vif.Interface}, end{vm.Namespace(), dev}, vm.MTU); err != nil {
		return nil, err
	}
	if err := bringUp(end{h.ns, vif.Interface}); err != nil {
		return nil, err
	}
	if _, err := h.VSCtl(ctx, vm.plugArgs(vif.Interface)...); err != nil {
		return nil, err
	}
	return vif, nil
}

// plugArgs are those of ovs-vsctl that add a VIF to the VM's bridge.
func (vm *VM) plugArgs(vif string) []string {
	args := []string{"--may-exist", "add-port", vm.Bridge, vif}
	ids := vm.externalIDs()
	if len(ids) > 0 {
		args = append(args, "--", "set", "Interface", vif)
	}
	for _, key := range slices.Sorted(maps.Keys(ids)) {
		args = append(args, fmt.Sprintf("external_ids:%q=%q", key, ids[key]))
	}
	return args
}

func (vm *VM) externalIDs() map[string]string {
	ids := make(map[string]string)
	if !vm.Bare {
		ids["attached-mac"] = vm.MAC.String()
		ids["iface-id"] = vm.IfaceID
		ids["iface-status"] = "active"
		ids["vm-id"] = vm.VMID
	}
	if vm.Network != "" {
		ids["ovsmesh-network"] = vm.Network
	}
	maps.Copy(ids, vm.IDs)
	return ids
}

// configure gives the VM's device its MAC and addresses and sets it up.
func (vm *VM) configure(dev string) error {
	e := end{vm.Namespace(), dev}
	err := withLink(e, func(link netlink.Link) error {
		return netlink.LinkSetHardwareAddr(link, vm.MAC[:])
	})
	return errors.Join(err, checksumInSoftware(e), bringUp(e, vm.IPs...))
}

// unplug takes a VIF off its host, which may be gone.
func (vm *VM) unplug(ctx context.Context, vif VIF) error {
	h := vm.bed.Host(vif.Host)
	if h == nil {
		return nil
	}
	_, err := h.VSCtl(ctx, "--if-exists", "del-port", vif.Interface)
	return errors.Join(err, delLink(end{h.ns, vif.Interface}))
}

// Remove stops the VM and takes its VIF away from the host.
func (vm *VM) Remove(ctx context.Context) error {
	var errs []error
	if vm.Interface != "" {
		errs = append(errs, vm.unplug(ctx, VIF{vm.Host, vm.Interface}))
	}
	if vm.Next != nil {
		errs = append(errs, vm.unplug(ctx, *vm.Next))
	}
	errs = append(errs, killIn([]string{netnsDir + "/" + vm.Namespace()}), delNS(ctx, vm.Namespace()), os.RemoveAll(vm.dir()))
	vm.bed.mu.Lock()
	delete(vm.bed.vms, vm.Name)
	vm.bed.mu.Unlock()
	return errors.Join(append(errs, vm.bed.save())...)
}

// Prepare begins a migration as libvirt does: a second VIF of the VM appears on
// the target host, with the same external_ids, while the VM runs on.
func (vm *VM) Prepare(ctx context.Context, to *Host) error {
	if vm.Next != nil {
		return fmt.Errorf("VM %s: a migration to %s is under way", vm.Name, vm.Next.Host)
	}
	vif, err := vm.plug(ctx, to, "next0")
	if err != nil {
		return fmt.Errorf("prepare VM %s: %w", vm.Name, err)
	}
	vm.place(VIF{vm.Host, vm.Interface}, vif)
	return vm.bed.save()
}

// Switch ends the migration that Prepare began: the VM now runs on the target
// host, its processes and sockets with it, and announces itself as QEMU does.
// The VIF on the source goes.
func (vm *VM) Switch(ctx context.Context) error {
	if vm.Next == nil {
		return fmt.Errorf("VM %s: no migration was prepared", vm.Name)
	}
	old := VIF{vm.Host, vm.Interface}
	if err := vm.unplug(ctx, old); err != nil {
		return fmt.Errorf("move VM %s: %w", vm.Name, err)
	}
	err := withLink(end{vm.Namespace(), "next0"}, func(link netlink.Link) error {
		return netlink.LinkSetName(link, "eth0")
	})
	if err = errors.Join(err, vm.configure("eth0")); err != nil {
		return fmt.Errorf("move VM %s: %w", vm.Name, err)
	}
	vm.place(*vm.Next, nil)
	return errors.Join(vm.Announce(), vm.bed.save())
}

// Move migrates the VM to another host: Prepare and at once Switch.
func (vm *VM) Move(ctx context.Context, to *Host) error {
	if err := vm.Prepare(ctx, to); err != nil {
		return err
	}
	return vm.Switch(ctx)
}

// Announce sends the RARP frame with which QEMU tells switches where a
// migrated VM is (RFC 903; the sender's addresses are the VM's MAC).
func (vm *VM) Announce() error {
	frame := make([]byte, 60)
	copy(frame[0:], "\xff\xff\xff\xff\xff\xff")
	copy(frame[6:], vm.MAC[:])
	binary.BigEndian.PutUint16(frame[12:], 0x8035) // RARP
	copy(frame[14:], "\x00\x01\x08\x00\x06\x04\x00\x03")
	copy(frame[22:], vm.MAC[:])
	copy(frame[32:], vm.MAC[:])
	return vm.SendFrame(frame)
}

// Namespace is the name of the VM's network namespace, as of ip-netns(8).
func (vm *VM) Namespace() string { return vm.bed.vmNS(vm.Name) }

func (vm *VM) link() end { return end{vm.Namespace(), "eth0"} }

// Exec runs a program in the VM and returns what it wrote to stdout.
func (vm *VM) Exec(ctx context.Context, argv ...string) (string, error) {
	return runIn(ctx, vm.Namespace(), os.Environ(), argv...)
}

// Start starts cmd in the VM; the caller waits for it.
func (vm *VM) Start(cmd *exec.Cmd) error { return startIn(vm.Namespace(), cmd) }
