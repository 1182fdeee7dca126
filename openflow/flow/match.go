package flow

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"strings"
)

// NewMatch returns the conjunction of fields: sorted, values reduced to the
// bits that their masks leave, masks of all the field's bits left out. That
// each field comes at most once is for the caller to see to.
func NewMatch(fields ...OXM) Match {
	if len(fields) == 0 {
		return nil
	}
	return AppendMatch(make(Match, 0, len(fields)), fields...)
}

// AppendMatch appends to m, whose fields it leaves alone, what NewMatch returns.
func AppendMatch(m []OXM, fields ...OXM) []OXM {
	from := len(m)
	for i := range fields {
		m = append(m, fields[i])
		x := &m[len(m)-1]
		if x.Mask != "" || x.Field.anyWidth() {
			*x = x.canonical()
		}
		for at := len(m) - 1; at > from && m[at].Field.Compare(m[at-1].Field) < 0; at-- { // they are few
			m[at], m[at-1] = m[at-1], m[at]
		}
	}
	return m
}

// Compare orders fields as they stand in a Match.
func (f Field) Compare(o Field) int {
	return cmp.Or(cmp.Compare(f.Class, o.Class), cmp.Compare(f.ID, o.ID), cmp.Compare(f.Exp, o.Exp))
}

func (x OXM) canonical() OXM {
	if x.Field.anyWidth() {
		return x.shortest()
	}
	if x.Mask == "" || len(x.Mask) != len(x.Value) {
		return x
	}
	for i := range len(x.Value) {
		if x.Value[i]&^x.Mask[i] != 0 {
			x.Value = masked(x.Value, x.Mask)
			break
		}
	}
	// A VLAN ID with the bit for "tagged" has 13 bits, OpenFlow 1.3.5 §7.2.3.7.
	if strings.Count(x.Mask, "\xff") == len(x.Mask) || x.Mask == vlanMask && x.Field == VLANVID.Field() || x.wholeFlags() {
		x.Mask = ""
	}
	return x
}

// anyWidth reports whether the field's values have no width of their own: the
// options of a tunnel, tun_metadata0 to tun_metadata63.
func (f Field) anyWidth() bool {
	first := (nxm + 40).Field()
	return f.Class == first.Class && f.Exp == 0 && f.ID >= first.ID && f.ID < first.ID+64
}

// shortest returns x, a field of any width, as the numbers that it stands for:
// without the zeros before them, and without anything where only its being
// there is matched.
func (x OXM) shortest() OXM {
	if x.Mask != "" && len(x.Mask) != len(x.Value) {
		return x
	}
	if x.Mask != "" {
		x.Value = masked(x.Value, x.Mask)
		if strings.Trim(x.Mask, "\x00") == "" {
			return OXM{Field: x.Field}
		}
	}
	for len(x.Value) > 1 && x.Value[0] == 0 && (x.Mask == "" || x.Mask[0] == 0) {
		x.Value = x.Value[1:]
		x.Mask = x.Mask[min(1, len(x.Mask)):]
	}
	return x
}

// masked returns the bits of value that are ones in mask.
func masked(value, mask string) string {
	v := []byte(value)
	for i := range v {
		v[i] &= mask[i]
	}
	return string(v)
}

// vlanMask is the mask of all bits of VLANVID.
const vlanMask = "\x1f\xff"

// Get returns the field's entry in m.
func (m Match) Get(f Field) (OXM, bool) {
	for _, x := range m {
		if x.Field == f {
			return x, true
		}
	}
	return OXM{}, false
}

// exact returns the field's value where it is matched without a mask.
func (m Match) exact(n Name) string {
	x, _ := m.Get(n.Field())
	if x.Mask != "" {
		return ""
	}
	return x.Value
}

// Exact matches a value of the field's width, big endian.
func Exact(n Name, value string) OXM { return OXM{Field: n.Field(), Value: value} }

// Masked matches the bits of value that are ones in mask.
func Masked(n Name, value, mask string) OXM {
	return OXM{Field: n.Field(), Value: value, Mask: mask}
}

// MatchInPort matches frames that came in on port.
func MatchInPort(port uint32) OXM { return Exact(InPort, be32(port)) }

// MatchEthDst matches a destination address.
func MatchEthDst(mac [6]byte) OXM { return Exact(EthDst, string(mac[:])) }

// MatchEthDstMasked matches destination addresses by the bits in mask.
func MatchEthDstMasked(mac, mask [6]byte) OXM { return Masked(EthDst, string(mac[:]), string(mask[:])) }

// MatchEthSrc matches a source address.
func MatchEthSrc(mac [6]byte) OXM { return Exact(EthSrc, string(mac[:])) }

// MatchEthSrcMasked matches source addresses by the bits in mask.
func MatchEthSrcMasked(mac, mask [6]byte) OXM { return Masked(EthSrc, string(mac[:]), string(mask[:])) }

// MatchEthType matches an EtherType.
func MatchEthType(t uint16) OXM {
	return Exact(EthType, string(binary.BigEndian.AppendUint16(nil, t)))
}

// MatchMetadata matches the bits of the metadata that are ones in mask.
func MatchMetadata(value, mask uint64) OXM { return Masked(Metadata, be64(value), be64(mask)) }

// MatchIPv4Dst matches destination addresses by the bits in mask; the match
// needs the EtherType of IPv4 too.
func MatchIPv4Dst(ip, mask [4]byte) OXM { return Masked(IPv4Dst, string(ip[:]), string(mask[:])) }

// MatchTunnelID matches a tunnel's key.
func MatchTunnelID(id uint64) OXM { return Exact(TunnelID, be64(id)) }

func be32(v uint32) string { return string(binary.BigEndian.AppendUint32(nil, v)) }
func be64(v uint64) string { return string(binary.BigEndian.AppendUint64(nil, v)) }

// MatchAddr matches an IP address or a prefix of one as the field n, which has
// the address's width.
func MatchAddr(n Name, p netip.Prefix) OXM {
	a := p.Addr().AsSlice()
	if p.IsSingleIP() {
		return Exact(n, string(a))
	}
	return Masked(n, string(a), string(prefixMask(len(a), p.Bits())))
}

// MatchNumber matches a number as the field n of the given width in bytes.
func MatchNumber(n Name, width int, value uint64) OXM { return Exact(n, be64(value)[8-width:]) }
