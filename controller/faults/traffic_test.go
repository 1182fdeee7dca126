package faults

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// What counts packets must see those that are lost, and only those.
func TestTrafficSees(t *testing.T) {
	m := startMesh(t, 3)
	run := func(hosts []string, during func()) Loss {
		t.Helper()
		traffic, err := m.StartTraffic(t.Context(), hosts...)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		during()
		return traffic.Stop()
	}
	calm := run(nil, func() { time.Sleep(2 * time.Second) })
	if calm.Sent < 500 || calm.Lost != 0 || calm.Duplicates != 0 || calm.Strays != 0 || len(calm.Pairs) != 2*3*2 {
		t.Errorf("nothing happens: %+v", calm)
	}
	if two := run([]string{"h1", "h2"}, func() {}); len(two.Pairs) != 2*2 || two.Lost != 0 {
		t.Errorf("two hosts: %+v", two)
	}
	cut := run(nil, func() {
		if err := m.Host("h3").CutUnderlay(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if err := m.Host("h3").RestoreUnderlay(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	})
	others := cut.Between(func(p Pair) bool { return p.From != "h3" && p.To != "h3" })
	if others.Lost != 0 || len(others.Pairs) != 2*2 || others.Gap > 2*time.Second {
		t.Errorf("h3 is cut off: h1 and h2 lost %+v", others)
	}
	// Two of three pairs have h3 at one of their ends: 2,000 packets in three
	// seconds of a machine that has the time to send them.
	if cut.Lost < 300 || cut.Lost > cut.Sent-300 || cut.Gap < 2900*time.Millisecond {
		t.Errorf("h3 is cut off: %d of %d lost, longest silence %v", cut.Lost, cut.Sent, cut.Gap)
	}

	// A packet that comes twice, and one of the other tenant's.
	traffic, err := m.StartTraffic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	for _, network := range []string{"red", "blue"} {
		forge(t, m, traffic, slices.IndexFunc(traffic.pairs, func(p *pair) bool {
			return p.Network == network && p.From == "h1" && p.To == "h2"
		}))
	}
	time.Sleep(200 * time.Millisecond)
	if l := traffic.Stop(); l.Duplicates != 1 || l.Strays != 1 || l.Lost != 0 {
		t.Errorf("want one packet twice and one astray, got %d, %d, and %d lost", l.Duplicates, l.Strays, l.Lost)
	}
}

// forge has red-1 send red-2 what looks like the first packet of a pair.
func forge(t *testing.T, m *Mesh, traffic *Traffic, pair int) {
	t.Helper()
	from, to := m.VM("red-1"), m.VM("red-2")
	c, err := from.ListenUDP(netip.AddrPortFrom(from.IPs[0].Addr(), 0))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, payload)
	binary.BigEndian.PutUint32(buf, traffic.mark)
	binary.BigEndian.PutUint32(buf[4:], uint32(pair))
	if _, err := c.WriteToUDPAddrPort(buf, netip.AddrPortFrom(to.IPs[0].Addr(), trafficPort)); err != nil {
		t.Fatal(err)
	}
}
