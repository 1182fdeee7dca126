package forward

import "ovsmesh/openflow/flow"

// slot is a field of a Frame with its width in bytes.
type slot struct {
	name  flow.Name
	width int
}

// slots are the fields in the order in which a Frame holds them, without the
// registers, which come last. Like the tables of package flow nothing ever
// writes it.
var slots = []slot{
	{flow.InPort, 4}, {flow.Metadata, 8}, {flow.EthDst, 6}, {flow.EthSrc, 6}, {flow.EthType, 2},
	{flow.VLANVID, 2}, {flow.VLANPCP, 1}, {flow.MPLSLabel, 4}, {flow.MPLSTC, 1}, {flow.MPLSBOS, 1},
	{flow.IPDSCP, 1}, {flow.IPECN, 1}, {flow.IPProto, 1}, {flow.IPv4Src, 4}, {flow.IPv4Dst, 4},
	{flow.IPv6Src, 16}, {flow.IPv6Dst, 16}, {flow.TCPSrc, 2}, {flow.TCPDst, 2}, {flow.UDPSrc, 2}, {flow.UDPDst, 2},
	{flow.SCTPSrc, 2}, {flow.SCTPDst, 2}, {flow.ICMPv4Type, 1}, {flow.ICMPv4Code, 1}, {flow.ICMPv6Type, 1}, {flow.ICMPv6Code, 1},
	{flow.ARPOp, 2}, {flow.ARPSPA, 4}, {flow.ARPTPA, 4}, {flow.ARPSHA, 6}, {flow.ARPTHA, 6},
	{flow.NDTarget, 16}, {flow.NDSLL, 6}, {flow.NDTLL, 6},
	{flow.TunnelID, 8}, {flow.TunSrc, 4}, {flow.TunDst, 4}, {flow.TunIPv6Src, 16}, {flow.TunIPv6Dst, 16},
}

// Bytes of all fields: those of slots, of which the port and the metadata are
// the first, then 16 registers of 4.
const (
	atMetadata = 4
	slotBytes  = 192
	fieldBytes = slotBytes + 16*4
)

// locate returns where a field's bytes are; a width of 0 if a Frame has no such
// field.
func locate(f flow.Field) (at, width int) {
	for _, s := range slots {
		if s.name.Field() == f {
			return at, s.width
		}
		at += s.width
	}
	for n := range uint8(16) {
		if flow.Reg(n).Field() == f {
			return slotBytes + 4*int(n), 4
		}
	}
	return 0, 0
}
