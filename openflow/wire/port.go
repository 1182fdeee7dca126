package wire

import (
	"bytes"
	"net"
)

// Port numbers with a meaning, OpenFlow 1.3.5 §7.2.1.
const (
	PortLocal uint32 = 0xfffffffe
	PortAny   uint32 = 0xffffffff
)

const portLen = 64

// Port is one port of a switch.
type Port struct {
	No     uint32 // ofport
	HWAddr net.HardwareAddr
	Name   string // as the switch cuts it: at most 15 bytes
	Config uint32 // OFPPC_*
	State  uint32 // OFPPS_*
}

func (r *reader) port() Port {
	p := Port{No: r.u32()}
	r.skip(4)
	p.HWAddr = bytes.Clone(r.take(6))
	r.skip(2)
	name := r.take(16)
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	p.Name = string(name)
	p.Config, p.State = r.u32(), r.u32()
	r.skip(24) // curr, advertised, supported, peer, curr_speed, max_speed
	return p
}

// DecodePorts decodes the body of one part of a port-desc reply.
func DecodePorts(body []byte) ([]Port, error) {
	r := newReader("port-desc reply", body)
	ports := make([]Port, 0, len(body)/portLen)
	for r.more() {
		if p := r.port(); r.err == nil {
			ports = append(ports, p)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return ports, nil
}

// PortReason says why a PortStatus was sent.
type PortReason uint8

// The reasons, OpenFlow 1.3.5 §7.4.3.
const (
	PortAdded    PortReason = 0
	PortDeleted  PortReason = 1
	PortModified PortReason = 2
)

// PortStatus says that a port came, went or changed.
type PortStatus struct {
	Reason PortReason
	Port   Port
}

// DecodePortStatus decodes a port-status message.
func DecodePortStatus(m Message) (PortStatus, error) {
	if err := m.expect("port-status", TypePortStatus); err != nil {
		return PortStatus{}, err
	}
	r := newReader("port-status", m.Body)
	s := PortStatus{Reason: PortReason(r.u8())}
	r.skip(7)
	s.Port = r.port()
	if s.Reason > PortModified {
		r.fail("reason %d", s.Reason)
	}
	return s, r.end()
}
