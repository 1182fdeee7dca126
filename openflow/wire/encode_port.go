package wire

import (
	"encoding/binary"
	"fmt"
)

// Bits of a port's configuration, OpenFlow 1.3.5 §7.2.1.
//
// There is no bit against flooding: OFPPC_NO_FLOOD is OpenFlow 1.0's alone. A
// switch (Open vSwitch 3.1.0 was tried with 1.3 and 1.4) passes over that bit
// of a port-mod without an error, and shows 0 for a port that was given it over
// 1.0.
const (
	PortDown       uint32 = 1 << 0
	PortNoRecv     uint32 = 1 << 2
	PortNoFwd      uint32 = 1 << 5
	PortNoPacketIn uint32 = 1 << 6

	portConfigMask = PortDown | PortNoRecv | PortNoFwd | PortNoPacketIn
)

// PortMod changes how a port is configured.
type PortMod struct {
	No        uint32  // ofport
	HWAddr    [6]byte // the port's own: a switch refuses another one
	Config    uint32  // as the bits of Mask are to be
	Mask      uint32  // PortDown and so on
	Advertise uint32  // OFPPF_*; 0 leaves it as it is
}

// EncodePortMod encodes a port-mod, OpenFlow 1.3.5 §7.3.4.3. A bit that OpenFlow
// 1.3 does not have is an error, since the switch would say nothing.
func EncodePortMod(m PortMod, xid uint32) ([]byte, error) {
	if unknown := (m.Config | m.Mask) &^ portConfigMask; unknown != 0 {
		return nil, fmt.Errorf("port-mod of port %d: OpenFlow 1.3 has no configuration bits %#x", m.No, unknown)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 32), m.No)
	b = append(b, 0, 0, 0, 0)
	b = append(b, m.HWAddr[:]...)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, m.Config)
	b = binary.BigEndian.AppendUint32(b, m.Mask)
	b = binary.BigEndian.AppendUint32(b, m.Advertise)
	b = append(b, 0, 0, 0, 0)
	return marshal("port-mod", newMessage(TypePortMod, xid, b))
}
