package forward

import (
	"encoding/binary"
	"net/netip"

	"ovsmesh/openflow/flow"
)

// Untunnelled returns the frame without what is known of a tunnel.
func (f Frame) Untunnelled() Frame {
	at, _ := locate(flow.TunnelID.Field())
	clear(f.fields[at:slotBytes])
	return f
}

// Tunnelled returns the frame as it comes out of a tunnel: with the key and the
// addresses of the packet that it came in.
func (f Frame) Tunnelled(key uint64, src, dst netip.Addr) Frame {
	f = f.Untunnelled()
	f.set(flow.TunnelID, string(binary.BigEndian.AppendUint64(nil, key)))
	if src.Is4() {
		f.set(flow.TunSrc, string(src.AsSlice()))
		f.set(flow.TunDst, string(dst.AsSlice()))
		return f
	}
	f.set(flow.TunIPv6Src, string(src.AsSlice()))
	f.set(flow.TunIPv6Dst, string(dst.AsSlice()))
	return f
}

// SameAs reports whether a bridge would take both frames for the same if they
// came in on the same port: the port, metadata and registers don't count.
func (f *Frame) SameAs(o *Frame) bool {
	return string(f.fields[atMetadata+8:slotBytes]) == string(o.fields[atMetadata+8:slotBytes]) && f.raw == o.raw
}
