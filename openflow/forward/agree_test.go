package forward

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/ovstest"
)

// judge is a real switch that says by ofproto/trace what it would do.
type judge struct {
	*ovstest.Switch
	t     *testing.T
	ports map[string]uint32
	of    net.Conn // OpenFlow 1.3; open all the time, as the switch tells a controller of misses that it does not know yet
	asks  *json.Encoder
	says  *json.Decoder
	dir   string
}

func startJudge(t *testing.T) *judge {
	t.Helper()
	j := &judge{Switch: ovstest.StartSwitch(t), t: t, ports: map[string]uint32{}, dir: t.TempDir()}
	add := []string{"add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail_mode=secure"}
	for i := 1; i <= 8; i++ {
		p := fmt.Sprintf("p%d", i)
		add = append(add, "--", "add-port", "br0", p, "--", "set", "interface", p, "type=dummy", fmt.Sprintf("ofport_request=%d", i))
	}
	// Access ports and trunks, for NORMAL.
	add = append(add, "--", "set", "port", "p4", "tag=5", "--", "set", "port", "p5", "trunks=5,7", "--", "set", "port", "p6", "protected=true",
		"--", "set", "port", "p7", "protected=true", "--", "set", "port", "p8", "tag=7", "vlan_mode=native-untagged")
	j.VSCtl(add...)
	for line := range strings.Lines(j.AppCtl("dpif/show")) { // "  p1 1/2: (dummy)"
		var name, numbers string
		if n, _ := fmt.Sscan(line, &name, &numbers); n == 2 && strings.Contains(numbers, "/") {
			of, dp, _ := strings.Cut(strings.TrimSuffix(numbers, ":"), "/")
			var port uint32
			if fmt.Sscan(of, &port); port == 65534 {
				port = flow.PortLocal
			}
			j.ports[dp] = port
		}
	}
	if len(j.ports) != 9 {
		t.Fatalf("ports %v", j.ports)
	}
	conn, err := net.Dial("unix", filepath.Join(filepath.Dir(j.BridgeSocket("br0")), "vswitchd.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(3 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	j.asks, j.says = json.NewEncoder(conn), json.NewDecoder(conn)
	j.connect()
	return j
}

func (j *judge) connect() {
	j.t.Helper()
	conn, err := net.Dial("unix", j.BridgeSocket("br0"))
	if err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(3 * time.Minute)); err != nil {
		j.t.Fatal(err)
	}
	hello, err := wire.EncodeHello(1)
	if err != nil {
		j.t.Fatal(err)
	}
	if _, err := conn.Write(hello); err != nil {
		j.t.Fatal(err)
	}
	if m, err := wire.ReadMessage(conn); err != nil || m.Type != wire.TypeHello {
		j.t.Fatalf("%v, %v", m, err)
	}
	j.of = conn
}

// trace asks over one connection: a process for each frame would take most of
// the test's time.
func (j *judge) trace(in uint32, frame []byte) string {
	j.t.Helper()
	return j.ask("ofproto/trace", "br0", fmt.Sprintf("in_port=%d", in), hex.EncodeToString(frame))
}

func (j *judge) ask(method string, params ...string) string {
	j.t.Helper()
	ask := map[string]any{"id": 0, "method": method, "params": params}
	var answer struct {
		Result string
		Error  any
	}
	if err := j.asks.Encode(ask); err != nil {
		j.t.Fatal(err)
	}
	if err := j.says.Decode(&answer); err != nil || answer.Error != nil {
		j.t.Fatal(err, answer.Error)
	}
	return answer.Result
}

// hold has the switch hold flows and groups, and returns what it says that it
// holds, as it comes over OpenFlow 1.3; and the same with the words that
// ovs-ofctl has for all actions.
func (j *judge) hold(flows, groups []string) (bytes, words *Bridge) {
	j.t.Helper()
	file := func(name string, lines []string) string {
		path := filepath.Join(j.dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			j.t.Fatal(err)
		}
		return path
	}
	socket := j.BridgeSocket("br0")
	j.OFCtl("del-flows", socket)
	j.OFCtl("del-groups", socket)
	j.AppCtl("fdb/flush", "br0")
	if len(groups) > 0 {
		j.OFCtl("add-groups", socket, file("groups", groups))
	}
	for {
		path := file("flows", flows)
		_, err := j.OFCtlErr("--bundle", "add-flows", socket, path)
		if err == nil {
			break
		}
		// Some actions go with nothing that comes after: those flows are left out.
		text := err.Error()
		rest := text[strings.LastIndex(text, path+":")+len(path)+1:]
		var line int
		if n, _ := fmt.Sscan(strings.Split(rest, ":")[0], &line); n != 1 || !strings.Contains(rest, "MATCH_INCONSISTENT") {
			j.t.Fatal(err)
		}
		flows = slices.Delete(slices.Clone(flows), line-1, line)
	}
	held := Switch{Flows: j.flows(), Groups: j.groups(), Ports: j.described()}
	bytes = Load(held)
	held.Flows, held.Groups = slices.Clone(held.Flows), slices.Clone(held.Groups)
	for i := range held.Flows {
		held.Flows[i].Actions = wire.Words(held.Flows[i].Actions)
	}
	for i := range held.Groups {
		g := &held.Groups[i]
		g.Buckets = slices.Clone(g.Buckets)
		for n := range g.Buckets {
			g.Buckets[n].Actions = wire.Words(g.Buckets[n].Actions)
		}
	}
	words = Load(held)
	bytes.frozen, words.frozen = false, false // a trace of a frame learns
	return bytes, words
}

// described are the ports, as startJudge has configured them.
func (j *judge) described() []Port {
	list := []Port{{Number: flow.PortLocal}}
	for i := uint32(1); i <= 8; i++ {
		p := Port{Number: i, Protected: i == 6 || i == 7}
		switch i {
		case 4:
			p.VLANs = VLANs{Tag: 5}
		case 5:
			p.VLANs = VLANs{Trunks: []uint16{5, 7}}
		case 8:
			p.VLANs = VLANs{Tag: 7, Native: true}
		}
		list = append(list, p)
	}
	return list
}

func (j *judge) flows() (list []flow.Flow) {
	request, err := wire.EncodeFlowRequest(2, wire.FlowRequest{Table: wire.AllTables})
	j.multipart(request, err, func(body []byte) {
		part, err := wire.DecodeFlows(body)
		if err != nil {
			j.t.Fatal(err)
		}
		list = append(list, part...)
	})
	return list
}

func (j *judge) groups() []Group {
	list := []Group{}
	request, err := wire.EncodeMultipartRequest(2, wire.MultipartGroupDesc)
	j.multipart(request, err, func(body []byte) {
		part, err := wire.DecodeGroups(body)
		if err != nil {
			j.t.Fatal(err)
		}
		for _, g := range part {
			buckets, err := ParseBuckets(g.Buckets)
			if err != nil {
				j.t.Fatal(err)
			}
			list = append(list, Group{g.ID, GroupType(g.Type), buckets})
		}
	})
	return list
}

func (j *judge) multipart(request []byte, err error, each func([]byte)) {
	j.t.Helper()
	if err != nil {
		j.t.Fatal(err)
	}
	if _, err := j.of.Write(request); err != nil {
		j.t.Fatal(err)
	}
	for {
		m, err := wire.ReadMessage(j.of)
		if err != nil {
			j.t.Fatal(err)
		}
		if m.Type != wire.TypeMultipartReply {
			continue
		}
		p, err := wire.DecodeMultipart(m)
		if err != nil {
			j.t.Fatal(err)
		}
		if each(p.Body); !p.More {
			return
		}
	}
}

// expected reads from a trace what leaves the switch; false where the trace
// can't say it of itself, because the frame would come back for a second look.
func (j *judge) expected(text string, f Frame) ([]string, bool) {
	j.t.Helper()
	_, rest, ok := strings.Cut(text, "Datapath actions: ")
	if strings.Contains(text, "recirc(") || !ok && strings.Contains(text, "Translation failed") {
		return nil, !ok
	}
	actions, _, _ := strings.Cut(rest, "\n")
	d := &datapath{ports: j.ports}
	if err := d.run(actions, f); err != nil {
		j.t.Fatalf("%v in\n%s", err, text)
	}
	slices.Sort(d.out)
	return d.out, true
}

// TestAgrees holds the interpreter against Open vSwitch's own trace: generated
// networks of ours, generated flows of others, and both beside each other, each
// with generated frames. What the interpreter has doubts about is not compared;
// that must be rare.
func TestAgrees(t *testing.T) {
	const bridges, frames = 60, 200
	j := startJudge(t)
	g := generator{Rand: rand.New(rand.NewPCG(7, 8))}
	compared, doubted, left, failed := 0, 0, 0, 0
	for round := range bridges {
		var lines []string
		g.actionSets = round%2 == 0
		if round%3 != 0 {
			lines = append(lines, g.foreign(60, 0)...)
		}
		if round%3 != 1 {
			for _, f := range g.network() {
				if round%3 == 2 && f.Table == 0 {
					f.Priority /= 10 // so that others' flows take some of the frames
				}
				lines = append(lines, f.String())
			}
		}
		b, words := j.hold(lines, g.groups())
		for range frames {
			in, raw := 1+uint32(g.IntN(8)), g.frame()
			f, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.Run(in, f)
			if err != nil {
				t.Fatal(err)
			}
			again, err := words.Run(in, f)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ways(again), ways(r)) || len(again.Doubts) != len(r.Doubts) {
				t.Fatalf("%s on %d: by bytes %v\n%v\nby words %v\n%v%s", f, in, r.Doubts, ways(r), again.Doubts, ways(again), stepsOf(again))
			}
			text := j.trace(in, raw)
			hashed := strings.Contains(text, "hash(sym_l4") // the datapath is to pick a bucket of a select group, and the trace ends there
			if len(r.Doubts) > 0 || hashed {
				if len(r.Doubts) > 0 {
					doubted++
				}
				words.Forget()
				b.Forget() // what it has learned is in doubt, too
				j.ask("fdb/flush", "br0")
				continue
			}
			want, ok := j.expected(text, f)
			if !ok {
				t.Errorf("the switch looks twice, and we have no doubt: %s", text)
				failed++
				continue
			}
			compared++
			if len(want) > 0 {
				left++
			}
			if got := ways(r); !slices.Equal(got, want) {
				failed++
				t.Errorf("%s on %d\nleaves\n  %s\nwe say\n  %s\nby %v\n%s", f, in, strings.Join(want, "\n  "), strings.Join(got, "\n  "), stepsOf(r), text)
			}
			if failed > 3 {
				t.FailNow()
			}
		}
	}
	t.Logf("%d frames compared, of which %d leave; %d in doubt", compared, left, doubted)
	if compared < 10000 || left < compared/4 {
		t.Errorf("only %d frames compared, of which %d leave; %d in doubt", compared, left, doubted)
	}
}

func stepsOf(r Result) string {
	var list []string
	for _, s := range r.Steps {
		if s.Flow == nil {
			list = append(list, fmt.Sprintf("table %d: none", s.Table))
		} else {
			list = append(list, s.Flow.Text())
		}
	}
	return "\n  " + strings.Join(list, "\n  ")
}
