package ovstest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"ovsmesh/topology"
)

// Envelope is what a tunnel puts around a frame.
type Envelope struct {
	VXLAN    bool // else GRE
	Key      uint32
	Src, Dst netip.Addr
	DstPort  uint16 // UDP, VXLAN only
}

// Numbers of the protocols, IANA and RFC 2890, 7348.
const (
	protoGRE       = 47
	protoUDP       = 17
	greKeyPresent  = 0x2000
	transparent    = 0x6558 // GRE's protocol type of Ethernet frames
	vxlanVNIFlag   = 0x08000000
	lenEthernet    = 14
	lenIPv4        = 20
	lenIPv6        = 40
	lenUDP         = 8
	lenGREWithKey  = 8
	lenVXLANHeader = 8
)

// Decapsulate returns the frame that a packet of the underlay carries and the
// envelope that it is in; ok is false for any other packet. GRE is known with a
// key and no other option, VXLAN on port 4789.
func Decapsulate(f Frame) (env Envelope, inner Frame, ok bool) {
	data := f.Data
	if len(data) < lenEthernet {
		return env, inner, false
	}
	var proto byte
	switch etherType, ip := f.EtherType(), data[lenEthernet:]; {
	case etherType == 0x0800 && len(ip) >= lenIPv4 && ip[0] == 0x45:
		proto = ip[9]
		env.Src, env.Dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		data = ip[lenIPv4:]
	case etherType == 0x86dd && len(ip) >= lenIPv6:
		proto = ip[6]
		env.Src, env.Dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
		data = ip[lenIPv6:]
	default:
		return env, inner, false
	}
	switch {
	case proto == protoGRE && len(data) >= lenGREWithKey &&
		binary.BigEndian.Uint16(data) == greKeyPresent && binary.BigEndian.Uint16(data[2:]) == transparent:
		env.Key = binary.BigEndian.Uint32(data[4:])
		data = data[lenGREWithKey:]
	case proto == protoUDP && len(data) >= lenUDP+lenVXLANHeader && binary.BigEndian.Uint16(data[2:]) == 4789:
		env.VXLAN, env.DstPort = true, 4789
		env.Key = binary.BigEndian.Uint32(data[lenUDP+4:]) >> 8
		data = data[lenUDP+lenVXLANHeader:]
	default:
		return env, inner, false
	}
	return env, Frame{Time: f.Time, Sent: f.Sent, Data: data}, true
}

// Encapsulate returns the packet, from its IP header on, that carries a frame
// in an envelope over IPv4, as RFC 2784 and 2890, or 7348, say. It is not
// fragmented, whatever its length.
func Encapsulate(env Envelope, frame []byte) []byte {
	var body []byte
	proto := byte(protoGRE)
	if env.VXLAN {
		proto = protoUDP
		const srcPort = 49152
		body = binary.BigEndian.AppendUint16(body, srcPort)
		body = binary.BigEndian.AppendUint16(body, env.DstPort)
		body = binary.BigEndian.AppendUint16(body, uint16(lenUDP+lenVXLANHeader+len(frame)))
		body = append(body, 0, 0) // no checksum, RFC 7348 §5
		body = binary.BigEndian.AppendUint32(body, vxlanVNIFlag)
		body = binary.BigEndian.AppendUint32(body, env.Key<<8)
	} else {
		body = binary.BigEndian.AppendUint16(body, greKeyPresent)
		body = binary.BigEndian.AppendUint16(body, transparent)
		body = binary.BigEndian.AppendUint32(body, env.Key)
	}
	body = append(body, frame...)
	ip := make([]byte, lenIPv4, lenIPv4+len(body))
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(lenIPv4+len(body)))
	ip[8], ip[9] = 64, proto
	copy(ip[12:], env.Src.AsSlice())
	copy(ip[16:], env.Dst.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^onesSum(ip))
	return append(ip, body...)
}

// Inject puts a packet on the host's link as if the underlay had brought it: a
// frame in an envelope, whose source may be anybody's. Dst is the host.
func (h *Host) Inject(ctx context.Context, env Envelope, frame []byte) error {
	env.Dst = h.Addr
	dst, err := h.phyMAC(ctx)
	if err != nil {
		return err
	}
	// The userspace datapath takes tunnels' packets for news of where their
	// senders are, and br-phy learns MACs. What is forged must not mislead them.
	src := topology.MAC{2, 0xff, 0, 0, 0, 1}
	for _, peer := range h.bed.Hosts() {
		if peer != h && peer.Addr == env.Src {
			if src, err = peer.phyMAC(ctx); err != nil {
				return err
			}
		}
	}
	packet := append(append(append([]byte{}, dst[:]...), src[:]...), 0x08, 0x00)
	return sendFrame(end{h.bed.fabricNS(), h.fabricPort(underlay)}, append(packet, Encapsulate(env, frame)...))
}

// phyMAC is the host's MAC on the underlay.
func (h *Host) phyMAC(ctx context.Context) (mac topology.MAC, err error) {
	text, err := h.VSCtl(ctx, "get", "Interface", phyBridge, "mac_in_use")
	if err == nil {
		err = mac.UnmarshalText([]byte(strings.Trim(text, `"`)))
	}
	if err != nil {
		return mac, fmt.Errorf("MAC of host %s: %w", h.Name, err)
	}
	return mac, nil
}

// onesSum is the ones' complement sum of RFC 1071 over an even number of bytes.
func onesSum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
