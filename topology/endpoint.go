package topology

import (
	"cmp"
	"fmt"
	"net/netip"
)

// claim is the tunnel endpoint that a host would have if no other host had the
// same: an address, or the reason why there is none.
type claim struct {
	addr     netip.Addr // invalid where err is set
	explicit bool       // named by the spec
	source   string     // where addr comes from, for people
	err      string
}

// endpoint is what became of a host's claim; it goes into its Members.
type endpoint struct {
	addr     netip.Addr
	explicit bool
	err      string
}

// claimOf returns the endpoint that a host's record and facts give it. The
// first source that says anything decides: an unusable value is an error and
// not a reason to try the next source, because tunnels from an address that
// nobody meant fail in ways that are harder to see. facts may be nil.
func claimOf(rec *HostRecord, facts *HostFacts) claim {
	if rec.Endpoint.IsValid() {
		return newClaim(rec.Endpoint, "endpoint in the spec", true)
	}
	if facts == nil {
		return claim{err: "no endpoint is known: the spec names none, and the host has not dialled in yet"}
	}
	for _, s := range []struct{ text, source string }{
		{facts.LocalIP, "other_config:local_ip"},
		{facts.EndpointIP, "external_ids:ovsmesh-endpoint-ip"},
	} {
		if s.text == "" {
			continue
		}
		addr, err := netip.ParseAddr(s.text)
		if err != nil {
			return claim{err: fmt.Sprintf("endpoint %.64q (%s) is not an IP address", s.text, s.source)}
		}
		return newClaim(addr, s.source, false)
	}
	if facts.PeerAddr.IsValid() {
		return newClaim(facts.PeerAddr, "where its OVSDB connection comes from", false)
	}
	return claim{err: "no endpoint is known: neither the spec nor other_config:local_ip nor external_ids:ovsmesh-endpoint-ip names one"}
}

// EndpointOf returns the tunnel endpoint that a host's record and facts give it,
// whoever else claims it; invalid if they give none.
func EndpointOf(rec HostRecord, facts HostFacts) netip.Addr { return claimOf(&rec, &facts).addr }

func newClaim(addr netip.Addr, source string, explicit bool) claim {
	addr = addr.Unmap()
	if why := unusable(addr); why != "" {
		return claim{err: fmt.Sprintf("endpoint %s (%s) is %s", addr, source, why)}
	}
	return claim{addr: addr, explicit: explicit, source: source}
}

// unusable says why an address can't be the far end of a tunnel, "" if it can.
// IPv4 link-local addresses can: they need no zone.
func unusable(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "not an IP address"
	case addr.IsUnspecified():
		return "the unspecified address"
	case addr.IsLoopback():
		return "a loopback address"
	case addr.IsMulticast():
		return "a multicast address"
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the broadcast address"
	case addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == "":
		return "a link-local address without a zone"
	}
	return ""
}

// settle returns what becomes of a host's claim if holder is who has the
// claimed address.
func (c claim) settle(self, holder *hostState) endpoint {
	if c.err != "" {
		return endpoint{err: c.err}
	}
	if holder != self {
		return endpoint{err: fmt.Sprintf("endpoint %s (%s) is that of host %s already", c.addr, c.source, holder.name)}
	}
	return endpoint{addr: c.addr, explicit: c.explicit}
}

// holderOf returns which of the hosts that claim the same endpoint has it: one
// whose spec names it before one that derives it, then the lowest ID.
func holderOf(claimants []*hostState) *hostState {
	holder := claimants[0]
	for _, h := range claimants[1:] {
		if beats(h, holder) < 0 {
			holder = h
		}
	}
	return holder
}

func beats(a, b *hostState) int {
	if a.claim.explicit != b.claim.explicit {
		if a.claim.explicit {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.rec.ID, b.rec.ID), cmp.Compare(a.name, b.name))
}
