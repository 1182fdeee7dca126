package controller_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// situation is a few switches as operators, the plugin and ovsmesh leave them,
// drawn at random.
type situation struct {
	*rand.Rand
	t   *testing.T
	ctx context.Context
	sw  []*ovstest.Switch
	dir string
	at  string // where its controllers listen: an address of its own, as they come back
	ctl *running

	spec string // as it was applied last
}

// some draws one of several.
func some[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func newSituation(t *testing.T, seed uint64) *situation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	s := &situation{Rand: rand.New(rand.NewPCG(seed, 6)), t: t, ctx: ctx, dir: t.TempDir(), at: fmt.Sprintf("127.6.0.%d:0", seed+1)}
	for i := range 3 {
		sw := ovstest.StartSwitch(t, ovstest.WithHostname(fmt.Sprintf("h%d", i+1)))
		sw.VSCtl("set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:ovsmesh-endpoint-ip=10.9.0.%d", i+1))
		s.sw = append(s.sw, sw)
	}
	for i := range s.sw {
		for b := range 3 {
			if s.IntN(5) > 0 {
				s.bridge(i, fmt.Sprintf("xapi%d", b))
			}
		}
	}
	return s
}

// bridge makes a bridge of a host, with what may be on one.
func (s *situation) bridge(host int, name string) {
	sw := s.sw[host]
	sw.VSCtl("add-br", name)
	set := []string{"set", "Bridge", name, "external_ids:xs-network-uuids=abc"}
	for _, setting := range []string{
		some(s.Rand, "", "fail_mode=secure", "fail_mode=standalone"),
		some(s.Rand, "", "", "protocols=OpenFlow10", "protocols=[OpenFlow10,OpenFlow14]"),
		some(s.Rand, "", "", "", "", "stp_enable=true"),
		some(s.Rand, "", "", "rstp_enable=true"),
		some(s.Rand, "", "other_config:disable-in-band=false", "other_config:gre_key=OVSTunnel103"),
		some(s.Rand, "", "", fmt.Sprintf("other_config:datapath-id=00000000000000%d%s", host+1, name[4:])),
	} {
		if setting != "" {
			set = append(set, setting)
		}
	}
	sw.VSCtl(set...)
	if s.IntN(8) == 0 {
		sw.VSCtl("set-controller", name, "tcp:127.0.0.1:1")
	}
	if s.IntN(6) == 0 {
		sw.VSCtl("add-port", name, "vlan"+name[4:], "tag=7", "--", "set", "Interface", "vlan"+name[4:], "type=internal")
	}
	for n := range s.IntN(3) {
		s.vif(host, name, n)
	}
	for peer := range s.sw {
		if peer != host && s.IntN(2) == 0 { // of the plugin, or of somebody
			port := some(s.Rand, fmt.Sprintf("t10%s-%d-%d", name[4:], host+1, peer+1), fmt.Sprintf("gre-%s-%d", name[4:], peer))
			_, err := sw.VSCtlErr("add-port", name, port, "--", "set", "Interface", port, "type=gre",
				"options:key=10"+some(s.Rand, name[4:], "9"), fmt.Sprintf("options:remote_ip=10.9.0.%d", peer+1))
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

func (s *situation) vif(host int, bridge string, n int) {
	name := fmt.Sprintf("vif%s%d.0", bridge[4:], n)
	s.sw[host].VSCtl("--may-exist", "add-port", bridge, name, "--", "set", "Interface", name, "type=internal",
		fmt.Sprintf("external_ids:attached-mac=02:00:00:0%s:0%d:0%d", bridge[4:], host, n))
}

// draw draws networks.
func (s *situation) draw() string {
	var b strings.Builder
	b.WriteString("hosts:\n  - {name: h1, id: 1}\n  - {name: h2, id: 2}\n  - {name: h3, id: 3}\nnetworks:\n")
	for i := range 3 {
		if s.IntN(4) == 0 {
			continue
		}
		fmt.Fprintf(&b, "  - {name: n%d, bridge: xapi%d", i, some(s.Rand, i, i, s.IntN(3)))
		if gre := s.IntN(3) > 0; gre {
			fmt.Fprintf(&b, ", encap: gre, key: %d", 100+i)
		} else {
			fmt.Fprintf(&b, ", encap: vxlan, key: %d", 5000+i)
		}
		switch s.IntN(4) {
		case 0:
			b.WriteString(", profile: learning")
		case 1:
			b.WriteString(", tunnelPorts: " + some(s.Rand, "shared", "flow"))
		case 2:
			b.WriteString(", bfd: true")
		}
		if s.IntN(3) == 0 {
			b.WriteString(", takeBridge: true")
		}
		if s.IntN(3) == 0 {
			b.WriteString(", createBridge: true")
		}
		hosts := []string{"h1", "h2", "h3"}
		s.Shuffle(3, func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		fmt.Fprintf(&b, ", hosts: [%s]}\n", strings.Join(hosts[:s.IntN(4)], ", "))
	}
	return b.String()
}

// run starts a controller, and has it apply a spec that is drawn as all there is.
// The one before must have stopped.
func (s *situation) run(apply bool, opts ...func(*controller.Config)) {
	s.t.Helper()
	db, of := s.at, s.at
	if s.ctl != nil {
		db, of = s.ctl.ovsdb, s.ctl.openflow
	}
	s.ctl = startController(s.t, s.dir, s.listen(db), s.listen(of), 0, opts...)
	for tries := 0; apply; tries++ {
		s.spec = s.draw()
		_, err := s.ctl.Apply(s.ctx, api.ApplyRequest{Prune: true, Files: []api.File{{Name: "test.yaml", Data: s.spec}}})
		if err == nil {
			break
		}
		if tries == 50 { // what can't be together is refused
			s.t.Fatalf("%v\n%s", err, s.spec)
		}
	}
	for _, sw := range s.sw {
		sw.SetManager("tcp:" + s.ctl.ovsdb)
	}
}

func (s *situation) listen(at string) net.Listener {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		l, err := net.Listen("tcp", at)
		switch {
		case err == nil:
			return l
		// A process that another test is just starting has a copy of a listener
		// that is closed, until it runs its own program.
		case !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline):
			s.t.Fatal(err)
		}
	}
}

// plan waits for a plan of all hosts, complete, that is good, and the same twice.
func (s *situation) plan(what string, good func(api.Plan) bool) api.Plan {
	s.t.Helper()
	var last string
	for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		p, err := s.ctl.Plan(s.ctx, api.PlanRequest{Details: true, Flows: true})
		if err != nil {
			s.t.Fatal(err)
		}
		now := fmt.Sprintf("%+v", p)
		if p.Complete && len(p.Hosts) == len(s.sw) && good(p) && now == last {
			return p
		}
		if last = now; time.Now().After(deadline) {
			s.t.Fatalf("%s: the plan is still %s", what, now)
		}
	}
}

// idle reports whether nothing is to be done, be it that not all is possible.
func idle(p api.Plan) bool {
	return !slices.ContainsFunc(p.Hosts, func(h api.PlanHost) bool { return len(h.Bridges) > 0 || h.Changes > 0 })
}

// disturb does what people do while no controller looks.
func (s *situation) disturb() {
	for i, sw := range s.sw {
		for name := range strings.FieldsSeq(sw.VSCtl("list-br")) {
			switch s.IntN(6) {
			case 0:
				sw.VSCtl("set", "Bridge", name, "fail_mode="+some(s.Rand, "secure", "standalone"))
			case 1:
				sw.VSCtl("del-controller", name)
			case 2:
				for port := range strings.FieldsSeq(sw.VSCtl("list-ports", name)) {
					if strings.HasPrefix(port, "t") || strings.HasPrefix(port, "v5") {
						sw.VSCtl(some(s.Rand, []string{"del-port", port}, []string{"set", "Interface", port, "options:key=77"}, []string{"remove", "Port", port, "external_ids", "ovsmesh-peer"})...)
						break
					}
				}
			case 3:
				s.vif(i, name, 7)
			case 4:
				sw.VSCtl("del-br", name)
			}
		}
	}
}

// What a plan says is what is then done, row by row and flow by flow: in front of
// bridges of others and of the plugin's tunnels, with what is in the way, after a
// former run of ovsmesh with another spec, and after hands at work meanwhile.
func TestPlanIsWhatIsDone(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := newSituation(t, seed)
			if seed%2 == 1 {
				s.run(true)
				s.plan("the first run", idle)
				s.ctl.stop()
				if seed%4 == 3 {
					s.disturb()
				}
			}
			s.run(true, observing)
			said := s.plan("observing", func(api.Plan) bool { return true })
			before := make([]hostRows, len(s.sw))
			for i, sw := range s.sw {
				before[i] = rowsOf(t, s.ctx, sw.OVS)
			}
			again := s.plan("observing", func(api.Plan) bool { return true })
			if fmt.Sprint(again) != fmt.Sprint(said) {
				t.Errorf("the plan changed by itself: %+v, then %+v", said, again)
			}
			s.ctl.stop()
			s.run(false)
			s.plan("done", idle)
			for i, sw := range s.sw {
				host := fmt.Sprintf("h%d", i+1)
				samePlan(t, host, planned(t, said, host), before[i].changed(rowsOf(t, s.ctx, sw.OVS)))
			}
			if t.Failed() {
				t.Logf("%s\n%+v", s.spec, said)
			}
		})
	}
}
