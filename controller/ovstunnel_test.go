package controller_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// cloud is a controller and switches without packets, h1 at 192.0.2.1 and so on,
// on which CloudStack's calls are made.
type cloud struct {
	t     *testing.T
	ctx   context.Context
	dir   string
	ctl   *running
	hosts []*ovstest.Switch
}

func startCloud(t *testing.T, hosts int, opts ...func(*controller.Config)) *cloud {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	c := &cloud{t: t, ctx: ctx, dir: t.TempDir()}
	c.ctl = startController(t, c.dir, loopback(t), loopback(t), 0, opts...)
	for range hosts {
		c.addHost()
	}
	return c
}

// addHost starts the next host and waits until it is connected.
func (c *cloud) addHost() {
	c.t.Helper()
	n := len(c.hosts) + 1
	s := ovstest.StartSwitch(c.t, ovstest.WithHostname(hostName(n)))
	s.VSCtl("set", "Open_vSwitch", ".", "other_config:local_ip="+endpointOf(n))
	s.SetManager("tcp:" + c.ctl.ovsdb)
	c.hosts = append(c.hosts, s)
	c.connected(hostName(n))
}

func hostName(n int) string   { return fmt.Sprintf("h%d", n) }
func endpointOf(n int) string { return fmt.Sprintf("192.0.2.%d", n) }

func (c *cloud) host(n int) *ovstest.Switch { return c.hosts[n-1] }

func (c *cloud) eventually(what string, f func() error) {
	c.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// connected waits until a host is connected and has got what is wanted there.
func (c *cloud) connected(name string) {
	c.t.Helper()
	c.eventually(name+" connected", func() error {
		o, err := c.ctl.Objects(c.ctx, api.KindHosts, name)
		if err != nil {
			return err
		}
		if st := o.Hosts[0].Status; !st.Connected || !st.InSync {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
}

// call makes a call of the plugin on a host, with arguments in pairs.
func (c *cloud) call(n int, function string, args ...string) (string, error) {
	return c.callWithin(c.ctx, n, function, args...)
}

func (c *cloud) callWithin(ctx context.Context, n int, function string, args ...string) (string, error) {
	m := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		m[args[i]] = args[i+1]
	}
	a, err := c.ctl.Tunnel(ctx, api.TunnelRequest{TunnelCall: api.TunnelCall{Function: function, Host: hostName(n), Args: m}})
	return a.Value, err
}

func (c *cloud) must(want string, n int, function string, args ...string) {
	c.t.Helper()
	got, err := c.call(n, function, args...)
	if err != nil || got != want {
		c.t.Fatalf("%s %s on %s: %q %v, want %q", function, args, hostName(n), got, err, want)
	}
}

// The calls as XenServer's resource makes them, for key 103 and the bridge xapi3,
// with CloudStack's numbers of hosts, which are 10 more than ours.
func (c *cloud) setup(n int) {
	c.t.Helper()
	c.must("SUCCESS:xapi3", n, "setup_ovs_bridge", setupArgs(n)...)
}

func setupArgs(n int) []string {
	return []string{"bridge", "xapi3", "key", "OVSTunnel103", "xs_nw_uuid", "6f6a3f5a-0000-4000-8000-000000000103", "cs_host_id", fmt.Sprint(n + 10)}
}

func tunnelArgs(from, to int) []string {
	return []string{"bridge", "xapi3", "remote_ip", endpointOf(to), "key", "103", "from", fmt.Sprint(from + 10), "to", fmt.Sprint(to + 10), "cloudstack-network-id", "204"}
}

func tunnelPort(from, to int) string { return fmt.Sprintf("t103-%d-%d", from+10, to+10) }

func (c *cloud) tunnel(from, to int) {
	c.t.Helper()
	c.must("SUCCESS:"+tunnelPort(from, to), from, "create_tunnel", tunnelArgs(from, to)...)
	c.stands(from, to)
}

// stands demands that a tunnel is on its host right now, with the flows that keep
// what comes from it from going back into the mesh.
func (c *cloud) stands(from, to int) {
	c.t.Helper()
	s, port := c.host(from), tunnelPort(from, to)
	got := s.VSCtl("--columns=name,type,options,ofport,error", "--format=csv", "--no-headings", "find", "Interface", "name="+port)
	for _, want := range []string{port + ",gre,", `key=""103""`, `remote_ip=""` + endpointOf(to) + `""`} {
		if !strings.Contains(got, want) {
			c.t.Errorf("%s on %s: %q lacks %q", port, hostName(from), got, want)
		}
	}
	if got := s.VSCtl("port-to-br", port); got != "xapi3" {
		c.t.Errorf("%s is on bridge %s", port, got)
	}
	ofport := s.VSCtl("get", "Interface", port, "ofport")
	if strings.HasPrefix(ofport, "-") || ofport == "[]" {
		c.t.Errorf("%s on %s has ofport %s", port, hostName(from), ofport)
	}
	flows := s.OFCtl("dump-flows", s.BridgeSocket("xapi3"))
	if !strings.Contains(flows, "in_port="+ofport) && !strings.Contains(flows, `in_port="`+port+`"`) {
		c.t.Errorf("%s on %s: no flow for it:\n%s", port, hostName(from), flows)
	}
}

// nothing demands that nothing is left of the plugin's calls anywhere.
func (c *cloud) nothing() {
	c.t.Helper()
	o, err := c.ctl.Objects(c.ctx, api.KindNetworks, "")
	if err != nil {
		c.t.Fatal(err)
	}
	if len(o.Networks) != 0 {
		c.t.Errorf("networks left: %+v", o.Networks)
	}
	for i, s := range c.hosts {
		c.eventually("nothing on "+hostName(i+1), func() error {
			if got := s.VSCtl("list-br") + s.VSCtl("--columns=name", "find", "Interface", "type=gre"); got != "" {
				return fmt.Errorf("left: %s", got)
			}
			return nil
		})
	}
}

// A first VM, a second host and a third one, and all of them leaving, in the
// order in which CloudStack makes its calls; each answer is true when it is given.
func TestTunnelCalls(t *testing.T) {
	c := startCloud(t, 3)
	c.setup(1)
	if got := c.host(1).VSCtl("list-br"); got != "xapi3" {
		t.Errorf("bridges after setup: %q", got)
	}
	c.setup(1) // again
	for n := 2; n <= 3; n++ {
		c.setup(n)
		for peer := 1; peer < n; peer++ {
			c.tunnel(n, peer)
			c.tunnel(peer, n)
			c.tunnel(n, peer) // again
		}
	}
	for from := 1; from <= 3; from++ {
		for to := 1; to <= 3; to++ {
			if from != to {
				c.stands(from, to)
			}
		}
	}
	// The last VM leaves h1, then h2, then h3.
	for n := 1; n <= 3; n++ {
		c.must("SUCCESS:xapi3", n, "destroy_ovs_bridge", "bridge", "xapi3", "cs_host_id", fmt.Sprint(n+10))
		if got := c.host(n).VSCtl("list-br"); got != "" {
			t.Errorf("bridges of %s after destroy: %q", hostName(n), got)
		}
		for peer := n + 1; peer <= 3; peer++ {
			for range 2 {
				c.must("SUCCESS", peer, "destroy_tunnel", "bridge", "xapi3", "in_port", tunnelPort(peer, n))
				if got := c.host(peer).VSCtl("list-ports", "xapi3"); strings.Contains(got, tunnelPort(peer, n)) {
					t.Errorf("ports of %s after destroy: %q", hostName(peer), got)
				}
			}
		}
		c.must("SUCCESS:xapi3", n, "destroy_ovs_bridge", "bridge", "xapi3") // again
	}
	c.nothing()
}

// Calls that come together each get their own answer, and nothing is made twice.
func TestTunnelCallsTogether(t *testing.T) {
	c := startCloud(t, 4)
	var calls sync.WaitGroup
	for n := 1; n <= 4; n++ {
		calls.Go(func() {
			if v, err := c.call(n, "setup_ovs_bridge", setupArgs(n)...); err != nil || v != "SUCCESS:xapi3" {
				t.Errorf("setup on %s: %q %v", hostName(n), v, err)
			}
		})
	}
	calls.Wait()
	for from := 1; from <= 4; from++ {
		for to := 1; to <= 4; to++ {
			if from == to {
				continue
			}
			for range 2 {
				calls.Go(func() {
					if v, err := c.call(from, "create_tunnel", tunnelArgs(from, to)...); err != nil || v != "SUCCESS:"+tunnelPort(from, to) {
						t.Errorf("%s to %s: %q %v", hostName(from), hostName(to), v, err)
						return
					}
					c.stands(from, to)
				})
			}
		}
	}
	calls.Wait()
	for n := 1; n <= 4; n++ {
		calls.Go(func() {
			if v, err := c.call(n, "destroy_ovs_bridge", "bridge", "xapi3"); err != nil || v != "SUCCESS:xapi3" {
				t.Errorf("destroy on %s: %q %v", hostName(n), v, err)
			}
		})
	}
	calls.Wait()
	c.nothing()
}

// A call that makes no sense, or can't be carried out, is refused at once and
// changes nothing.
func TestTunnelCallsRefused(t *testing.T) {
	c := startCloud(t, 1)
	c.setup(1)
	var bad *api.RequestError
	refuse := func(kind any, want string, n int, function string, args ...string) {
		t.Helper()
		began := time.Now()
		v, err := c.call(n, function, args...)
		matches := false
		switch k := kind.(type) {
		case error:
			matches = errors.Is(err, k)
		default:
			matches = errors.As(err, &bad)
		}
		if err == nil || !matches || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %s: %q %v, want %q", function, args, v, err, want)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s %s: refused after %v", function, args, took)
		}
	}
	refuse(nil, `argument key: "OVS103" is not OVSTunnel<key>`, 1, "setup_ovs_bridge", "bridge", "xapi4", "key", "OVS103")
	refuse(nil, "argument bridge", 1, "setup_ovs_bridge", "bridge", "a-name-that-is-too-long", "key", "OVSTunnel104")
	refuse(nil, "argument xs_nw_uuid", 1, "setup_ovs_bridge", "bridge", "xapi4", "key", "OVSTunnel104", "xs_nw_uuid", "x")
	refuse(nil, "argument remote_ip", 1, "create_tunnel", "bridge", "xapi3", "remote_ip", "224.0.0.1", "key", "103", "from", "11", "to", "12")
	refuse(topology.ErrConflict, "xapi3", 1, "setup_ovs_bridge", "bridge", "xapi3", "key", "OVSTunnel104")
	refuse(topology.ErrNotFound, "set-manager tcp:127.0.0.1:", 7, "setup_ovs_bridge", "bridge", "xapi3", "key", "OVSTunnel103")
	refuse(api.ErrNotThere, "distributed routing", 1, "create_tunnel", "bridge", "OVS-DR-VPC-Bridge7", "remote_ip", "192.0.2.2", "key", "103", "from", "11", "to", "12")

	// A host that is away.
	s := c.host(1)
	s.VSCtl("del-manager")
	c.eventually("h1 away", func() error {
		o, err := c.ctl.Objects(c.ctx, api.KindHosts, "h1")
		if err == nil && o.Hosts[0].Status.Connected {
			return errors.New("still connected")
		}
		return err
	})
	before, err := c.ctl.Export(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	refuse(api.ErrUnavailable, `is not connected: run "ovs-vsctl set-manager tcp:127.0.0.1:`, 1, "create_tunnel", tunnelArgs(1, 2)...)
	after, err := c.ctl.Export(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Hosts) != len(after.Hosts) || len(before.Networks) != len(after.Networks) {
		t.Errorf("a refused call changed the spec: %+v, %+v", before, after)
	}
}

// listenAt listens where a controller has listened before.
func listenAt(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
