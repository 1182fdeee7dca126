package controller_test

import (
	"fmt"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// pluginCall makes a call of the plugin on a host, which must answer as it is
// expected to.
func (m *mesh) pluginCall(want, host, function string, args ...string) {
	m.t.Helper()
	call := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		call[args[i]] = args[i+1]
	}
	a, err := m.ctl.Tunnel(m.ctx, api.TunnelRequest{TunnelCall: api.TunnelCall{Function: function, Host: host, Args: call}})
	if err != nil || a.Value != want {
		m.t.Fatalf("%s on %s: %+v %v, want %s", function, host, a, err, want)
	}
}

// VMs start on one host after the other, with CloudStack's calls before each, and
// reach each other as soon as these are answered; then the hosts leave again.
func TestTunnelTraffic(t *testing.T) {
	m := startMesh(t, 3)
	m.bridges("xapi3") // which the toolstack makes for the VM
	var vms []*ovstest.VM
	for n := 1; n <= 3; n++ {
		name := fmt.Sprintf("h%d", n)
		m.pluginCall("SUCCESS:xapi3", name, "setup_ovs_bridge", "bridge", "xapi3", "key", "OVSTunnel103", "cs_host_id", fmt.Sprint(n+10))
		for peer := 1; peer < n; peer++ {
			for _, ends := range [][2]int{{n, peer}, {peer, n}} {
				from, to := ends[0], ends[1]
				port := fmt.Sprintf("t103-%d-%d", from+10, to+10)
				m.pluginCall("SUCCESS:"+port, fmt.Sprintf("h%d", from), "create_tunnel", "bridge", "xapi3", "key", "103",
					"remote_ip", m.Host(fmt.Sprintf("h%d", to)).Addr.String(), "from", fmt.Sprint(from+10), "to", fmt.Sprint(to+10))
			}
		}
		vms = append(vms, m.vm(name, fmt.Sprintf("vm%d", n), "xapi3", n, ""))
		m.pingAll(vms...)
	}
	m.meshed("ovstunnel103", "h1", "h2", "h3")
	m.clean()
	for n := 3; n >= 1; n-- {
		m.check(vms[n-1].Remove(m.ctx))
		m.pluginCall("SUCCESS:xapi3", fmt.Sprintf("h%d", n), "destroy_ovs_bridge", "bridge", "xapi3", "cs_host_id", fmt.Sprint(n+10))
		for peer := 1; peer < n; peer++ {
			m.pluginCall("SUCCESS", fmt.Sprintf("h%d", peer), "destroy_tunnel", "bridge", "xapi3", "in_port", fmt.Sprintf("t103-%d-%d", peer+10, n+10))
		}
		if vms = vms[:n-1]; len(vms) > 1 {
			m.pingAll(vms...)
		}
	}
	if o, err := m.ctl.Objects(m.ctx, api.KindNetworks, ""); err != nil || len(o.Networks) != 0 {
		t.Errorf("networks left: %+v %v", o.Networks, err)
	}
	for _, h := range m.Hosts() {
		out, err := h.VSCtl(m.ctx, "--columns=name", "--format=csv", "--no-headings", "find", "Interface", "type=gre")
		m.check(err)
		bridges, err := h.VSCtl(m.ctx, "list-br")
		m.check(err)
		if out != "" || bridges != "br-phy" {
			t.Errorf("left on %s: %q %q", h.Name, out, bridges)
		}
	}
}
