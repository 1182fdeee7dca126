package trace

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
)

// packet is the outside of a frame in a tunnel.
type packet struct {
	typ      string
	key      uint64
	src, dst netip.Addr
	dstPort  uint16
}

// tunnel takes a frame to the host at the other end, and there to the port
// that gets it.
func (r *runner) tunnel(i int, host *Host, p *Port, f forward.Frame) End {
	out := packet{typ: p.Tunnel.Type, key: p.Tunnel.Key, dst: p.Tunnel.Remote, src: p.Tunnel.Local, dstPort: p.Tunnel.DstPort}
	if p.Tunnel.KeyFlow {
		out.key = number(f.Get(flow.TunnelID))
	}
	if p.Tunnel.RemoteFlow {
		out.dst = tunnelAddr(&f, flow.TunDst, flow.TunIPv6Dst)
	}
	if !out.src.IsValid() {
		out.src = host.Endpoint
	}
	if !out.dst.IsValid() {
		return End{Port: p, Why: fmt.Sprintf("the flow sends to tunnel port %s without saying to whom (tun_dst is not set)", p.Name)}
	}
	name := r.world.HostAt(out.dst)
	if name == "" {
		return End{Port: p, Why: fmt.Sprintf("no host is known to have the tunnel endpoint %s", out.dst)}
	}
	peer, err := r.world.Host(name)
	if err != nil {
		return End{Kind: EndUnseen, Port: p, Peer: name, Why: err.Error()}
	}
	if peer.External {
		return End{Kind: EndExternal, Port: p, Peer: name}
	}
	at, ok := Receiver(peer, out.typ, out.key, out.src, out.dst, out.dstPort)
	if !ok {
		return End{Port: p, Peer: name, Why: fmt.Sprintf("host %s has no tunnel port that takes %s from %s", name, out, out.src)}
	}
	return r.pass(i, p, at, f.Tunnelled(out.key, out.src, out.dst), name)
}

func (p packet) String() string {
	if p.dstPort != 0 {
		return fmt.Sprintf("%s with key %d on UDP port %d", p.typ, p.key, p.dstPort)
	}
	return fmt.Sprintf("%s with key %d", p.typ, p.key)
}

// Receiver returns the port of a host that gets a packet of a tunnel: of those
// that fit, the one that Open vSwitch prefers, which compares the key first,
// then the sender, then the address that it was sent to.
func Receiver(h *Host, typ string, key uint64, src, dst netip.Addr, dstPort uint16) (Place, bool) {
	best, at := -1, Place{}
	for i := range h.Bridges {
		b := &h.Bridges[i]
		for j := range b.Ports {
			p := &b.Ports[j]
			if p.Kind != KindTunnel || p.Tunnel.Type != typ || p.Tunnel.DstPort != dstPort {
				continue
			}
			if rank := p.Tunnel.rank(key, src, dst); rank > best {
				best, at = rank, Place{h.Name, b.Name, p.OFPort}
			}
		}
	}
	return at, best >= 0
}

// rank returns how well a port fits a packet; -1 if not at all.
func (t *Tunnel) rank(key uint64, src, dst netip.Addr) int {
	rank := 0
	switch {
	case t.KeyFlow:
	case t.Key == key:
		rank += 8
	default:
		return -1
	}
	switch {
	case t.RemoteFlow:
	case t.Remote == src:
		rank += 4
	default:
		return -1
	}
	switch {
	case t.LocalFlow:
	case !t.Local.IsValid():
		rank++
	case t.Local == dst:
		rank += 2
	default:
		return -1
	}
	return rank
}

func number(b string) uint64 {
	var w [8]byte
	copy(w[8-len(b):], b)
	return binary.BigEndian.Uint64(w[:])
}

// tunnelAddr returns the address that a frame names, of either family; invalid
// where it names none.
func tunnelAddr(f *forward.Frame, v4, v6 flow.Name) netip.Addr {
	for _, n := range []flow.Name{v4, v6} {
		if a, ok := netip.AddrFromSlice([]byte(f.Get(n))); ok && !a.IsUnspecified() {
			return a
		}
	}
	return netip.Addr{}
}
