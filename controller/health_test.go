package controller

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow"
)

// stillPulse is a session whose other side answers as it says.
type stillPulse struct{ roundTrip, silent, overdue time.Duration }

func (p stillPulse) Pulse() (roundTrip, silent, overdue time.Duration) {
	return p.roundTrip, p.silent, p.overdue
}

func TestHealthVerdict(t *testing.T) {
	const second = time.Second
	well := stillPulse{roundTrip: time.Millisecond, silent: second}
	owes := func(d time.Duration) stillPulse {
		return stillPulse{roundTrip: time.Millisecond, silent: 4*second + d, overdue: d}
	}
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	tests := []struct {
		name  string
		state func(*health)
		want  string
		says  []string // parts of the reason
		never string
	}{
		{"never connected", func(*health) {}, api.HealthUnreachable, []string{"not connected since this controller"}, ""},
		{"well", func(k *health) { k.came(well, 7, 7); k.dialled("br", well) }, api.HealthOK, nil, ""},
		{"no bridge of ours", func(k *health) { k.came(well, 7, 7) }, api.HealthOK, nil, ""},
		{"no echo yet", func(k *health) { k.came(stillPulse{}, 0, 0) }, api.HealthOK, nil, ""},
		{"an echo is out", func(k *health) { k.came(owes(900*time.Millisecond), 7, 7) }, api.HealthOK, nil, ""},
		{"long round trip", func(k *health) { k.came(stillPulse{roundTrip: 600 * time.Millisecond}, 7, 7) }, api.HealthSlow, []string{"its database took 600ms"}, ""},
		{"database owes an answer", func(k *health) { k.came(owes(second), 7, 7) }, api.HealthSlow, []string{"its database has owed an answer for 1s"}, ""},
		{"database stuck", func(k *health) { k.came(owes(3*second), 7, 7); k.dialled("br", well) }, api.HealthStuck, []string{"its database has not answered since", "for 3s"}, "br"},
		{"switch stuck", func(k *health) { k.came(well, 7, 7); k.dialled("br", owes(5*second)) }, api.HealthStuck, []string{"ovs-vswitchd (bridge br) has not answered", "for 5s"}, "database"},
		{"both silent", func(k *health) { k.came(owes(4*second), 7, 7); k.dialled("br", owes(4*second)) }, api.HealthUnreachable, []string{"its database", "bridge br"}, ""},
		{"one of two bridges", func(k *health) { k.came(owes(4*second), 7, 7); k.dialled("a", owes(4*second)); k.dialled("b", well) }, api.HealthStuck, []string{"its database", "bridge a"}, "bridge b"},
		{"configuring", func(k *health) { k.came(well, 6, 7) }, api.HealthOK, nil, ""},
		{"configuring for long", func(k *health) { k.came(well, 6, 7); k.behind = ago(3 * second) }, api.HealthSlow, []string{"cur_cfg 6, next_cfg 7", "for 3s"}, ""},
		{"configuration stuck", func(k *health) { k.came(well, 6, 7); k.behind = ago(8 * second); k.config(6, 9) }, api.HealthStuck, []string{"cur_cfg 6, next_cfg 9", "for 8s"}, ""},
		{"configuration makes way", func(k *health) { k.came(well, 6, 9); k.behind = ago(8 * second); k.config(7, 9) }, api.HealthOK, nil, ""},
		{"configured", func(k *health) { k.came(well, 6, 7); k.behind = ago(8 * second); k.config(7, 7) }, api.HealthOK, nil, ""},
		{"bridge redials", func(k *health) { k.came(well, 7, 7); k.lost("br", errors.New("EOF")) }, api.HealthOK, nil, ""},
		{"bridge away", func(k *health) {
			k.came(well, 7, 7)
			k.lost("br", errors.New("EOF"))
			k.switches["br"].lost = ago(4 * second)
		}, api.HealthSlow, []string{"bridge br: no OpenFlow connection since", "for 4s: EOF"}, ""},
		{"bridge gone", func(k *health) { k.came(well, 7, 7); k.lost("br", nil); k.switches["br"].lost = ago(15 * second) }, api.HealthStuck, []string{"for 15s"}, ": EOF"},
		{"bridge fell silent", func(k *health) {
			k.came(well, 7, 7)
			k.dialled("br", stillPulse{silent: 15 * second, overdue: 11 * second})
			k.lost("br", fmt.Errorf("%w for 15s", openflow.ErrSilent))
		}, api.HealthStuck, []string{"for 15s: "}, ""},
		{"bridge never came", func(k *health) { k.came(well, 7, 7); k.awaits("br"); k.switches["br"].lost = ago(6 * second) }, api.HealthStuck, []string{"bridge br"}, ""},
		{"bridge is expected anew", func(k *health) { k.came(well, 7, 7); k.dialled("br", well); k.awaits("br") }, api.HealthOK, nil, ""},
		{"bridge is no longer ours", func(k *health) {
			k.came(well, 7, 7)
			k.lost("br", nil)
			k.switches["br"].lost = ago(time.Minute)
			k.drops("br")
		}, api.HealthOK, nil, ""},
		{"the worst counts", func(k *health) { k.came(stillPulse{roundTrip: second}, 7, 7); k.dialled("br", owes(3*second)) }, api.HealthStuck, []string{"ovs-vswitchd"}, "took"},
		{"away", func(k *health) { k.came(well, 7, 7); k.went("EOF") }, api.HealthUnreachable, []string{"not connected since", ": EOF"}, "answers"},
		{"away, its switches are not", func(k *health) {
			k.dialled("br", well)
			k.went("EOF")
			k.since = ago(3 * second)
		}, api.HealthStuck, []string{"its database is not connected", "bridge br) answers"}, ""},
		{"away, its switches too", func(k *health) {
			k.dialled("br", stillPulse{silent: 9 * second})
			k.went("")
			k.since = ago(8 * second)
		}, api.HealthUnreachable, []string{"not connected since"}, "answers"},
		{"back", func(k *health) { k.came(well, 6, 7); k.went("EOF"); k.came(well, 7, 7) }, api.HealthOK, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newHealth()
			tt.state(k)
			word, reason, _ := k.verdict()
			if word != tt.want || (reason == "") != (word == api.HealthOK) {
				t.Errorf("%s, %q; want %s", word, reason, tt.want)
			}
			for _, part := range tt.says {
				if !strings.Contains(reason, part) {
					t.Errorf("%q does not say %q", reason, part)
				}
			}
			if tt.never != "" && strings.Contains(reason, tt.never) {
				t.Errorf("%q says %q", reason, tt.never)
			}
		})
	}
}

// What a host of a thousand bridges says stays short, and its echoes are those
// of the worst bridge.
func TestHealthOfManyBridges(t *testing.T) {
	k := newHealth()
	k.came(stillPulse{roundTrip: 2 * time.Millisecond, silent: 3 * time.Second}, 1, 1)
	k.dialled("quick", stillPulse{roundTrip: time.Millisecond, silent: 9 * time.Second})
	k.dialled("late", stillPulse{roundTrip: 5 * time.Millisecond, silent: time.Second})
	_, _, echoes := k.verdict()
	if want := (api.HostEcho{RoundTripMicros: 2000, SilentMillis: 3000}); echoes.Database != want {
		t.Errorf("database: %+v, want %+v", echoes.Database, want)
	}
	if want := (api.HostEcho{RoundTripMicros: 5000, SilentMillis: 9000}); *echoes.Switches != want {
		t.Errorf("switches: %+v, want %+v", echoes.Switches, want)
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		k.dialled(name, stillPulse{overdue: time.Minute})
	}
	word, reason, _ := k.verdict()
	if word != api.HealthStuck || !strings.Contains(reason, "(bridges a, b, c and 2 more) has not answered since") {
		t.Errorf("%s, %s", word, reason)
	}
}

// What is told of a host is when it gets stuck and when it answers again.
func TestHealthNews(t *testing.T) {
	k := newHealth()
	stuck := map[string]string{}
	well, owes := stillPulse{roundTrip: 1}, stillPulse{overdue: time.Minute}
	steps := []struct {
		what string
		do   func()
		want string // was, is
	}{
		{"never connected", func() {}, ""},
		{"connects", func() { k.came(well, 1, 1) }, ""},
		{"slow", func() { k.came(stillPulse{roundTrip: time.Second}, 1, 1) }, ""},
		{"stuck", func() { k.came(owes, 1, 1) }, "ok stuck"},
		{"still stuck", func() {}, ""},
		{"both silent", func() { k.dialled("br", owes) }, "stuck unreachable"},
		{"slow again", func() { k.came(stillPulse{roundTrip: time.Second}, 1, 1); k.dialled("br", well) }, ""},
		{"well", func() { k.came(well, 1, 1) }, "unreachable ok"},
		{"stuck again", func() { k.came(owes, 1, 1) }, "ok stuck"},
		{"gone", func() { k.went("EOF") }, ""},
		{"back", func() { k.came(well, 1, 1) }, ""},
	}
	for _, s := range steps {
		s.do()
		got := ""
		if e, news := healthNews(stuck, "xen1", k); news {
			got = e.Was + " " + e.State
			if e.Kind != api.EventHealth || (e.Error == "") != (e.State == api.HealthOK) {
				t.Errorf("%s: %+v", s.what, e)
			}
		}
		if got != s.want {
			t.Errorf("%s: told %q, want %q", s.what, got, s.want)
		}
	}
}
