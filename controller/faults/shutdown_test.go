package faults

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb/ovstest"
)

// A server that is told to stop in the midst of thousands of changes, with a
// switch that is frozen, readers of events that read and that do not, and
// clients that take nothing of large answers, ends in good order within 5 s. The
// store holds what was acknowledged, no switch has anything half, and the next
// server brings all in.
func TestShutdownUnderLoad(t *testing.T) {
	const hosts = 8
	c := startCrowd(t, hosts)
	l := &load{t: t, c: c}
	for i := range hosts {
		l.names = append(l.names, fmt.Sprintf("h%03d", i+1))
	}
	l.start(t.Context())
	for deadline := time.Now().Add(30 * time.Second); l.acknowledged.Load() < loadWriters; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no change is acknowledged")
		}
	}
	frozen := c.hosts[0]
	if err := frozen.Freeze(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	begin := time.Now()
	if err := c.Server.Stop(); err != nil {
		t.Error(err)
	}
	t.Logf("stopped after %v; %d changes of %d tunnel ends each were acknowledged",
		time.Since(begin).Round(time.Millisecond), l.acknowledged.Load(), hosts*(hosts-1)*loadNetworks)
	l.stop()
	if err := frozen.Thaw(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(strings.TrimSpace(c.Server.Log()), "ovsmesh has stopped; tunnels and flows stay as they are") {
		t.Errorf("the server ended otherwise: %s", c.Server.tail())
	}
	l.kept()
	for i, h := range c.hosts {
		l.whole(t.Context(), l.names[i], h)
	}
	if err := c.Server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.tidy(t.Context())
}

// load is what a server has to do while it is told to stop.
type load struct {
	t     *testing.T
	c     *Crowd
	names []string // of hosts

	cancel       context.CancelFunc
	all          sync.WaitGroup
	acknowledged atomic.Int64
	last         [loadWriters]atomic.Int64 // number of the change that was acknowledged last
}

const (
	loadWriters  = 4
	loadNetworks = 15 // of each writer: each change moves all of them to other keys
	loadReaders  = 20
)

// start has writers change networks of all hosts over and over, and readers
// follow.
func (l *load) start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	for w := range loadWriters {
		l.last[w].Store(-1)
		l.all.Go(func() {
			for n := int64(0); ctx.Err() == nil; n++ {
				_, err := l.c.Server.Client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "load.yaml", Data: l.spec(w, n, l.names)}}})
				if err != nil {
					return // it stops
				}
				l.acknowledged.Add(1)
				l.last[w].Store(n)
			}
		})
	}
	for n := range loadReaders {
		l.all.Go(func() {
			path := "/v1/events"
			if n%2 == 0 {
				path = "/v1/topology"
			}
			l.read(ctx, path, n%4 < 2)
		})
	}
}

// spec is change n of a writer, with these hosts in all its networks.
func (l *load) spec(writer int, n int64, hosts []string) string {
	var b strings.Builder
	b.WriteString("networks:\n")
	for k := range loadNetworks {
		id := writer*loadNetworks + k
		fmt.Fprintf(&b, "- {name: load-%d, encap: gre, key: %d, bridge: %s, hosts: [%s]}\n", id, 10_000+1000*int(n%1000)+id, crowdBridge, strings.Join(hosts, ", "))
	}
	return b.String()
}

// read asks for a page and takes it, or takes nothing of it, until ctx ends.
func (l *load) read(ctx context.Context, path string, takes bool) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", l.c.Server.api)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		l.t.Error(err)
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		l.t.Error(err)
	}
	if takes {
		_, _ = io.Copy(io.Discard, conn) // until the server ends
	}
	<-ctx.Done()
}

func (l *load) stop() {
	l.cancel()
	l.all.Wait()
}

// kept demands that the store can be opened, and that each writer's networks are
// as of its last change that was acknowledged, or of one after that.
func (l *load) kept() {
	l.t.Helper()
	st, err := store.Open(l.c.Server.DataDir())
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			l.t.Error(err)
		}
	}()
	state, err := st.Load()
	if err != nil {
		l.t.Fatal(err)
	}
	keys := map[string]int64{}
	for _, n := range state.Intent.Networks {
		keys[n.Name] = int64(n.Key)
	}
	for w := range loadWriters {
		var changes []int64
		for k := range loadNetworks {
			id := int64(w*loadNetworks + k)
			changes = append(changes, (keys[fmt.Sprintf("load-%d", id)]-10_000-id)/1000)
		}
		for _, n := range changes {
			if n != changes[0] || n < l.last[w].Load() || n > l.last[w].Load()+1 {
				l.t.Errorf("writer %d: change %d was acknowledged last, the store holds %v", w, l.last[w].Load(), changes)
				break
			}
		}
	}
}

// whole demands that every flow of a host's bridge is ours and names ports which
// are there: rows and flows of a change come and go in an order of their own.
func (l *load) whole(ctx context.Context, name string, h *ovstest.OVS) {
	l.t.Helper()
	text, err := h.OFCtl(ctx, "--no-stats", "--no-names", "dump-flows", h.BridgeSocket(crowdBridge))
	if err != nil {
		l.t.Fatal(err)
	}
	desc, err := h.OFCtl(ctx, "dump-ports-desc", h.BridgeSocket(crowdBridge))
	if err != nil {
		l.t.Fatal(err)
	}
	there := func(port uint32) bool {
		return port >= 0xffffff00 || strings.Contains(desc, fmt.Sprintf("\n %d(", port))
	}
	flows := 0
	for line := range strings.Lines(text) {
		f, err := flow.Parse(strings.TrimSpace(line))
		if err != nil {
			l.t.Fatal(err)
		}
		if flows++; !pipeline.Owned(f.Cookie) {
			l.t.Errorf("%s: %s is not ours", name, line)
		}
		var ports []uint32
		if in, ok := f.Match.Get(flow.InPort.Field()); ok {
			ports = append(ports, binary.BigEndian.Uint32([]byte(in.Value)))
		}
		for _, a := range f.Actions {
			if out, ok := a.(flow.Output); ok {
				ports = append(ports, out.Port)
			}
		}
		for _, p := range ports {
			if !there(p) {
				l.t.Errorf("%s: port %d of %s is not there", name, p, strings.TrimSpace(line))
			}
		}
	}
	if flows == 0 {
		l.t.Errorf("%s has no flows", name)
	}
}

// tidy waits until all is in, and takes the load's networks away again.
func (l *load) tidy(ctx context.Context) {
	l.t.Helper()
	wait := func(generation uint64) {
		l.t.Helper()
		for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			s, err := l.c.Server.Client.Sync(ctx, generation)
			if err == nil && s.Done && s.Hosts == len(l.names) {
				break
			}
			if time.Now().After(deadline) {
				l.t.Fatalf("not in sync: %+v, %v", s, err)
			}
		}
	}
	same, err := l.c.Server.Client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "crowd.yaml", Data: l.c.spec()}}})
	if err != nil {
		l.t.Fatal(err)
	}
	wait(same.Generation)
	if err := l.c.clean(ctx); err != nil {
		l.t.Error(err)
	}
	var none strings.Builder
	for w := range loadWriters {
		none.WriteString(l.spec(w, 0, nil))
	}
	res, err := l.c.Server.Client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "load.yaml", Data: strings.ReplaceAll(none.String(), "networks:", "---\nnetworks:")}}})
	if err != nil {
		l.t.Fatal(err)
	}
	wait(res.Generation)
	if err := l.c.settled(ctx, 0, 0); err != nil {
		l.t.Error(err)
	}
	if err := l.c.clean(ctx); err != nil {
		l.t.Error(err)
	}
}
