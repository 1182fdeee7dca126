package topology

import (
	"fmt"
	"strings"
)

// A carrier is the tunnel ports that all networks of one mode (shared or flow),
// one encapsulation and, with VXLAN, one UDP port have in common on a host.
// Which network a packet belongs to, its key says; with flow, which peer it
// comes from, its addresses do. Open vSwitch takes one such port only for all
// bridges of a host, so all networks of a carrier need the same bridge there.

// carrierName returns what a carrier is called, in external_ids:ovsmesh-network
// of its ports too: shared/gre, flow/vxlan, shared/vxlan:8472. The slash tells
// it from the name of a network. It is "" for tunnel ports that are a network's
// own.
func carrierName(mode string, encap Encap, dstPort uint16) string {
	switch {
	case mode != TunnelPortsShared && mode != TunnelPortsFlow:
		return ""
	case encap == VXLAN && dstPort != 0 && dstPort != DefaultVXLANPort:
		return fmt.Sprintf("%s/%s:%d", mode, encap, dstPort)
	}
	return mode + "/" + string(encap)
}

// IsCarrier tells a carrier's name from a network's, which has no slash.
func IsCarrier(name string) bool { return strings.Contains(name, "/") }

// SharedBeside returns the carrier with a port for each peer beside a carrier of
// the mode flow, "" for any other: Open vSwitch gives what comes from a peer to
// such a port first.
func SharedBeside(carrier string) string {
	return swapMode(carrier, TunnelPortsFlow, TunnelPortsShared)
}

// FlowBeside is the reverse of SharedBeside.
func FlowBeside(carrier string) string { return swapMode(carrier, TunnelPortsShared, TunnelPortsFlow) }

func swapMode(carrier, from, to string) string {
	if rest, ok := strings.CutPrefix(carrier, from+"/"); ok {
		return to + "/" + rest
	}
	return ""
}

// carrierPort returns the name of a carrier's port to a peer: sg-<self>-<peer>
// with shared and GRE, sv-… with VXLAN; fg0 and fv<UDP port> with flow, whose
// one port leads to all peers. With shared, another UDP port than VXLAN's own
// and numbers too long for 15 characters are put into a hash; see TunnelName.
func carrierPort(mode string, encap Encap, dstPort uint16, localID, peerID int) string {
	if encap == VXLAN && dstPort == 0 {
		dstPort = DefaultVXLANPort
	}
	switch {
	case mode == TunnelPortsFlow && encap == VXLAN:
		return fmt.Sprintf("fv%d", dstPort)
	case mode == TunnelPortsFlow:
		return "fg0"
	case encap == VXLAN && dstPort != DefaultVXLANPort:
		return hashName("sv", fmt.Sprintf("sv%d-%d-%d", dstPort, localID, peerID))
	case encap == VXLAN:
		return shortName("sv", fmt.Sprintf("sv-%d-%d", localID, peerID))
	}
	return shortName("sg", fmt.Sprintf("sg-%d-%d", localID, peerID))
}

// Carrier returns the name of the carrier of the network's tunnel ports, ""
// where these are its own.
func (n Network) Carrier() string { return carrierName(n.TunnelPorts, n.Encap, n.DstPort) }
