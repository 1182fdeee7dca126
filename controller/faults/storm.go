package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// Crowd is many real switches with the dummy datapath, which dial in to one real
// "ovsmesh serve" from this machine's own address. No packet is sent; rows,
// OpenFlow ports and flow tables are those of any switch. Every switch has one
// bridge, with a VIF of one network of all hosts and of four networks of up to
// twenty hosts each.
//
// Its methods may be called by one goroutine at a time.
type Crowd struct {
	Server  *Server
	Tunnels int // tunnel ends in all networks

	dir   string
	hosts []*ovstest.OVS
	log   func(format string, args ...any)
}

const (
	crowdBridge  = "br-int"
	crowdMembers = 20 // hosts of one network
	crowdLayers  = 4  // networks of that size on a host
	crowdLimit   = 5 * time.Minute
	crowdPoll    = 100 * time.Millisecond
	crowdMost    = 1000 // hosts; their addresses are in 198.18.0.0/15
	crowdStarts  = 4    // switches that are started at once
)

// networkOf returns the number of the network of a layer that host i is in. In
// each layer other hosts are together.
func (c *Crowd) networkOf(layer, i int) int {
	groups := (len(c.hosts) + crowdMembers - 1) / crowdMembers
	if layer == 0 {
		return i / crowdMembers
	}
	return layer*groups + (i+i/groups*layer)%groups
}

// StartCrowd starts so many switches and the server, and returns when all are in
// sync. On an error nothing stays.
func StartCrowd(ctx context.Context, hosts int, opts Options) (_ *Crowd, err error) {
	if hosts < 1 || hosts > crowdMost {
		return nil, fmt.Errorf("%d hosts: 1 to %d", hosts, crowdMost)
	}
	c := &Crowd{hosts: make([]*ovstest.OVS, hosts), log: opts.Log}
	if c.log == nil {
		c.log = func(string, ...any) {}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.dir, err = ovstest.TempDir("crowd"); err != nil {
		return nil, err
	}
	if err := c.newServer(opts.Binary); err != nil {
		return nil, err
	}
	if err := c.Server.Start(ctx); err != nil {
		return nil, err
	}
	begin := time.Now()
	var g errgroup.Group
	g.SetLimit(crowdStarts)
	for i := range c.hosts {
		g.Go(func() error {
			if err := c.startHost(ctx, i); err != nil {
				return fmt.Errorf("host %d: %w", i+1, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	c.log("%d switches started in %v", hosts, time.Since(begin).Round(time.Millisecond))
	begin = time.Now()
	c.Tunnels = hosts * (hosts - 1)
	for _, n := range c.members() {
		c.Tunnels += n * (n - 1)
	}
	if _, err := c.Server.Client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "crowd.yaml", Data: c.spec()}}}); err != nil {
		return nil, err
	}
	if err := c.settled(ctx, 0, 0); err != nil {
		return nil, err
	}
	c.log("%d tunnel ends made in %v", c.Tunnels, time.Since(begin).Round(time.Millisecond))
	return c, nil
}

// newServer makes the server, at an address of its own.
func (c *Crowd) newServer(binary string) error {
	const ovsdb, openflow, apiPort = 6640, 6653, 8640
	address, err := freeLoopback(ovsdb, openflow, apiPort)
	if err != nil {
		return err
	}
	c.Server = &Server{
		Binary: binary, dir: c.dir, address: address,
		ovsdb: ovsdb, openflow: openflow, api: net.JoinHostPort(address, strconv.Itoa(apiPort)),
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: requestLimit},
	}
	c.Server.Client = &api.Client{BaseURL: "http://" + c.Server.api, HTTP: c.Server.http}
	return nil
}

// freeLoopback returns an address of 127.99.0.0/16 at which nobody listens on
// these ports. They must be none that the kernel gives out to who dials: while the
// server is away, such a port is soon taken by another connection, or by a switch
// that dials it and so meets itself.
func freeLoopback(ports ...int) (string, error) {
	var err error
	for n := range 1 << 16 {
		n += os.Getpid() // others begin elsewhere
		address := netip.AddrFrom4([4]byte{127, 99, byte(n >> 8), byte(n)})
		if err = free(address, ports); err == nil {
			return address.String(), nil
		}
	}
	return "", fmt.Errorf("no address of 127.99.0.0/16 is free: %w", err)
}

// free reports why one of the ports is not.
func free(address netip.Addr, ports []int) error {
	for _, p := range ports {
		l, err := net.Listen("tcp", netip.AddrPortFrom(address, uint16(p)).String())
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

// startHost starts switch i, from 0, and has it dial in.
func (c *Crowd) startHost(ctx context.Context, i int) error {
	name := fmt.Sprintf("h%03d", i+1)
	ovs, err := ovstest.StartOVS(ctx, ovstest.WithHostname(name), ovstest.WithSystemID(name))
	if err != nil {
		return err
	}
	c.hosts[i] = ovs
	endpoint := netip.AddrFrom4([4]byte{198, 18, byte((i + 1) >> 8), byte(i + 1)})
	args := []string{
		"set", "Open_vSwitch", ".", "external_ids:ovsmesh-endpoint-ip=" + endpoint.String(),
		"--", "add-br", crowdBridge, "--", "set", "Bridge", crowdBridge, fmt.Sprintf("other_config:datapath-id=%016x", 0xc0de0000+i),
	}
	for v := range crowdLayers + 1 {
		network := "all"
		if v < crowdLayers {
			network = fmt.Sprintf("net-%d", c.networkOf(v, i))
		}
		mac := topology.MAC{2, byte(v), 0, 0, byte(i >> 8), byte(i)}
		args = append(args, "--", "add-port", crowdBridge, fmt.Sprintf("vif%d", v), "--", "set", "Interface", fmt.Sprintf("vif%d", v), "type=internal",
			fmt.Sprintf(`external_ids:attached-mac="%s"`, mac), "external_ids:ovsmesh-network="+network)
	}
	if _, err := ovs.VSCtl(ctx, args...); err != nil {
		return err
	}
	for _, args := range [][]string{ // the dummy datapath knows no route by itself
		{"netdev-dummy/ip4addr", crowdBridge, endpoint.String() + "/15"},
		{"ovs/route/add", "198.18.0.0/15", crowdBridge},
	} {
		if _, err := ovs.AppCtl(ctx, args...); err != nil {
			return err
		}
	}
	return ovs.SetManager(ctx, c.Server.Manager())
}

// members returns how many hosts are in each network of a layer.
func (c *Crowd) members() map[int]int {
	members := map[int]int{}
	for i := range c.hosts {
		for layer := range crowdLayers {
			members[c.networkOf(layer, i)]++
		}
	}
	return members
}

// spec declares all networks.
func (c *Crowd) spec() string {
	var b strings.Builder
	b.WriteString("networks:\n- {name: all, encap: gre, key: 1}\n")
	for n := range c.members() {
		fmt.Fprintf(&b, "- {name: net-%d, encap: gre, key: %d}\n", n, 100+n)
	}
	return b.String()
}

// settled waits until every host has dialled in, its bridge too, and holds what
// it should; the server must have taken that many connections of each kind.
func (c *Crowd) settled(ctx context.Context, databases, switches float64) error {
	ctx, cancel := context.WithTimeout(ctx, crowdLimit)
	defer cancel()
	n := float64(len(c.hosts))
	want := map[string]float64{
		`ovsmesh_hosts{connected="true"}`: n, `ovsmesh_bridges{connected="true"}`: n, "ovsmesh_hosts_in_sync": n, `ovsmesh_tunnels{state="up"}`: float64(c.Tunnels),
	}
	for {
		got, err := c.Server.metrics(ctx, `ovsmesh_hosts{connected="true"}`, `ovsmesh_bridges{connected="true"}`, "ovsmesh_hosts_in_sync", `ovsmesh_tunnels{state="up"}`,
			metricDatabases, metricSwitches)
		off := ""
		for name, v := range want {
			if err == nil && got[name] != v {
				off += fmt.Sprintf(" %s is %v, want %v;", name, got[name], v)
			}
		}
		if err == nil && off == "" && got[metricDatabases] >= databases && got[metricSwitches] >= switches {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not in sync:%s %v %w", off, err, ctx.Err())
		case <-time.After(crowdPoll):
		}
	}
}

// StormResult is what it took until all were in sync again.
type StormResult struct {
	Took         time.Duration
	Transactions int // sent to databases
	FlowMods     int // taken by switches
	Grown        int // bytes by which the databases' logs have grown
	Resting      int // bytes of the server's memory before
	Peak         int // the most of them since
	Goroutines   int // after it
}

// String says it in one line.
func (r StormResult) String() string {
	return fmt.Sprintf("in sync after %v; %d transactions, %d flow-mods, %d bytes written to databases; server: %d MiB before, %d MiB at most, %d goroutines after",
		r.Took.Round(10*time.Millisecond), r.Transactions, r.FlowMods, r.Grown, r.Resting>>20, r.Peak>>20, r.Goroutines)
}

// Restart kills the server and starts it again: all switches dial in to it at
// once, and it knows of none what it holds.
func (c *Crowd) Restart(ctx context.Context) (StormResult, error) {
	return c.storm(ctx, func() error {
		if err := c.Server.Kill(); err != nil {
			return err
		}
		return c.Server.Start(ctx)
	})
}

// Cut breaks all connections at once, while the server runs.
func (c *Crowd) Cut(ctx context.Context) (StormResult, error) {
	return c.storm(ctx, func() error {
		list, err := netlink.SocketDiagTCP(syscall.AF_INET)
		if err != nil {
			return fmt.Errorf("list connections: %w", err)
		}
		const established = 1 // TCP_ESTABLISHED of the kernel's tcp_states.h
		var cut int
		for _, s := range list {
			port := int(s.ID.SourcePort)
			if s.State != established || s.ID.Source.String() != c.Server.address || port != c.Server.ovsdb && port != c.Server.openflow {
				continue
			}
			local, remote := &net.TCPAddr{IP: s.ID.Source, Port: port}, &net.TCPAddr{IP: s.ID.Destination, Port: int(s.ID.DestinationPort)}
			if err := netlink.SocketDestroy(local, remote); err != nil && !errors.Is(err, syscall.ENOENT) {
				return fmt.Errorf("cut %v from %v: %w", remote, local, err)
			}
			cut++
		}
		if want := 2 * len(c.hosts); cut < want {
			return fmt.Errorf("%d connections were cut, want %d", cut, want)
		}
		return nil
	})
}

const (
	metricDatabases = "ovsmesh_ovsdb_connections_total"
	metricSwitches  = "ovsmesh_openflow_connections_total"
)

func (c *Crowd) storm(ctx context.Context, rage func() error) (r StormResult, err error) {
	records, err := c.records()
	if err != nil {
		return r, err
	}
	before, err := c.Server.metrics(ctx, metricDatabases, metricSwitches, metricTransactions, metricFlowMods)
	if err != nil {
		return r, err
	}
	runs := c.Server.Runs()
	if r.Resting, err = c.memory("VmRSS"); err != nil {
		return r, err
	}
	if err := c.resetPeak(); err != nil {
		return r, err
	}
	begin := time.Now()
	if err := rage(); err != nil {
		return r, err
	}
	if c.Server.Runs() != runs { // a new process counts anew
		clear(before)
	}
	n := float64(len(c.hosts))
	if err := c.settled(ctx, before[metricDatabases]+n, before[metricSwitches]+n); err != nil {
		return r, err
	}
	r.Took = time.Since(begin)
	after, err := c.Server.metrics(ctx, metricTransactions, metricFlowMods, "go_goroutines")
	if err != nil {
		return r, err
	}
	r.Transactions = int(after[metricTransactions] - before[metricTransactions])
	r.FlowMods = int(after[metricFlowMods] - before[metricFlowMods])
	r.Goroutines = int(after["go_goroutines"])
	if r.Peak, err = c.memory("VmHWM"); err != nil {
		return r, err
	}
	now, err := c.records()
	r.Grown = now - records
	if err != nil {
		return r, err
	}
	return r, c.clean(ctx)
}

// clean has all switches audited; again where one did not answer in time, as it may
// be on a busy machine: nothing is known of it then.
func (c *Crowd) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, crowdLimit)
	defer cancel()
	return Until(ctx, func(ctx context.Context) error {
		rep, err := c.Server.Client.Audit(ctx, api.AuditRequest{})
		if err != nil || rep.Clean && rep.Complete {
			return err
		}
		if rep.Complete {
			cancel() // it is known, and wrong
		}
		return errors.New("audit: " + findings(rep))
	})
}

// records returns how long the logs of all databases are together: each
// transaction that changes a row which is kept makes one longer.
func (c *Crowd) records() (int, error) {
	sum := 0
	for _, h := range c.hosts {
		info, err := os.Stat(filepath.Join(h.Dir(), "conf.db"))
		if err != nil {
			return 0, err
		}
		sum += int(info.Size())
	}
	return sum, nil
}

// memory returns a figure of the server's proc(5) status, in bytes.
func (c *Crowd) memory(name string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Server.PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no %s of the server", name)
}

// resetPeak makes VmHWM begin anew, proc(5) clear_refs.
func (c *Crowd) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.Server.PID()), []byte("5"), 0)
}

// Close ends the server and the switches, and removes what they had. It is
// idempotent.
func (c *Crowd) Close() error {
	var errs []error
	if c.Server != nil {
		errs = append(errs, c.Server.Kill(), c.Server.broken())
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, h := range c.hosts {
		if h == nil {
			continue
		}
		all.Go(func() {
			err := h.Remove()
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	all.Wait()
	if c.dir != "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	c.dir = ""
	return errors.Join(errs...)
}
