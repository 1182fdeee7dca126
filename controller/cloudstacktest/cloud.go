package cloudstacktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// Cloud is the management server.
type Cloud struct {
	Log []string // each command and its answer, in words, oldest first

	hosts     map[int]Resource
	endpoints map[int]netip.Addr // ovs_tunnel_interface: asked for once
	tunnels   map[direction]*tunnel
	vms       map[string]*VM
	networks  map[string]*Network
}

// Network is an isolated guest network.
type Network struct {
	Name string // CloudStack's, unique
	UUID string
	Key  uint32 // GRE, from the zone's VLAN range
}

// label is the name that hosts know the network by.
func (n *Network) label() string { return fmt.Sprintf("OVSTunnel%d", n.Key) }

// VM is a virtual machine with one interface in a network.
type VM struct {
	*ovstest.VM // nil while it does not run

	Network *Network
	host    int
	state   state
	spec    ovstest.VMSpec
}

// state is that of a VM in the management server's database.
type state int

const (
	stopped state = iota
	starting
	running
	migrating
	stopping
)

// direction is one half of a tunnel, from a host to another.
type direction struct {
	network  string
	from, to int
}

// tunnel is a record of ovs_tunnel_network.
type tunnel struct {
	established bool // else it was not tried yet, or failed
	port        string
}

// NewCloud makes a management server that knows nothing yet.
func NewCloud() *Cloud {
	return &Cloud{
		hosts: make(map[int]Resource), endpoints: make(map[int]netip.Addr), tunnels: make(map[direction]*tunnel),
		vms: make(map[string]*VM), networks: make(map[string]*Network),
	}
}

// AddHost adds a host with the ID that CloudStack gave it.
func (c *Cloud) AddHost(id int, r Resource) { c.hosts[id] = r }

// RemoveHost takes a host out of the cloud, which must not run VMs any longer.
// Nobody is told: no command is sent, and the records of its tunnels stay.
func (c *Cloud) RemoveHost(id int) error {
	for _, vm := range c.vms {
		if vm.state != stopped && vm.host == id {
			return fmt.Errorf("host %d still runs %s", id, vm.spec.Name)
		}
	}
	delete(c.hosts, id)
	return nil
}

// AddNetwork adds a network of which no VM runs.
func (c *Cloud) AddNetwork(n Network) *Network {
	c.networks[n.Name] = &n
	return &n
}

// AddVM adds a VM that does not run yet. Of its spec the bridge is left open.
func (c *Cloud) AddVM(n *Network, spec ovstest.VMSpec) *VM {
	vm := &VM{Network: n, spec: spec}
	c.vms[spec.Name] = vm
	return vm
}

// Start runs a VM on a host. A host that can't be prepared is no reason not to:
// the management server only logs it, and so does this one.
func (c *Cloud) Start(ctx context.Context, vm *VM, on int) error {
	vm.state, vm.host = starting, on
	c.prepare(ctx, vm.Network, on)
	r := c.hosts[on]
	bridge, ids, err := r.Plug(ctx, vm.Network.label())
	if err != nil {
		return fmt.Errorf("start %s: %w", vm.spec.Name, err)
	}
	spec := vm.spec
	spec.Bridge, spec.IDs = bridge, vifIDs(ids, spec)
	if vm.VM, err = r.Host().AddVM(ctx, spec); err != nil {
		return err
	}
	vm.state = running
	return r.Plugged(ctx, bridge, vm.Interface)
}

// Migrate moves a running VM to another host: that is prepared first, then a
// second VIF appears there, then the VM goes on there. Between is called when
// the second VIF is there; it may be nil. The host that the VM leaves is not
// told, whether it was the last one there or not.
func (c *Cloud) Migrate(ctx context.Context, vm *VM, to int, between func() error) error {
	vm.state = migrating
	c.prepare(ctx, vm.Network, to)
	old, r := c.hosts[vm.host], c.hosts[to]
	bridge, _, err := r.Plug(ctx, vm.Network.label())
	if err != nil {
		return fmt.Errorf("migrate %s: %w", vm.spec.Name, err)
	}
	// Where pools give a network another bridge: the VIF goes to the target's.
	before := vm.Bridge
	vm.Bridge = bridge
	if err := vm.Prepare(ctx, r.Host()); err != nil {
		return err
	}
	if err := r.Plugged(ctx, bridge, vm.Next.Interface); err != nil {
		return err
	}
	if between != nil {
		if err := between(); err != nil {
			return err
		}
	}
	if err := old.Unplugging(ctx, before, vm.Interface); err != nil {
		return err
	}
	if err := vm.Switch(ctx); err != nil {
		return err
	}
	vm.host, vm.state = to, running
	for _, pause := range r.Announcements() {
		time.Sleep(pause)
		if err := vm.Announce(); err != nil {
			return err
		}
	}
	return nil
}

// Stop stops a VM; with the last one of a network its host leaves the mesh.
func (c *Cloud) Stop(ctx context.Context, vm *VM) error {
	vm.state = stopping
	err := c.hosts[vm.host].Unplugging(ctx, vm.Bridge, vm.Interface)
	if err = errors.Join(err, vm.Remove(ctx)); err != nil {
		return err
	}
	vm.VM = nil
	c.release(ctx, vm.Network, vm.host)
	vm.state = stopped
	return nil
}

// names are those of all VMs, sorted.
func (c *Cloud) names() []string { return slices.Sorted(maps.Keys(c.vms)) }

// spanned is where VMs of a network are, also such that only begin or end there.
func (c *Cloud) spanned(n *Network) []int {
	hosts := make(map[int]bool)
	for _, vm := range c.vms {
		if vm.Network == n && vm.state != stopped {
			hosts[vm.host] = true
		}
	}
	return slices.Sorted(maps.Keys(hosts))
}

// active reports whether a network's VMs run on a host: those that start or stop
// there do not count.
func (c *Cloud) active(n *Network, host int) bool {
	for _, vm := range c.vms {
		if vm.Network == n && vm.host == host && (vm.state == running || vm.state == migrating) {
			return true
		}
	}
	return false
}

// prepare joins a host to a network's mesh: checkAndCreateTunnel. One failure
// that no command answered ends it; an answer of failure does not.
func (c *Cloud) prepare(ctx context.Context, n *Network, host int) {
	var to, from []int
	for _, other := range c.spanned(n) {
		if other == host {
			continue
		}
		if c.wanted(direction{n.Name, host, other}) {
			to = append(to, other)
		}
		if c.wanted(direction{n.Name, other, host}) {
			from = append(from, other)
		}
	}
	here, err := c.endpoint(ctx, host)
	if err != nil {
		c.log("prepare host %d for %s: %v", host, n.Name, err)
		return
	}
	for _, other := range to {
		there, err := c.endpoint(ctx, other)
		if err != nil {
			c.log("prepare host %d for %s: %v", host, n.Name, err)
			return
		}
		c.create(ctx, n, host, other, there)
	}
	for _, other := range from {
		c.create(ctx, n, other, host, here)
	}
	if len(to)+len(from) == 0 {
		a := c.hosts[host].SetupBridge(ctx, SetupBridge{Network: n.label(), Host: host})
		c.answer(a, "host %d: set up bridge %s", host, n.label())
	}
}

// wanted reports whether a tunnel is to be created, and makes its record: one
// that failed before is tried again.
func (c *Cloud) wanted(d direction) bool {
	if t := c.tunnels[d]; t != nil {
		return !t.established
	}
	c.tunnels[d] = &tunnel{}
	return true
}

func (c *Cloud) create(ctx context.Context, n *Network, from, to int, remote netip.Addr) {
	a := c.hosts[from].CreateTunnel(ctx, CreateTunnel{Network: n.label(), UUID: n.UUID, Key: n.Key, From: from, To: to, Remote: remote})
	c.answer(a, "host %d: create tunnel to %d on %s", from, to, n.label())
	*c.tunnels[direction{n.Name, from, to}] = tunnel{established: a.OK, port: a.Port}
}

// endpoint is where a host's tunnels start; it is asked for once and for all.
func (c *Cloud) endpoint(ctx context.Context, host int) (netip.Addr, error) {
	if a, ok := c.endpoints[host]; ok {
		return a, nil
	}
	a, err := c.hosts[host].FetchInterface(ctx)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("endpoint of host %d: %w", host, err)
	}
	c.endpoints[host] = a
	return a, nil
}

// release takes a host out of a network's mesh once it runs none of its VMs:
// checkAndRemoveHostFromTunnelNetwork. The tunnels to it go after its bridge.
func (c *Cloud) release(ctx context.Context, n *Network, host int) {
	if c.active(n, host) {
		return
	}
	a := c.hosts[host].DestroyBridge(ctx, DestroyBridge{Network: n.label(), Host: host})
	c.answer(a, "host %d: destroy bridge %s", host, n.label())
	if a.OK {
		maps.DeleteFunc(c.tunnels, func(d direction, _ *tunnel) bool { return d.network == n.Name && d.from == host })
	}
	for _, d := range c.peers(n, host) {
		t := c.tunnels[d]
		if !t.established {
			continue
		}
		r := c.hosts[d.from]
		if r == nil {
			c.log("host %d: not there any longer", d.from)
			return
		}
		a := r.DestroyTunnel(ctx, DestroyTunnel{Network: n.label(), Port: t.port})
		c.answer(a, "host %d: destroy tunnel %s on %s", d.from, t.port, n.label())
		if a.OK {
			delete(c.tunnels, d)
		}
	}
}

// peers are the tunnels of a network to a host.
func (c *Cloud) peers(n *Network, host int) []direction {
	var to []direction
	for d := range c.tunnels {
		if d.network == n.Name && d.to == host {
			to = append(to, d)
		}
	}
	slices.SortFunc(to, func(a, b direction) int { return a.from - b.from })
	return to
}

// Failed lists the tunnels that the cloud knows to be missing, as from-to.
func (c *Cloud) Failed() []string {
	var failed []string
	for d, t := range c.tunnels {
		if !t.established {
			failed = append(failed, fmt.Sprintf("%s %d-%d", d.network, d.from, d.to))
		}
	}
	slices.Sort(failed)
	return failed
}

func (c *Cloud) answer(a Answer, format string, args ...any) {
	how := "failed"
	if a.OK {
		how = "done"
	}
	if a.Details != "" {
		how += ": " + a.Details
	}
	c.log("%s: %s", fmt.Sprintf(format, args...), how)
}

func (c *Cloud) log(format string, args ...any) { c.Log = append(c.Log, fmt.Sprintf(format, args...)) }

// vifIDs are the external_ids of a VM's VIF: the toolstack's and the VM's own.
func vifIDs(ids map[string]string, spec ovstest.VMSpec) map[string]string {
	all := maps.Clone(ids)
	if all == nil {
		all = make(map[string]string)
	}
	maps.Copy(all, spec.IDs)
	return all
}
