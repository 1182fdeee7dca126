package controller_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// hurried has calls wait for no longer than a test can.
func hurried(c *controller.Config) { c.Patience = 2 * time.Second }

// bare makes the bridge of a host as the agent of KVM does, before any call.
func (c *cloud) bare(n int) (before string) {
	c.t.Helper()
	s := c.host(n)
	s.VSCtl("add-br", "xapi3")
	return c.look(s)
}

// look is what there is on a host, as people see it.
func (c *cloud) look(s *ovstest.Switch) string {
	c.t.Helper()
	return s.VSCtl("--columns=name,fail_mode,controller,protocols,stp_enable,other_config,external_ids", "list", "Bridge") + s.VSCtl("--columns=name,type,options", "list", "Interface")
}

// late makes a call that must fail as time is up.
func (c *cloud) late(want string, n int, function string, args ...string) {
	c.t.Helper()
	began := time.Now()
	v, err := c.call(n, function, args...)
	if !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), want) {
		c.t.Fatalf("%s on %s: %q %v, want %q", function, hostName(n), v, err, want)
	}
	if took := time.Since(began); took < time.Second || took > 15*time.Second {
		c.t.Errorf("%s on %s: given up after %v", function, hostName(n), took)
	}
}

func (c *cloud) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// A call on a host that is frozen fails in time, and once the host has thawed
// nothing of it is there: neither there nor on the other host nor in the spec.
func TestTunnelCallTimesOut(t *testing.T) {
	t.Run("ovs-vswitchd", func(t *testing.T) {
		t.Parallel()
		c := startCloud(t, 2, hurried)
		one, two := c.bare(1), c.bare(2)
		c.check(c.host(1).Freeze())
		c.late("h1", 1, "create_tunnel", tunnelArgs(1, 2)...)
		c.check(c.host(1).Thaw())
		c.untouched(one, two)
	})
	t.Run("ovsdb-server", func(t *testing.T) {
		t.Parallel()
		c := startCloud(t, 2, hurried)
		one, two := c.bare(1), c.bare(2)
		c.check(c.host(1).FreezeOVSDB())
		c.late("h1", 1, "create_tunnel", tunnelArgs(1, 2)...)
		c.check(c.host(1).ThawOVSDB())
		c.connected("h1")
		c.untouched(one, two)
	})
	t.Run("setup", func(t *testing.T) {
		t.Parallel()
		c := startCloud(t, 1, hurried)
		c.check(c.host(1).Freeze())
		c.late("h1", 1, "setup_ovs_bridge", setupArgs(1)...)
		c.check(c.host(1).Thaw())
		c.nothing()
		c.eventually("a later setup", func() error {
			_, err := c.call(1, "setup_ovs_bridge", setupArgs(1)...)
			return err
		})
	})
}

// untouched waits until the hosts look as they did, and demands that the spec has
// nothing of a call.
func (c *cloud) untouched(want ...string) {
	c.t.Helper()
	for i, w := range want {
		c.eventually(hostName(i+1)+" as it was", func() error {
			if got := c.look(c.host(i + 1)); got != w {
				return fmt.Errorf("want %s\ngot %s", w, got)
			}
			return nil
		})
	}
	o, err := c.ctl.Objects(c.ctx, api.KindNetworks, "")
	c.check(err)
	if len(o.Networks) != 0 {
		c.t.Errorf("networks left: %+v", o.Networks)
	}
}

// Of two calls that ask for the same, one whose caller has gone takes nothing away
// from the other.
func TestTunnelCallRepeatedWhileItWaits(t *testing.T) {
	c := startCloud(t, 2)
	c.bare(1)
	c.bare(2)
	c.check(c.host(1).Freeze())
	var calls sync.WaitGroup
	answers := make(chan error, 3)
	for range 3 {
		calls.Go(func() {
			v, err := c.call(1, "create_tunnel", tunnelArgs(1, 2)...)
			if err == nil && v != "SUCCESS:"+tunnelPort(1, 2) {
				err = errors.New(v)
			}
			answers <- err
		})
	}
	short, cancel := context.WithTimeout(c.ctx, 500*time.Millisecond)
	defer cancel()
	_, gone := c.callWithin(short, 1, "create_tunnel", tunnelArgs(1, 2)...)
	if !errors.Is(gone, api.ErrUnavailable) {
		t.Errorf("a caller that has gone: %v", gone)
	}
	c.check(c.host(1).Thaw())
	calls.Wait()
	for range 3 {
		c.check(<-answers)
	}
	c.stands(1, 2)
}

// More calls than may wait for one host are refused at once, and other hosts are
// served all the same.
func TestTunnelCallsAreBounded(t *testing.T) {
	c := startCloud(t, 2, func(c *controller.Config) { c.Patience = time.Minute })
	c.check(c.host(1).Freeze())
	callers, leave := context.WithCancel(c.ctx)
	defer leave()
	var calls sync.WaitGroup
	answers := make(chan error, 80)
	for range 80 {
		calls.Go(func() {
			_, err := c.callWithin(callers, 1, "setup_ovs_bridge", setupArgs(1)...)
			answers <- err
		})
	}
	for n := range 16 {
		if err := <-answers; !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), "64 calls of host h1 wait already") {
			t.Errorf("refusal %d: %v", n, err)
		}
	}
	c.setup(2)
	if n := len(answers); n != 0 {
		t.Errorf("%d answers more while the host is frozen", n)
	}
	leave()
	calls.Wait()
	for range 64 {
		if err := <-answers; err == nil {
			t.Error("a frozen host has answered")
		}
	}
	c.check(c.host(1).Thaw())
}

// A bridge on which a VM's interface is stays, and with it the network; once that
// is gone it goes.
func TestTunnelDestroyBridgeInUse(t *testing.T) {
	c := startCloud(t, 2)
	c.setup(1)
	c.setup(2)
	c.tunnel(1, 2)
	s := c.host(1)
	s.VSCtl("add-port", "xapi3", "vif1.0", "--", "set", "Interface", "vif1.0", "type=internal", "external_ids:attached-mac=02:00:00:00:01:01")
	if v, err := c.call(1, "destroy_ovs_bridge", "bridge", "xapi3", "cs_host_id", "11"); !errors.Is(err, topology.ErrConflict) || !strings.Contains(err.Error(), "port vif1.0 is on it") {
		t.Errorf("%q %v", v, err)
	}
	c.stands(1, 2)
	// Unplugged while the call is on its way.
	began, unplugged := time.Now(), make(chan time.Duration, 1)
	go func() {
		time.Sleep(300 * time.Millisecond)
		_, err := s.VSCtlErr("del-port", "vif1.0")
		if err != nil {
			t.Error(err)
		}
		unplugged <- time.Since(began)
	}()
	v, err := c.call(1, "destroy_ovs_bridge", "bridge", "xapi3", "cs_host_id", "11")
	took := <-unplugged
	if err == nil && v != "SUCCESS:xapi3" || err != nil && (took < 2*time.Second || !errors.Is(err, topology.ErrConflict)) {
		t.Fatalf("unplugged within %v: %q %v", took, v, err)
	}
	c.must("SUCCESS:xapi3", 1, "destroy_ovs_bridge", "bridge", "xapi3", "cs_host_id", "11")
	c.must("SUCCESS", 2, "destroy_tunnel", "bridge", "xapi3", "in_port", tunnelPort(2, 1))
	c.must("SUCCESS:xapi3", 2, "destroy_ovs_bridge", "bridge", "xapi3", "cs_host_id", "12")
	c.nothing()
}

// A bridge that nobody has taken, and one of an operator's own network.
func TestTunnelDestroyOtherBridges(t *testing.T) {
	c := startCloud(t, 1, func(c *controller.Config) { c.Patience = 15 * time.Second })
	s := c.host(1)
	s.VSCtl("add-br", "xapi9", "--", "add-port", "xapi9", "t109-1-2", "--", "set", "Interface", "t109-1-2", "type=gre", "options:key=109", "options:remote_ip=192.0.2.9")
	c.must("SUCCESS:xapi9", 1, "destroy_ovs_bridge", "bridge", "xapi9", "cs_host_id", "11")
	if got := s.VSCtl("list-br"); got != "" {
		t.Errorf("bridges: %q", got)
	}
	s.VSCtl("add-br", "xapi9", "--", "add-port", "xapi9", "eth7", "--", "set", "Interface", "eth7", "type=internal")
	if _, err := c.call(1, "destroy_ovs_bridge", "bridge", "xapi9"); !errors.Is(err, topology.ErrConflict) || !strings.Contains(err.Error(), "port eth7 is on it") {
		t.Errorf("somebody's port: %v", err)
	}
	_, err := c.ctl.Apply(c.ctx, api.ApplyRequest{Files: []api.File{{Name: "s.yaml", Data: "networks: [{name: blue, encap: gre, key: 103, bridge: xapi3, createBridge: true, hosts: [h1]}]"}}})
	c.check(err)
	c.setup(1)
	if _, err := c.call(1, "destroy_ovs_bridge", "bridge", "xapi3"); !errors.Is(err, topology.ErrConflict) || !strings.Contains(err.Error(), "network blue lists the host in its spec") {
		t.Errorf("an operator's bridge: %v", err)
	}
	if got := s.VSCtl("br-exists", "xapi3"); got != "" {
		t.Errorf("br-exists: %q", got)
	}
}

// Some calls come before what they need: the bridge, or the far host.
func TestTunnelCallWaitsForItsBridge(t *testing.T) {
	c := startCloud(t, 1)
	s := c.host(1)
	var toolstack sync.WaitGroup
	toolstack.Go(func() {
		time.Sleep(500 * time.Millisecond)
		s.VSCtl("add-br", "xapi3")
	})
	c.must("SUCCESS:"+tunnelPort(1, 2), 1, "create_tunnel", tunnelArgs(1, 2)...)
	toolstack.Wait()
	c.stands(1, 2)
	o, err := c.ctl.Objects(c.ctx, api.KindHosts, "")
	c.check(err)
	if len(o.Hosts) != 2 || o.Hosts[0].Name != "cs-12" || o.Hosts[0].ID != 12 || o.Hosts[0].Endpoint.String() != endpointOf(2) || o.Hosts[0].Kind != topology.KindExternal {
		t.Errorf("the far host: %+v", o.Hosts)
	}
	port := s.VSCtl("get", "Port", tunnelPort(1, 2), "_uuid")
	c.addHost() // that one, which takes the place of what was told of it
	c.setup(2)
	c.tunnel(2, 1)
	c.stands(1, 2)
	if got := s.VSCtl("get", "Port", tunnelPort(1, 2), "_uuid"); got != port {
		t.Errorf("the port was made anew when the far host came: %s, then %s", port, got)
	}
	for n := 1; n <= 2; n++ {
		c.must("SUCCESS:xapi3", n, "destroy_ovs_bridge", "bridge", "xapi3")
	}
	c.nothing()
}

// An operator's own network of that key is used as it is, and outlasts the calls.
func TestTunnelCallsOnOwnNetwork(t *testing.T) {
	c := startCloud(t, 2)
	_, err := c.ctl.Apply(c.ctx, api.ApplyRequest{Files: []api.File{{Name: "s.yaml", Data: "networks: [{name: blue, tenant: acme, encap: gre, key: 103, bridge: xapi3, unknownUnicast: drop}]"}}})
	c.check(err)
	c.setup(1)
	c.setup(2)
	c.tunnel(1, 2)
	c.tunnel(2, 1)
	o, err := c.ctl.Objects(c.ctx, api.KindNetworks, "")
	c.check(err)
	if len(o.Networks) != 1 || o.Networks[0].Name != "blue" || o.Networks[0].Profile != topology.ProfileProgrammed || o.Networks[0].Tenant != "acme" {
		t.Errorf("%+v", o.Networks)
	}
	for n := 1; n <= 2; n++ {
		c.must("SUCCESS:xapi3", n, "destroy_ovs_bridge", "bridge", "xapi3")
		if got := c.host(n).VSCtl("list-br"); got != "" {
			t.Errorf("bridges of %s: %q", hostName(n), got)
		}
	}
	o, err = c.ctl.Objects(c.ctx, api.KindNetworks, "blue")
	c.check(err)
	if len(o.Networks[0].Status.Hosts) != 0 {
		t.Errorf("hosts left in it: %q", o.Networks[0].Status.Hosts)
	}
}

// On a host to which another controller writes nothing is asked for.
func TestTunnelCallWhileAnotherWrites(t *testing.T) {
	c := startCloud(t, 1, func(c *controller.Config) { c.Patience = time.Minute })
	c.setup(1)
	thief := exec.Command("ovsdb-client", "steal", "unix:"+c.host(1).DBSocket(), "ovsmesh")
	c.check(thief.Start())
	defer func() {
		_ = thief.Process.Kill()
		_ = thief.Wait() // the kill is what it reports
	}()
	c.eventually("the lock gone", func() error {
		o, err := c.ctl.Objects(c.ctx, api.KindHosts, "h1")
		if err == nil && o.Hosts[0].Status.Writer {
			return errors.New("still the writer")
		}
		return err
	})
	began := time.Now()
	v, err := c.call(1, "create_tunnel", tunnelArgs(1, 2)...)
	if !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), `waits for the lock "ovsmesh"`) {
		t.Errorf("%q %v", v, err)
	}
	if took := time.Since(began); took > 5*time.Second { // one that waits insists for 9 s
		t.Errorf("refused after %v", took)
	}
	o, err := c.ctl.Objects(c.ctx, api.KindHosts, "")
	c.check(err)
	if len(o.Hosts) != 1 {
		t.Errorf("hosts: %+v", o.Hosts)
	}
}
