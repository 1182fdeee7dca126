package audit

import (
	"encoding/binary"
	"fmt"

	"ovsmesh/openflow/flow"
)

// inPort returns the port that f matches, 0 for any.
func inPort(f *flow.Flow) uint32 {
	x, ok := f.Match.Get(flow.InPort.Field())
	if !ok || len(x.Value) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32([]byte(x.Value))
}

// port names the port that f matches.
func (b *Bridge) port(f *flow.Flow) string {
	if n := inPort(f); n != 0 {
		return b.portName(n)
	}
	return "any port"
}

func (b *Bridge) portName(n uint32) string {
	if b.Port != nil {
		if name := b.Port(n); name != "" {
			return name
		}
	}
	if n >= flow.PortInPort { // one of the reserved ones
		return flow.Output{Port: n}.String()
	}
	return fmt.Sprintf("port %d", n)
}

// owner names whose the destination address is that f matches, or the address.
func (b *Bridge) owner(f *flow.Flow) string {
	x, _ := f.Match.Get(flow.EthDst.Field())
	return b.addressOwner(x)
}

// addressOwner names whose address x holds, or the address.
func (b *Bridge) addressOwner(x flow.OXM) string {
	if len(x.Value) != 6 {
		return ""
	}
	mac := [6]byte([]byte(x.Value))
	if b.MAC != nil {
		if name := b.MAC(mac); name != "" {
			return name
		}
	}
	return macOf(x)
}

// macText returns the address that f matches in field, or "".
func macText(f *flow.Flow, field flow.Name) string {
	x, ok := f.Match.Get(field.Field())
	if !ok || len(x.Value) != 6 {
		return ""
	}
	return macOf(x)
}

func macOf(x flow.OXM) string {
	m := x.Value
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// NetworkName names a network by the ID in its flows' cookies; "" of ID 0, and
// where there is no name.
func (b *Bridge) NetworkName(id uint32) string {
	if id == 0 || b.Network == nil {
		return ""
	}
	return b.Network(id)
}

// About names what a flow is about: the port, the peer or the address that it
// matches; "" where it matches none.
func (b *Bridge) About(f *flow.Flow) string {
	if inPort(f) != 0 {
		return b.port(f)
	}
	for _, n := range []flow.Name{flow.EthDst, flow.EthSrc} {
		if x, ok := f.Match.Get(n.Field()); ok && x.Mask == "" && len(x.Value) == 6 && x.Value[0]&1 == 0 {
			return b.addressOwner(x)
		}
	}
	if ip := address(f); ip != "" {
		return ip
	}
	return ""
}
