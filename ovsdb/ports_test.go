package ovsdb_test

import (
	"strings"
	"testing"
	"time"
)

const (
	bridgeUUID = "b0000000-0000-4000-8000-000000000001"
	portA      = "a0000000-0000-4000-8000-00000000000a"
	portB      = "a0000000-0000-4000-8000-00000000000b"
	portC      = "a0000000-0000-4000-8000-00000000000c"
)

// portsPeer is a host whose bridge has ports A and B, past the set-up.
func portsPeer(t *testing.T) (*manager, *peer) {
	m := startManager(t, calm())
	p := dialPeer(t, m)
	p.answer(schemaText())
	p.answer(`{"Bridge":{"` + bridgeUUID + `":{"initial":{"ports":["set",[["uuid","` + portA + `"],["uuid","` + portB + `"]]]}}}}`)
	p.answer(`{"Open_vSwitch":{"` + rowUUID + `":{"new":{"external_ids":["map",[["system-id","x"]]]}}},` +
		`"Bridge":{"` + bridgeUUID + `":{"new":{"name":"br0"}}}}`)
	p.answer(`{"locked":true}`)
	return m, p
}

// Ports of a bridge come by themselves, as differences, and are put together
// with the rest of its row.
func TestPortsComeApart(t *testing.T) {
	m, p := portsPeer(t)
	s := m.next(t)
	db := s.DB()
	ports := func() string { return strings.Join(db.BridgeByName("br0").Ports, " ") }
	if got := ports(); got != portA+" "+portB {
		t.Fatalf("ports at first: %s", got)
	}
	take := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, err := db.Apply(s.Take()); err != nil {
				t.Fatal(err)
			}
			if b := db.BridgeByName("br0"); b == nil && want == "gone" || b != nil && ports()+" "+b.FailMode == want {
				return
			}
		}
		t.Fatalf("want %q, got %+v", want, db.BridgeByName("br0"))
	}
	update2 := func(change string) {
		p.say(`{"method":"update2","id":null,"params":["ovsmesh-ports",{"Bridge":{"%s":%s}}]}`, bridgeUUID, change)
	}
	update := func(row string) {
		p.say(`{"method":"update","id":null,"params":["ovsmesh",{"Bridge":{"%s":%s}}]}`, bridgeUUID, row)
	}
	// A goes and C comes.
	update2(`{"modify":{"ports":["set",[["uuid","` + portA + `"],["uuid","` + portC + `"]]]}}`)
	take(portB + " " + portC + " ")
	// The rest of the row changes, and the ports stay.
	update(`{"new":{"name":"br0","fail_mode":"secure"}}`)
	take(portB + " " + portC + " secure")
	// A single one, in the short notation; twice is never.
	update2(`{"modify":{"ports":["uuid","` + portA + `"]}}`)
	update2(`{"modify":{"ports":["uuid","` + portB + `"]}}`)
	take(portC + " " + portA + " secure")
	// It goes, in two messages, and comes again, ports first.
	update2(`{"delete":null}`)
	update(`{"old":{"name":"br0"}}`)
	take("gone")
	update2(`{"insert":{"ports":["uuid","` + portB + `"]}}`)
	update(`{"new":{"name":"br0"}}`)
	take(portB + " ")
}

func TestHostileUpdate2(t *testing.T) {
	for name, params := range map[string]string{
		"no params":     `[]`,
		"other monitor": `["x",{}]`,
		"plain monitor": `["ovsmesh",{}]`,
		"three":         `["ovsmesh-ports",{},1]`,
		"list":          `["ovsmesh-ports",[]]`,
		"bridge list":   `["ovsmesh-ports",{"Bridge":[]}]`,
		"bad uuid":      `["ovsmesh-ports",{"Bridge":{"x":{"modify":{"ports":["set",[]]}}}}]`,
		"row list":      `["ovsmesh-ports",{"Bridge":{"` + bridgeUUID + `":[]}}]`,
		"ports text":    `["ovsmesh-ports",{"Bridge":{"` + bridgeUUID + `":{"modify":{"ports":"x"}}}}]`,
		"ports no uuid": `["ovsmesh-ports",{"Bridge":{"` + bridgeUUID + `":{"modify":{"ports":["set",["x"]]}}}}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := portsPeer(t)
			s := m.next(t)
			p.say(`{"method":"update2","id":null,"params":%s}`, params)
			if name == "no params" {
				return // says nothing, and breaks nothing
			}
			p.hungUp()
			<-s.Done()
		})
	}
}
