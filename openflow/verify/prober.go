package verify

import (
	"maps"
	"net/netip"
	"slices"
)

// address is what a machine sends as: its own, and made up where these are not
// known.
type address struct {
	mac    [6]byte
	v4, v6 netip.Addr
}

// prober makes frames for a network's machines.
type prober struct {
	*model
	sends   map[*Machine]address
	nobody  [6]byte      // an address that no machine has
	strange address      // likewise, of IP
	ips     []netip.Addr // of Known, sorted
}

func newProber(m *model) *prober {
	p := &prober{model: m, sends: make(map[*Machine]address, len(m.all)), ips: slices.SortedFunc(maps.Keys(m.Known), netip.Addr.Compare)}
	used := map[netip.Addr]bool{}
	for _, ip := range p.ips {
		used[ip] = true
	}
	for _, at := range m.all {
		for _, ip := range at.ips() {
			used[ip] = true
		}
	}
	next := 0
	mac := func() [6]byte {
		for {
			next++
			a := [6]byte{0x02, 0x6f, 0x6d, byte(next >> 16), byte(next >> 8), byte(next)}
			if len(m.owners[a]) == 0 && !m.known[a] && !m.held(a) {
				return a
			}
		}
	}
	p.nobody = mac()
	p.strange = address{p.nobody, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	for used[p.strange.v4] {
		p.strange.v4 = p.strange.v4.Next()
	}
	for used[p.strange.v6] {
		p.strange.v6 = p.strange.v6.Next()
	}
	for _, at := range m.all {
		a := p.strange
		if a.mac = mac(); len(at.MACs) > 0 && !m.ambiguous(at.MACs[0]) {
			a.mac = at.MACs[0]
		}
		for _, ip := range slices.Backward(at.IPs) {
			if ip.Is4() {
				a.v4 = ip
			} else {
				a.v6 = ip
			}
		}
		p.sends[at.Machine] = a
	}
	return p
}

// ambiguous reports whether a switch that learns can't know where an address
// is: two have it, and it is where it spoke last.
func (m *model) ambiguous(mac [6]byte) bool { return m.Learning && len(m.owners[mac]) > 1 }

// held reports whether somebody may use a MAC beside his own.
func (m *model) held(mac [6]byte) bool {
	for _, h := range m.holder {
		if len(h[mac]) > 0 {
			return true
		}
	}
	return false
}

// macsOf are the addresses of Ethernet that a machine may use.
func (p *prober) macsOf(at *place) [][6]byte {
	list := [][6]byte{p.sends[at.Machine].mac}
	add := func(mac [6]byte) {
		if mac != [6]byte{} && !slices.Contains(list, mac) {
			list = append(list, mac)
		}
	}
	for _, mac := range at.MACs {
		add(mac)
	}
	for _, a := range at.Allowed {
		add(a.MAC)
	}
	return list
}

// target is whom frames are for that are not for all.
type target struct {
	address
	wide bool // nobody: they are flooded
}

func (p *prober) target(other *place) target {
	if other == nil {
		return target{p.strange, true}
	}
	return target{p.sends[other.Machine], false}
}

// has reports whether an IP address that is known is a machine's, or may be.
func (p *prober) has(at *place, ip netip.Addr) bool {
	return at.owns(p.Known[ip]) || slices.Contains(at.ips(), ip)
}

// macOf is the address at which a machine is to be reached.
func (p *prober) macOf(m *Machine) [6]byte {
	if len(m.MACs) > 0 {
		return m.MACs[0]
	}
	return p.sends[m].mac
}
