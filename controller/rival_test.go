package controller_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
)

// A rival is a controller in a process of its own, so that it can be stopped where
// it stands: this test binary, started again with these in its environment. It
// does what it is told on stdin and ends with it.
const (
	envRivalDir       = "OVSMESH_TEST_RIVAL_DIR"
	envRivalMark      = "OVSMESH_TEST_RIVAL_MARK"
	envRivalAdvertise = "OVSMESH_TEST_RIVAL_ADVERTISE"
)

// rivalStatus is what a rival answers.
type rivalStatus struct {
	Hosts   map[string]api.HostStatus
	Bridges map[string]bool // whether a host's bridge is connected
	Steps   int             // changes of the intent that it has driven
	Error   string

	Late         float64 // writes that it gave up for want of the lock
	TurnedAway   float64
	FlowMods     float64
	Transactions float64
}

// serveRival is the process.
func serveRival(dir string) error {
	st, err := store.Open(dir)
	if err != nil {
		return err
	}
	defer st.Close()
	var ls [2]net.Listener
	for i := range ls {
		if ls[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	ctl, err := controller.New(controller.Config{
		Log: zap.NewNop(), Store: st, OVSDB: ls[:1], OpenFlow: ls[1:], AutoRegister: true, Advertise: os.Getenv(envRivalAdvertise),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- ctl.Run(ctx) }()
	d := &driver{ctl: ctl, mark: os.Getenv(envRivalMark)}
	fmt.Println(ls[0].Addr(), ls[1].Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "drive":
			d.start(ctx)
		case "rest":
			d.rest()
		}
		b, err := json.Marshal(d.status(ctx))
		if err != nil {
			return err
		}
		fmt.Println(string(b))
	}
	d.rest()
	cancel()
	return <-done
}

// driver changes a rival's intent all the time, in a way that is seen in rows and
// flows: keys and MACs that carry the rival's mark.
type driver struct {
	ctl    *controller.Controller
	mark   string
	n      int
	cancel func()
	done   sync.WaitGroup
	err    error
}

func (d *driver) start(ctx context.Context) {
	d.rest()
	ctx, d.cancel = context.WithCancel(ctx)
	d.done.Go(func() {
		for ctx.Err() == nil && d.err == nil {
			d.n++
			spec := fmt.Sprintf(`{ports: [{name: one, network: blue, match: {host: h1, interface: vif}, mac: "02:%s:00:00:%02x:%02x"}]}`, d.mark, d.n>>8&0xff, d.n&0xff)
			if d.n%5 == 0 {
				spec = fmt.Sprintf(`{networks: [{name: blue, encap: gre, key: %d, bridge: xapi1}]}`, d.key()+uint64(d.n/5&0xff))
			}
			_, err := d.ctl.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "drive.yaml", Data: spec}}})
			if err != nil && ctx.Err() == nil {
				d.err = err
			}
			time.Sleep(rand.N(6 * time.Millisecond))
		}
	})
}

// key is the first of the 256 keys that carry the mark.
func (d *driver) key() uint64 {
	n, err := strconv.ParseUint(d.mark, 16, 8)
	if err != nil {
		panic(err)
	}
	return n << 8
}

func (d *driver) rest() {
	if d.cancel != nil {
		d.cancel()
		d.done.Wait()
		d.cancel = nil
	}
}

func (d *driver) status(ctx context.Context) rivalStatus {
	st := rivalStatus{Hosts: map[string]api.HostStatus{}, Bridges: map[string]bool{}}
	o, err := d.ctl.Objects(ctx, api.KindHosts, "")
	if d.cancel == nil { // else they are the driver's
		st.Steps = d.n
		err = errors.Join(err, d.err)
	}
	if err != nil {
		st.Error = err.Error()
	}
	for _, h := range o.Hosts {
		st.Hosts[h.Name] = h.Status
	}
	top, err := d.ctl.Topology(ctx, api.TopologyFilter{})
	if err != nil {
		st.Error = err.Error()
	}
	for _, h := range top.Hosts {
		st.Bridges[h.Name] = len(h.Bridges) > 0 && h.Bridges[0].Connected
	}
	families, err := d.ctl.Registry().Gather()
	if err != nil {
		st.Error = err.Error()
	}
	wanted := map[string]*float64{
		"ovsmesh_late_writes_refused_total": &st.Late, "ovsmesh_bridges_turned_away_total": &st.TurnedAway,
		"ovsmesh_openflow_flow_mods_total": &st.FlowMods, "ovsmesh_ovsdb_transactions_total": &st.Transactions,
	}
	for _, f := range families {
		if to := wanted[f.GetName()]; to != nil {
			*to = f.Metric[0].GetCounter().GetValue()
		}
	}
	return st
}

// rival is the test's end of one.
type rival struct {
	t               *testing.T
	mark            string
	ovsdb, openflow string
	cmd             *exec.Cmd
	in              io.WriteCloser
	out             *bufio.Reader
}

func startRival(t *testing.T, dir, mark, advertise string) *rival {
	t.Helper()
	r := &rival{t: t, mark: mark, cmd: exec.Command(os.Args[0])}
	r.cmd.Env = append(os.Environ(), envRivalDir+"="+dir, envRivalMark+"="+mark, envRivalAdvertise+"="+advertise)
	r.cmd.Stderr = os.Stderr
	var err error
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewReader(out)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // SIGKILL works on one that is stopped, too
		_ = r.cmd.Wait()
	})
	line, err := r.out.ReadString('\n')
	if n, _ := fmt.Sscan(line, &r.ovsdb, &r.openflow); n != 2 {
		t.Fatalf("rival %s: %q, %v", mark, line, err)
	}
	return r
}

// say tells the rival what to do, "" for nothing, and returns its status.
func (r *rival) say(what string) rivalStatus {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.in, what); err != nil {
		r.t.Fatal(err)
	}
	line, err := r.out.ReadString('\n')
	if err != nil {
		r.t.Fatalf("rival %s: %q: %v", r.mark, line, err)
	}
	var st rivalStatus
	if err := json.Unmarshal([]byte(line), &st); err != nil || st.Error != "" {
		r.t.Fatalf("rival %s: %q, %v", r.mark, line, err)
	}
	return st
}

func (r *rival) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// relay is an address that leads to whatever it was last pointed at, as one that
// moves between machines does.
type relay struct {
	network string
	l       net.Listener
	done    sync.WaitGroup

	mu    sync.Mutex
	to    string
	conns []net.Conn
}

func startRelay(t *testing.T, network, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &relay{network: network, l: l, to: to}
	f.done.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			f.join(in)
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // its goroutine ends with it
		f.point("")
		f.done.Wait()
	})
	return f
}

func (f *relay) join(in net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out, err := net.Dial(f.network, f.to)
	if err != nil {
		_ = in.Close() // nobody is there
		return
	}
	f.conns = append(f.conns, in, out)
	for _, c := range [][2]net.Conn{{in, out}, {out, in}} {
		f.done.Go(func() {
			_, _ = io.Copy(c[0], c[1]) // ends when either end does
			_ = c[0].Close()
		})
	}
}

// point has new connections led to another place, and ends those that are there.
func (f *relay) point(to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = to
	for _, c := range f.conns {
		_ = c.Close() // it may be closed already
	}
	f.conns = nil
}

func (f *relay) addr() string { return f.l.Addr().String() }
