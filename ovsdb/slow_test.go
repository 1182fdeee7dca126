package ovsdb_test

import (
	"testing"
	"time"

	"ovsmesh/ovsdb"
)

// A host whose dump takes longer than any other reply may is waited for, as long
// as it is not silent and the set-up has time.
func TestSlowDump(t *testing.T) {
	m := startManager(t, ovsdb.Config{CallTimeout: 300 * time.Millisecond, EchoAfter: 100 * time.Millisecond, SilentAfter: patience})
	p := dialPeer(t, m)
	p.answer(schemaText())
	p.isOld()
	_, id := p.asked()
	time.Sleep(time.Second)
	p.say(`{"id":%s,"error":null,"result":%s}`, id, smallDump)
	p.answer(`{"locked":true}`)
	select {
	case <-m.sessions:
	case <-time.After(patience):
		t.Error("the host was given up")
	}
}

// One that answers echoes and nothing else is given up when the set-up has had
// its time.
func TestEndlessSetUp(t *testing.T) {
	m := startManager(t, ovsdb.Config{SetupTimeout: time.Second, EchoAfter: 100 * time.Millisecond})
	p := dialPeer(t, m)
	p.answer(schemaText())
	p.isOld()
	p.asked()
	for end := time.Now().Add(patience); ; { // answers every echo
		var m struct{ ID any }
		if err := p.SetReadDeadline(end); err != nil {
			t.Fatal(err)
		}
		if err := p.dec.Decode(&m); err != nil {
			if !time.Now().Before(end) {
				t.Error("the host was not given up")
			}
			return
		}
		p.say(`{"id":%q,"error":null,"result":[]}`, m.ID)
	}
}
