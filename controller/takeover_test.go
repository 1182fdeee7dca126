package controller_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// pluginCloud is a cloud of four hosts that CloudStack's plugin has made: a network
// of GRE key 103 with a VM on each.
type pluginCloud struct {
	*mesh
	vms  []*ovstest.VM
	ids  []int // by which CloudStack knows the hosts
	kvm  bool
	name string // the bridges'
}

const pluginBridge = "xapi3"

// newPluginCloud makes the cloud, on XenServer or on KVM. There is no controller
// yet.
func newPluginCloud(t *testing.T, kvm bool) *pluginCloud {
	t.Helper()
	c := &pluginCloud{mesh: newMesh(t, 4), ids: []int{11, 7, 3, 2}, kvm: kvm, name: pluginBridge}
	if kvm {
		c.name = "OVSTunnel103"
	}
	for i, h := range c.Hosts() {
		if kvm {
			c.check(h.AgentBridge(c.ctx, c.name))
			c.check(h.PluginKVMSetupBridge(c.ctx, c.name, "OVSTunnel103", fmt.Sprint(c.ids[i])))
			// The plugin leaves the timers alone; a port takes 30 s then.
			_, err := h.VSCtl(c.ctx, "set", "Bridge", c.name, "other_config:stp-forward-delay=4", "other_config:stp-hello-time=1", "other_config:stp-max-age=6")
			c.check(err)
		} else {
			c.check(h.PluginSetupBridge(c.ctx, c.name, "OVSTunnel103", "4b5c7fd2-6e7a-4f3c-9d55-0a4f1f5a0103"))
			// With STP its drop flows cut hosts off from each other.
			_, err := h.VSCtl(c.ctx, "set", "Bridge", c.name, "stp_enable=false")
			c.check(err)
		}
		vm, err := h.AddVM(c.ctx, ovstest.VMSpec{
			Name: fmt.Sprintf("vm-%d", i+1), Bridge: c.name, MAC: mac(i + 1), IPs: []netip.Prefix{netip.PrefixFrom(ip4(i+1), 24)},
		})
		c.check(err)
		// Of IPv6 multicast one frame goes round the plugin's mesh for ever.
		_, err = vm.Exec(c.ctx, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
		c.check(err)
		c.vms = append(c.vms, vm)
	}
	for i, h := range c.Hosts() {
		for j, peer := range c.Hosts() {
			if i == j {
				continue
			}
			tunnel := h.PluginTunnel
			if kvm {
				tunnel = h.PluginKVMTunnel
			}
			_, err := tunnel(c.ctx, c.name, 103, c.ids[i], c.ids[j], peer.Addr)
			c.check(err)
		}
		if kvm {
			continue
		}
		vm := c.vms[i]
		c.check(h.PluginVIF(c.ctx, c.name, vm.Interface))
		c.check(h.PluginDelivery(c.ctx, c.name, vm.Interface))
		for _, flow := range []string{
			// XenServer's VIF-locking, as xapi writes it.
			"cookie=0x1,priority=7000,in_port=%[1]s,dl_src=%[2]s,arp,arp_sha=%[2]s,actions=NORMAL",
			"cookie=0x1,priority=5000,in_port=%[1]s,dl_src=%[2]s,ip,actions=NORMAL",
			// Of an operator's own, with the plugin's cookie.
			"table=7,priority=1000,in_port=%[1]s,dl_dst=ff:ff:ff:ff:ff:ff,actions=drop",
			"priority=1200,in_port=%[1]s,dl_dst=01:80:c2:00:00:0e,actions=NORMAL",
		} {
			_, err := h.OFCtl(c.ctx, "add-flow", c.name, fmt.Sprintf(flow, vm.Interface, vm.MAC))
			c.check(err)
		}
	}
	c.pingAll4()
	return c
}

// pingAll4 pings every VM from every other.
func (c *pluginCloud) pingAll4() {
	c.t.Helper()
	for _, from := range c.vms {
		for _, to := range c.vms {
			if from != to {
				c.check(from.WaitPing(c.ctx, to.IPs[0].Addr()))
			}
		}
	}
}

// serve starts a controller; hosts dial in if they are named.
func (c *pluginCloud) serve(hosts ...string) {
	c.t.Helper()
	c.start()
	for _, h := range hosts {
		c.check(c.Host(h).SetManager(c.ctx, "tcp:"+c.ctl.ovsdb))
	}
	c.connected(hosts...)
}

func (c *pluginCloud) connected(hosts ...string) {
	c.t.Helper()
	c.eventually("hosts connected", func() error {
		for _, h := range c.topology(api.TopologyFilter{}).Hosts {
			if h.Connected {
				hosts = slices.DeleteFunc(slices.Clone(hosts), func(name string) bool { return name == h.Name })
			}
		}
		if len(hosts) > 0 {
			return fmt.Errorf("%v are not", hosts)
		}
		return nil
	})
}

// portsOf says which ports a bridge has, with all that must stay.
func (c *pluginCloud) portsOf(h *ovstest.Host) string {
	c.t.Helper()
	ports, err := h.VSCtl(c.ctx, "--format=csv", "--columns=_uuid,name,interfaces", "list", "Port")
	c.check(err)
	ifaces, err := h.VSCtl(c.ctx, "--format=csv", "--columns=_uuid,name,type,options,ofport", "list", "Interface")
	c.check(err)
	return sortedLines(ports) + "\n" + sortedLines(ifaces)
}

// stateOf says all that must be again as it was when a host has left.
func (c *pluginCloud) stateOf(h *ovstest.Host) string {
	c.t.Helper()
	bridge, err := h.VSCtl(c.ctx, "--columns=_uuid,fail_mode,protocols,stp_enable,rstp_enable,other_config,external_ids,controller,ports", "list", "Bridge", c.name)
	c.check(err)
	ports, err := h.VSCtl(c.ctx, "--format=csv", "--columns=_uuid,name,interfaces,protected,tag,trunks,vlan_mode,other_config,external_ids", "list", "Port")
	c.check(err)
	ifaces, err := h.VSCtl(c.ctx, "--format=csv", "--columns=_uuid,name,type,options,ofport,ofport_request,bfd,external_ids,mac_in_use", "list", "Interface")
	c.check(err)
	return bridge + "\n" + sortedLines(ports) + "\n" + sortedLines(ifaces) + "\n" + c.flowsOf(h, "")
}

// flowsOf returns the flows of the bridge, those that match if that is not empty.
func (c *pluginCloud) flowsOf(h *ovstest.Host, match string) string {
	c.t.Helper()
	out, err := h.OFCtl(c.ctx, "-O", "OpenFlow14", "--no-stats", "dump-flows", c.name)
	c.check(err)
	var lines []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, match) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// foreignOf returns the flows that are neither ours nor the plugin's.
func (c *pluginCloud) foreignOf(h *ovstest.Host) string {
	var lines []string
	for line := range strings.Lines(c.flowsOf(h, "")) {
		for _, theirs := range []string{"cookie=0x1,", "table=7,", "01:80:c2:00:00:0e", "priority=0 actions"} {
			if strings.Contains(line, theirs) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return strings.Join(lines, "\n")
}

func sortedLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// talk has every pair of VMs ping, a thousand packets a second in all each way.
func (c *pluginCloud) talk() map[string]*ovstest.Pinger {
	c.t.Helper()
	all := map[string]*ovstest.Pinger{}
	for i, from := range c.vms {
		for _, to := range c.vms[i+1:] {
			ping, err := from.StartPing(c.ctx, to.IPs[0].Addr(), 6*time.Millisecond)
			c.check(err)
			all[from.Name+" and "+to.Name] = ping
		}
	}
	time.Sleep(200 * time.Millisecond)
	return all
}

// counted ends that, and says what was lost and what came twice, of how many.
func (c *pluginCloud) counted(what string, limit int, pings map[string]*ovstest.Pinger) (twice, sent int) {
	c.t.Helper()
	time.Sleep(300 * time.Millisecond)
	lost := 0
	var who []string
	for name, ping := range pings {
		r, err := ping.Stop()
		c.check(err)
		sent, lost = sent+r.Sent, lost+r.Lost()
		if r.Lost() > 0 {
			who = append(who, fmt.Sprintf("%s %d", name, r.Lost()))
		}
		twice += r.Duplicates
	}
	slices.Sort(who)
	c.t.Logf("%s: %d of %d lost, %d came twice: %v", what, lost, sent, twice, who)
	if lost > limit {
		c.t.Errorf("%s: %d of %d packets lost, want at most %d: %v", what, lost, sent, limit, who)
	}
	return twice, sent
}

// takenOver is counted where hosts have just been taken over. Some may come twice:
// what one host floods as it forgets addresses, another that still is as the plugin
// had it passes on.
func (c *pluginCloud) takenOver(what string, pings map[string]*ovstest.Pinger) {
	c.t.Helper()
	if twice, sent := c.counted(what, 50, pings); twice > sent/2 {
		c.t.Errorf("%s: %d of %d came twice", what, twice, sent)
	}
}

func (c *pluginCloud) adopt(r api.AdoptRequest) api.AdoptResult {
	c.t.Helper()
	res, err := c.ctl.Adopt(c.ctx, r)
	c.check(err)
	c.synced(res.Generation)
	return res
}

// A XenServer cloud is taken over whole while its VMs talk, and given back again
// host by host. It counts packets, and so runs by itself.
func TestTakeOverXenServer(t *testing.T) {
	c := newPluginCloud(t, false)
	before, ports, foreign := map[string]string{}, map[string]string{}, map[string]string{}
	for _, h := range c.Hosts() {
		before[h.Name], ports[h.Name], foreign[h.Name] = c.stateOf(h), c.portsOf(h), c.foreignOf(h)
	}
	c.serve("h1", "h2", "h3", "h4")
	time.Sleep(500 * time.Millisecond)
	for _, h := range c.Hosts() {
		if now := c.stateOf(h); now != before[h.Name] {
			t.Errorf("%s is written to before anybody asks: was\n%s\nis\n%s", h.Name, before[h.Name], now)
		}
	}
	dry, err := c.ctl.Adopt(c.ctx, api.AdoptRequest{All: true, DryRun: true})
	c.check(err)
	talk := c.talk()
	res := c.adopt(api.AdoptRequest{All: true})
	c.meshed("ovstunnel103", "h1", "h2", "h3", "h4")
	c.closed()
	c.takenOver("all hosts taken over", talk)
	if fmt.Sprint(dry.Items) != fmt.Sprint(res.Items) || len(res.Hosts) != 4 || res.Hosts[0].Rows != 4 {
		t.Errorf("dry run: %+v\nadopted: %+v", dry, res)
	}
	for _, h := range c.Hosts() {
		if now := c.portsOf(h); now != ports[h.Name] {
			t.Errorf("%s: ports were\n%s\nand are\n%s", h.Name, ports[h.Name], now)
		}
		if now := c.foreignOf(h); now != foreign[h.Name] {
			t.Errorf("%s: others' flows were\n%s\nand are\n%s", h.Name, foreign[h.Name], now)
		}
	}
	c.clean()
	c.once(c.vms, nil, "broadcast", "IPv4 multicast", "IPv6 multicast", "unknown unicast")

	// Back to the plugin.
	for _, h := range c.Hosts() {
		talk := c.talk()
		_, err := h.VSCtl(c.ctx, "set", "Open_vSwitch", ".", "external_ids:ovsmesh-leave=requested")
		c.check(err)
		c.eventually(h.Name+" as it was", func() error {
			if now := c.stateOf(h); now != before[h.Name] {
				return fmt.Errorf("was\n%s\nis\n%s", before[h.Name], now)
			}
			return nil
		})
		// How often a packet comes is the plugin's affair from now on: its hosts
		// send what they flood from tunnel to tunnel.
		c.counted(h.Name+" given back", 50, talk)
	}
	c.forgetNeighbours(c.vms...)
	c.pingAll4()
}
