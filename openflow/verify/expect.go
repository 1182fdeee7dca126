package verify

import (
	"bytes"
	"cmp"
	"slices"
)

// arrival is a frame that reaches a machine, or what is behind an external
// member.
type arrival struct {
	at       *place
	dst, src [6]byte
}

func (a arrival) compare(b arrival) int {
	return cmp.Or(cmp.Compare(a.at.member.Host, b.at.member.Host), cmp.Compare(a.at.Name, b.at.Name),
		bytes.Compare(a.dst[:], b.dst[:]), bytes.Compare(a.src[:], b.src[:]))
}

// arrivals says where a frame from a machine has to arrive, each once.
func (m *model) arrivals(from *place, k kind) map[arrival]int {
	arrived := map[arrival]int{}
	if !m.may(from, &k) {
		return arrived
	}
	if (k.request || k.solicits) && !m.Learning {
		ip := k.tpa
		if k.solicits {
			ip = k.target
		}
		mac, known := m.Known[ip]
		asksItself := slices.Contains(from.ips(), ip) || from.owns(mac)
		switch {
		case !known || asksItself:
		case k.request: // answered on the spot
			arrived[arrival{from, k.src, mac}] = 1
			return arrived
		default: // goes to who is asked for alone
			k.dst, k.group = mac, false
		}
	}
	for _, to := range m.receivers(from, &k) {
		arrived[arrival{to, k.dst, k.src}] = 1
	}
	return arrived
}

// receivers returns the machines that get a frame from another.
func (m *model) receivers(from *place, k *kind) []*place {
	var list []*place
	if !k.group {
		if owners := m.owners[k.dst]; slices.ContainsFunc(owners, func(o *place) bool { return connected(from.member, o.member) }) {
			return m.unicast(from, k.dst, owners)
		}
		if m.DropUnknown && len(m.holder[from.member][k.dst]) == 0 {
			return nil
		}
	}
	for _, to := range m.all {
		switch {
		case to.Machine == from.Machine || !connected(from.member, to.member):
		case k.group && m.DropBroadcast && to.member != from.member && !m.carried(from.services(), to.services(), k):
		case !k.group && m.DropUnknown && !to.member.External && len(m.holder[to.member][k.dst]) == 0:
		default:
			list = append(list, to)
		}
	}
	return list
}

// unicast returns who gets frames to an address that is known: its owners, and
// on their hosts and the sender's those who may have taken it over.
func (m *model) unicast(from *place, mac [6]byte, owners []*place) []*place {
	var list []*place
	add := func(p *place) {
		if p.Machine != from.Machine && connected(from.member, p.member) && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	here := []*Member{from.member}
	for _, o := range owners {
		add(o)
		if !slices.Contains(here, o.member) {
			here = append(here, o.member)
		}
	}
	for _, member := range here {
		for _, p := range m.holder[member][mac] {
			add(p)
		}
	}
	return list
}

// services are what somebody serves.
type services struct{ dhcp, router bool }

func (p *place) services() services { return services{p.DHCPServer, p.Router} }

// serves returns what the machines of a member serve.
func (m *Member) serves() (s services) {
	for i := range m.Machines {
		s.dhcp = s.dhcp || m.Machines[i].DHCPServer
		s.router = s.router || m.Machines[i].Router
	}
	return s
}

// carried reports whether tunnels carry a frame although they carry no
// broadcast: requests to those that serve, and announcements of these.
func (m *model) carried(from, to services, k *kind) bool {
	asksDHCP, asksRouter := k.asks()
	tellsDHCP, tellsRouter := k.tells()
	return asksDHCP && to.dhcp || asksRouter && to.router || tellsDHCP && from.dhcp || tellsRouter && from.router
}

// comesIn says where a frame has to arrive that a member gets by the tunnel from
// a peer, even one that no peer should send there.
func (m *model) comesIn(at, peer *Member, k *kind) map[arrival]int {
	arrived := map[arrival]int{}
	owned, anywhere := false, false
	for _, o := range m.owners[k.dst] {
		owned = owned || o.member == at
		anywhere = anywhere || connected(at, o.member)
	}
	held := len(m.holder[at][k.dst]) > 0
	for _, to := range m.all {
		if to.member != at {
			continue
		}
		gets := true
		switch {
		case k.group:
			gets = !m.DropBroadcast || m.carried(peer.serves(), to.services(), k)
		case owned || anywhere && held:
			gets = to.owns(k.dst) || to.holds(k.dst)
		case m.DropUnknown:
			gets = !anywhere && held
		}
		if gets {
			arrived[arrival{to, k.dst, k.src}] = 1
		}
	}
	return arrived
}
