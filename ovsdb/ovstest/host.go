package ovstest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// phyBridge holds a host's underlay link and address. The userspace datapath
// sends tunnels' packets out of the bridge that has their route.
const phyBridge = "br-phy"

// Host is a hypervisor: a network namespace with its own ovsdb-server and
// ovs-vswitchd (userspace datapath) and a bridge br-phy on the underlay. The
// methods of OVS work on its daemons.
type Host struct {
	*OVS     `json:"-"`
	Name     string     `json:"name"` // also external_ids:hostname
	Index    int        `json:"index"`
	SystemID string     `json:"systemID"`
	Addr     netip.Addr `json:"addr"`  // on the underlay: where its tunnels start
	Addr6    netip.Addr `json:"addr6"` // likewise IPv6
	LastVIF  int        `json:"lastVIF"`

	bed *Bed
}

func hostFlags() []string { return []string{"--disable-system"} }

// hostsAtOnce is how many hosts AddHosts starts side by side.
const hostsAtOnce = 4

// AddHost starts a host. Its name is [a-z0-9][-a-z0-9]*, at most 42 characters.
// It knows no controller yet: see SetManager. On an error nothing of it stays.
func (b *Bed) AddHost(ctx context.Context, name string) (*Host, error) {
	hosts, err := b.AddHosts(ctx, name)
	if err != nil {
		return nil, err
	}
	return hosts[0], nil
}

// AddOldHost starts a host whose database lacks columns, each "Table.column",
// as that of an older Open vSwitch does. Its ovs-vswitchd is the installed one.
func (b *Bed) AddOldHost(ctx context.Context, name string, withoutColumns ...string) (*Host, error) {
	hosts, err := b.addHosts(ctx, withoutColumns, name)
	if err != nil {
		return nil, err
	}
	return hosts[0], nil
}

// AddHosts starts several hosts side by side; their addresses are in the order
// of the names. On an error none of them stays.
func (b *Bed) AddHosts(ctx context.Context, names ...string) ([]*Host, error) {
	return b.addHosts(ctx, nil, names...)
}

func (b *Bed) addHosts(ctx context.Context, withoutColumns []string, names ...string) ([]*Host, error) {
	var hosts []*Host
	var err error
	for _, name := range names {
		var h *Host
		if h, err = b.newHost(name); err != nil {
			break
		}
		hosts = append(hosts, h)
	}
	if err == nil {
		group, gctx := errgroup.WithContext(ctx)
		group.SetLimit(hostsAtOnce)
		for _, h := range hosts {
			group.Go(func() error {
				if err := h.build(gctx, withoutColumns); err != nil {
					return fmt.Errorf("add host %s: %w", h.Name, err)
				}
				return nil
			})
		}
		err = group.Wait()
	}
	if err != nil {
		for _, h := range hosts {
			err = errors.Join(err, h.Remove())
		}
		return nil, err
	}
	return hosts, b.save()
}

// newHost takes a name and the lowest free index.
func (b *Bed) newHost(name string) (*Host, error) {
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("host name %q: want lower-case letters, digits and inner hyphens, at most 42", name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hosts[name] != nil {
		return nil, fmt.Errorf("host %s is there already", name)
	}
	used := make(map[int]bool)
	for _, h := range b.hosts {
		used[h.Index] = true
	}
	for i := 1; i <= maxHosts; i++ {
		if used[i] {
			continue
		}
		h := &Host{
			Name: name, Index: i, SystemID: NewUUID(), bed: b,
			Addr: b.addr4(underlay, i+9), Addr6: b.addr6(underlay, i+9),
			OVS: &OVS{dir: b.hostDir(name), ns: b.hostNS(name), vswitchd: hostFlags()},
		}
		b.hosts[name] = h
		return h, nil
	}
	return nil, fmt.Errorf("a bed has room for %d hosts", maxHosts)
}

func (h *Host) build(ctx context.Context, withoutColumns []string) error {
	if err := os.Mkdir(h.dir, 0o755); err != nil {
		return err
	}
	if err := addNS(ctx, h.ns); err != nil {
		return err
	}
	// The VIFs' and bridges' own addresses would send neighbour discovery
	// into the tenants' networks, which no hypervisor does.
	if err := setSysctls(h.ns, "ipv6/conf/default/disable_ipv6=1"); err != nil {
		return err
	}
	if err := addVeth(end{h.ns, "eth0"}, end{h.bed.fabricNS(), h.fabricPort(underlay)}, underlayMTU); err != nil {
		return err
	}
	if err := errors.Join(
		h.bed.attach(end{h.bed.fabricNS(), h.fabricPort(underlay)}, h.bed.fabricOf(underlay)),
		checksumInSoftware(end{h.ns, "eth0"}),
		bringUp(end{h.ns, "eth0"})); err != nil {
		return err
	}
	if h.bed.Options.Management {
		if err := h.addManagement(); err != nil {
			return err
		}
	}
	schema, err := schemaWithout(h.path("vswitch.ovsschema"), withoutColumns)
	if err != nil {
		return err
	}
	ovs, err := startOVS(ctx, h.dir, h.ns, schema, identity{systemID: h.SystemID, hostname: h.Name}, h.vswitchd...)
	if err != nil {
		return err
	}
	h.OVS = ovs
	return h.addPhy(ctx)
}

// addPhy makes the host's bridge on the underlay.
func (h *Host) addPhy(ctx context.Context) error {
	args := []string{"add-br", phyBridge, "--", "set", "Bridge", phyBridge, "datapath_type=netdev",
		"--", "add-port", phyBridge, "eth0"}
	if h.bed.Options.Management {
		args = append(args, "--", "set", "Open_vSwitch", ".", "other_config:local_ip="+h.Addr.String())
	}
	if _, err := h.VSCtl(ctx, args...); err != nil {
		return err
	}
	return h.addressPhy()
}

// addManagement gives the host its link on the management plane.
func (h *Host) addManagement() error {
	near, far := end{h.ns, "mgmt0"}, end{h.bed.fabricNS(), h.fabricPort(management)}
	if err := addVeth(near, far, underlayMTU); err != nil {
		return err
	}
	return errors.Join(
		h.bed.attach(far, h.bed.fabricOf(management)),
		setSysctls(h.ns, "ipv6/conf/mgmt0/disable_ipv6=0"),
		checksumInSoftware(near),
		bringUp(near, h.bed.prefixes(management, h.Index+9)...))
}

// addressPhy gives br-phy the host's addresses. The device is a tap that lives
// and dies with ovs-vswitchd.
func (h *Host) addressPhy() error {
	phy := end{h.ns, phyBridge}
	return errors.Join(
		setSysctls(h.ns, "ipv6/conf/"+phyBridge+"/disable_ipv6=0"),
		checksumInSoftware(phy),
		bringUp(phy, h.bed.prefixes(underlay, h.Index+9)...))
}

func (h *Host) fabricPort(p plane) string {
	if p == management {
		return fmt.Sprintf("m%d", h.Index)
	}
	return fmt.Sprintf("h%d", h.Index)
}

// Remove stops the host and removes it. VMs that ran on it lose their links;
// they stay, and are to be removed by themselves.
func (h *Host) Remove() error {
	err := h.Stop()
	err = errors.Join(err, delLink(end{h.bed.fabricNS(), h.fabricPort(underlay)}))
	if h.bed.Options.Management {
		err = errors.Join(err, delLink(end{h.bed.fabricNS(), h.fabricPort(management)}))
	}
	err = errors.Join(err, delNS(context.Background(), h.ns), os.RemoveAll(h.dir))
	h.bed.mu.Lock()
	delete(h.bed.hosts, h.Name)
	h.bed.mu.Unlock()
	return errors.Join(err, h.bed.save())
}

// Namespace is the name of the host's network namespace, as of ip-netns(8).
func (h *Host) Namespace() string { return h.ns }

// StartVSwitchd starts ovs-vswitchd after KillVSwitchd and restores the host's
// underlay addresses, as its network scripts would.
func (h *Host) StartVSwitchd(ctx context.Context) error {
	if err := h.OVS.StartVSwitchd(ctx); err != nil {
		return err
	}
	return h.addressPhy()
}

// RestartVSwitchd ends ovs-vswitchd in good order and starts it again.
func (h *Host) RestartVSwitchd(ctx context.Context) error {
	if err := h.KillVSwitchd(syscall.SIGTERM); err != nil {
		return err
	}
	return h.StartVSwitchd(ctx)
}

// AddBridge makes a bridge on the userspace datapath, with further settings of
// its row such as "external_ids:xs-network-uuids=…".
func (h *Host) AddBridge(ctx context.Context, name string, settings ...string) error {
	args := []string{"--may-exist", "add-br", name, "--", "set", "Bridge", name, "datapath_type=netdev"}
	_, err := h.VSCtl(ctx, append(args, settings...)...)
	return err
}

// Exec runs a program on the host: in its namespace, and with an environment
// in which ovs-vsctl and its sisters find its Open vSwitch. It returns what
// the program wrote to stdout.
func (h *Host) Exec(ctx context.Context, argv ...string) (string, error) {
	return h.run(ctx, argv...)
}

// Start starts cmd on the host, as Exec does; the caller waits for it.
func (h *Host) Start(cmd *exec.Cmd) error {
	cmd.Env = append(h.Env(), cmd.Env...)
	return startIn(h.ns, cmd)
}

// CutUnderlay makes the fabric drop all frames from and to the host, silently:
// its links stay up.
func (h *Host) CutUnderlay(ctx context.Context) error { return h.setForwarding(ctx, "0") }

// RestoreUnderlay undoes CutUnderlay.
func (h *Host) RestoreUnderlay(ctx context.Context) error { return h.setForwarding(ctx, "3") }

// SetUnderlayMTU sets the MTU of the host's link to the underlay, in bytes, at
// both of its ends.
func (h *Host) SetUnderlayMTU(ctx context.Context, mtu int) error {
	for _, e := range []end{{h.bed.fabricNS(), h.fabricPort(underlay)}, {h.ns, "eth0"}} {
		if _, err := runIn(ctx, e.ns, nil, "ip", "link", "set", "dev", e.name, "mtu", strconv.Itoa(mtu)); err != nil {
			return err
		}
	}
	return nil
}

// setForwarding sets the spanning-tree state of the host's port on the fabric,
// bridge(8): 0 is disabled, 3 is forwarding.
func (h *Host) setForwarding(ctx context.Context, state string) error {
	_, err := runIn(ctx, h.bed.fabricNS(), nil, "bridge", "link", "set", "dev", h.fabricPort(underlay), "state", state)
	return err
}
