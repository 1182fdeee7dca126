package ovsdb_test

import (
	"context"
	"fmt"
	"maps"
	"syscall"
	"testing"
	"time"

	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/ovstest"
)

// More rows than fit a transaction are read in several; one that is not there is
// left out.
func TestStatisticsOfManyRows(t *testing.T) {
	const ports = 520
	sw := ovstest.StartSwitch(t)
	args := []string{"--no-wait", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy"}
	for i := range ports {
		name := fmt.Sprintf("p%d", i)
		args = append(args, "--", "add-port", "br0", name, "--", "set", "Interface", name, "type=dummy")
	}
	sw.VSCtl(args...)
	m := startManager(t, ovsdb.Config{})
	sw.SetManager(m.target)
	s := m.next(t)
	ids := []string{"00000000-0000-4000-8000-000000000000"}
	for i := range ports {
		row := s.DB().InterfaceByName(fmt.Sprintf("p%d", i))
		if row == nil {
			t.Fatalf("no interface p%d", i)
		}
		ids = append(ids, row.UUID)
	}
	got, err := s.Statistics(t.Context(), ids)
	if err != nil || len(got) != ports {
		t.Fatalf("%d of %d rows: %v", len(got), ports, err)
	}
	if _, there := got[ids[0]]; there {
		t.Error("a row that is not there has statistics")
	}
	if none, err := s.Statistics(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("of nothing: %v, %v", none, err)
	}
}

// What a host tells is taken as far as it makes sense.
func TestStatisticsOfAnyKind(t *testing.T) {
	const id = "11111111-1111-4111-8111-111111111111"
	for name, tt := range map[string]struct {
		result string
		want   map[string]int64
	}{
		"as usual":      {`[{"rows":[{"_uuid":["uuid","` + id + `"],"statistics":["map",[["rx_bytes",7],["tx_bytes",9007199254740991]]]}]}]`, map[string]int64{"rx_bytes": 7, "tx_bytes": 9007199254740991}},
		"empty":         {`[{"rows":[{"statistics":["map",[]]}]}]`, map[string]int64{}},
		"no column":     {`[{"rows":[{}]}]`, map[string]int64{}},
		"of a set":      {`[{"rows":[{"statistics":["set",[]]}]}]`, map[string]int64{}},
		"other values":  {`[{"rows":[{"statistics":["map",[["a",1.5],["b","7"],["c",true],[3,4],["d",8]]]}]}]`, map[string]int64{"d": 8}},
		"no row":        {`[{"rows":[]}]`, nil},
		"no rows":       {`[{}]`, nil},
		"beyond bounds": {`[{"rows":[{"statistics":["map",[["a",1e300],["b",-5]]]}]}]`, map[string]int64{"b": -5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startManager(t, calm())
			p := dialPeer(t, m)
			p.settle()
			s := m.next(t)
			type answer struct {
				got map[string]map[string]int64
				err error
			}
			answered := make(chan answer, 1)
			go func() {
				got, err := s.Statistics(context.Background(), []string{id})
				answered <- answer{got, err}
			}()
			for {
				method, call := p.asked()
				if method == "transact" {
					p.say(`{"id":%s,"error":null,"result":%s}`, call, tt.result)
					break
				}
			}
			a := <-answered
			if got, there := a.got[id]; a.err != nil || there != (tt.want != nil) || !maps.Equal(got, tt.want) {
				t.Errorf("%v, %v; want %v", a.got, a.err, tt.want)
			}
		})
	}
}

// The pulse of a live host is its round trip; of a frozen one it is since when it
// owes an answer, however often it is asked again.
func TestPulse(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	m := startManager(t, ovsdb.Config{EchoAfter: 100 * time.Millisecond, SilentAfter: patience})
	sw.SetManager(m.target)
	s := m.next(t)
	wait := func(what string, ok func(roundTrip, silent, overdue time.Duration) bool) {
		t.Helper()
		for begin := time.Now(); !ok(s.Pulse()); time.Sleep(5 * time.Millisecond) {
			if time.Since(begin) > patience/2 {
				r, q, o := s.Pulse()
				t.Fatalf("%s: round trip %v, silent %v, overdue %v", what, r, q, o)
			}
		}
	}
	wait("alive", func(roundTrip, silent, overdue time.Duration) bool {
		return roundTrip > 0 && roundTrip < time.Second && silent < time.Second && overdue == 0
	})
	pid, _ := sw.Pids()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wait("frozen", func(_, silent, overdue time.Duration) bool {
		return overdue > time.Second && silent >= overdue && silent < overdue+time.Second
	})
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	wait("alive again", func(_, _, overdue time.Duration) bool { return overdue == 0 })
}
