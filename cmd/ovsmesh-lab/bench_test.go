package main

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ovsmesh/topology"
)

// TestBench runs everything once, small: both ways of making tunnels must leave
// on a real switch what is wanted, which bench checks itself. How fast they
// are is not for a test.
func TestBench(t *testing.T) {
	var out bytes.Buffer
	b := &bench{
		out: &out, progress: io.Discard,
		single:  singleBench{rounds: 2, tunnels: 12, laps: 2, samples: 1, crowd: 6, changes: 3},
		cloud:   cloudBench{rounds: 1, cloud: cloud{hosts: 3, networks: 2}},
		monitor: monitorBench{rounds: 1, changes: 500},
	}
	if err := b.run(t.Context()); err != nil && !errors.Is(err, errTargetMissed) {
		t.Fatal(err)
	}
	for _, p := range []struct {
		name string
		pair
		want int
	}{
		{"many", b.single.many, 2}, {"one", b.single.one, 4}, {"gone", b.single.gone, 2},
		{"one by one", b.single.oneByOne, 2}, {"flow", b.cloud.flow, 1},
		{"per network", pair{b.cloud.perNetwork, b.cloud.perNetwork}, 1},
	} {
		if len(p.ours) != p.want || len(p.floor) != p.want {
			t.Errorf("%s: %d and %d measurements, want %d", p.name, len(p.ours), len(p.floor), p.want)
		}
	}
	for _, n := range b.single.transactions {
		if n < 1 || n > b.single.changes {
			t.Errorf("%d transactions for %d changes", n, b.single.changes)
		}
	}
	for i, costs := range b.single.plugin {
		if len(costs) != 2 {
			t.Errorf("%d samples of the plugin's way at point %d, want 2", len(costs), i)
		}
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 10 {
		t.Fatalf("want a heading and nine lines, got:\n%s", out.String())
	}
	for _, line := range lines[1:] {
		if !strings.HasSuffix(line, "yes") && !strings.HasSuffix(line, "no") || strings.Contains(line, "NaN") {
			t.Errorf("line %q", line)
		}
	}
}

// What is on the switch otherwise than it should be is no measurement.
func TestBenchChecksTheSwitch(t *testing.T) {
	ctx := t.Context()
	f, err := startFloor(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := f.add(ctx, 3); err != nil {
		t.Fatal(err)
	}
	for _, damage := range []struct {
		name, want string
		tool       func(args ...string) (string, error)
		args       []string
	}{
		{"a flow is gone", "1 of", f.ofctl(t), []string{"--strict", "del-flows", f.BridgeSocket(benchBridge), "table=0,priority=1100,in_port=20001"}},
		{"a tunnel leads elsewhere", "tunnel " + benchTunnel(1).port, f.vsctl(t), []string{"set", "Interface", benchTunnel(1).port, "options:remote_ip=198.18.9.9"}},
		{"a tunnel is gone", "2 tunnels", f.vsctl(t), []string{"del-port", benchTunnel(3).port}},
	} {
		if _, err := damage.tool(damage.args...); err != nil {
			t.Fatal(err)
		}
		if err := f.check(ctx, f.tunnels); err == nil || !strings.Contains(err.Error(), damage.want) {
			t.Errorf("%s: error %v, want it to say %q", damage.name, err, damage.want)
		}
	}
}

func (s *benchSwitch) ofctl(t *testing.T) func(args ...string) (string, error) {
	return func(args ...string) (string, error) { return s.OFCtl(t.Context(), args...) }
}

func (s *benchSwitch) vsctl(t *testing.T) func(args ...string) (string, error) {
	return func(args ...string) (string, error) { return s.VSCtl(t.Context(), args...) }
}

func TestBenchSpec(t *testing.T) {
	const one = 2*benchNetworks + 1 // the tunnel that brings the third peer
	for _, tt := range []struct {
		name            string
		from, to        span
		networks, hosts int
		members, host   string // of the first network, and of the first host
	}{
		{"nothing yet", span{}, span{}, benchNetworks, 0, "real", ""},
		{"all at once", span{}, span{0, one}, benchNetworks, 3, "real p1 p2 p3", "p1 198.18.0.2"},
		{"one more", span{0, one - 1}, span{0, one}, 1, 1, "real p1 p2 p3", "p3 198.18.0.4"},
		{"one of its network, of a known peer", span{0, one}, span{0, one + 1}, 1, 1, "real p1 p2 p3", "p3 198.18.0.4"},
		{"the oldest go", span{0, one}, span{one - 1, one}, benchNetworks, 0, "real p3", ""},
		{"the oldest goes", span{0, one}, span{1, one}, 1, 0, "real p2 p3", ""},
	} {
		spec, _, err := topology.Parse(topology.File{Name: "bench.yaml", Data: []byte(benchSpec(tt.from, tt.to))})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if len(spec.Networks) != tt.networks || len(spec.Hosts) != tt.hosts {
			t.Errorf("%s: %d networks and %d hosts, want %d and %d", tt.name, len(spec.Networks), len(spec.Hosts), tt.networks, tt.hosts)
			continue
		}
		if got := strings.Join(spec.Networks[0].Hosts, " "); got != tt.members {
			t.Errorf("%s: %s has hosts %s, want %s", tt.name, spec.Networks[0].Name, got, tt.members)
		}
		if tt.hosts == 0 {
			continue
		}
		if got := spec.Hosts[0].Name + " " + spec.Hosts[0].Endpoint.String(); got != tt.host {
			t.Errorf("%s: the first host is %s, want %s", tt.name, got, tt.host)
		}
	}
}

func TestBenchTunnelsDiffer(t *testing.T) {
	ports := map[string]bool{}
	for n := 1; n <= 4000; n++ {
		tun := benchTunnel(n)
		ports[tun.port] = true
		if tun.remote == benchEndpoint || !netip.MustParsePrefix("198.18.0.0/15").Contains(tun.remote) {
			t.Errorf("tunnel %d leads to %s", n, tun.remote)
		}
	}
	if len(ports) != 4000 {
		t.Errorf("%d ports, want 4,000", len(ports))
	}
}

func TestPrintResults(t *testing.T) {
	var out bytes.Buffer
	met, err := printResults(&out, []benchResult{
		{name: "a", ours: 100 * time.Millisecond, other: 20 * time.Second, limit: 200, faster: true},
		{name: "b", ours: 15 * time.Millisecond, other: 10 * time.Millisecond, limit: 1.5},
		{name: "c", ours: 16 * time.Millisecond, other: 10 * time.Millisecond, limit: 1.5},
	})
	if err != nil || met {
		t.Errorf("met = %v, %v; want false: c is too slow", met, err)
	}
	want := `NAME   OURS      OTHER     RATIO    TARGET             MET
a      100 ms    20.0 s    200.00   other/ours ≥ 200   yes
b      15.0 ms   10.0 ms   1.50     ours/other ≤ 1.5   yes
c      16.0 ms   10.0 ms   1.60     ours/other ≤ 1.5   no
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		in   []time.Duration
		want time.Duration
	}{
		{nil, 0},
		{[]time.Duration{7}, 7},
		{[]time.Duration{9, 1, 5}, 5},
		{[]time.Duration{8, 2, 100, 4}, 6},
	} {
		if got := median(tt.in); got != tt.want {
			t.Errorf("median(%v) = %d, want %d", tt.in, got, tt.want)
		}
	}
}

// Against the plain sum over every tunnel.
func TestIntegrate(t *testing.T) {
	cost := func(n int) time.Duration { // straight between the points
		if n <= 100 {
			return time.Duration(1000 + 10*n)
		}
		return time.Duration(2000 + 30*(n-100))
	}
	points := []int{1, 100, 500, 1000}
	var costs []time.Duration
	for _, p := range points {
		costs = append(costs, cost(p))
	}
	var want time.Duration
	for n := 1; n <= 1000; n++ {
		want += cost(n)
	}
	if got := integrate(points, costs); got != want {
		t.Errorf("integrate = %d, want %d", got, want)
	}
	if got := integrate(nil, nil); got != 0 {
		t.Errorf("of nothing: %d, want 0", got)
	}
}
