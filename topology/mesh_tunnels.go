package topology

import (
	"fmt"
	"net/netip"
)

// Tunnel is a tunnel port that one host should have for one network.
type Tunnel struct {
	Name     string // of the port; those of a flow carrier all have the same
	Carrier  string // "" where the port is the network's own; else the name of the carrier whose port it is, and the port has key=flow
	Encap    Encap
	Key      uint32 // of the network, whoever's the port is
	Peer     string // host name
	PeerID   int
	RemoteIP netip.Addr
	LocalIP  netip.Addr // invalid unless the spec named this host's endpoint
	DstPort  uint16     // UDP; 0 with GRE
	BFD      bool
}

// TunnelProblem is a tunnel that a host should have and can't.
type TunnelProblem struct {
	Name   string // that the port would have
	Peer   string // host name
	PeerID int
	Text   string // why, for people
}

// Tunnels returns the tunnel ports that a host should have for a network, one
// to each other member, in the order of the members; and those that can't be,
// because one of the two ends has no usable endpoint or the two are of
// different address families. Nil wants nothing, nor does an external host:
// nobody of us makes its tunnels.
func Tunnels(on *OnHost) ([]Tunnel, []TunnelProblem) {
	if on == nil || len(on.Net.Members) < 2 || on.Self.External {
		return nil, nil
	}
	net, self := on.Net, &on.Self
	carrier := carrierName(net.TunnelPorts, net.Encap, net.DstPort)
	tunnels := make([]Tunnel, 0, len(net.Members)-1)
	var problems []TunnelProblem
	name := ""
	for i := range net.Members {
		peer := &net.Members[i]
		if peer.Host == self.Host {
			continue
		}
		switch {
		case carrier == "":
			name = TunnelName(net.Encap, net.Key, self.HostID, peer.HostID)
		case name == "", net.TunnelPorts != TunnelPortsFlow: // flow has one port to all
			name = carrierPort(net.TunnelPorts, net.Encap, net.DstPort, self.HostID, peer.HostID)
		}
		if text := whyNoTunnel(self, peer); text != "" {
			problems = append(problems, TunnelProblem{Name: name, Peer: peer.Host, PeerID: peer.HostID, Text: text})
			continue
		}
		t := Tunnel{
			Name: name, Carrier: carrier, Encap: net.Encap, Key: net.Key,
			Peer: peer.Host, PeerID: peer.HostID, RemoteIP: peer.Endpoint,
			// A foreign endpoint need not speak BFD, and a tunnel that waits
			// for it would stay down.
			BFD: net.BFD && !peer.External && net.TunnelPorts != TunnelPortsFlow,
		}
		if self.Explicit {
			t.LocalIP = self.Endpoint
		}
		if net.Encap == VXLAN {
			t.DstPort = net.DstPort
		}
		tunnels = append(tunnels, t)
	}
	return tunnels, problems
}

// whyNoTunnel says why there can be no tunnel from self to peer, "" if there
// can. The fault of this host comes first: it is the reason for all its
// tunnels.
func whyNoTunnel(self, peer *Member) string {
	for _, m := range []*Member{self, peer} {
		switch {
		case m.Error != "":
			return fmt.Sprintf("host %s: %s", m.Host, m.Error)
		case !m.Endpoint.IsValid():
			return fmt.Sprintf("host %s has no endpoint", m.Host)
		}
	}
	if self.Endpoint.Is4() != peer.Endpoint.Is4() {
		return fmt.Sprintf("endpoint %s of host %s and endpoint %s of host %s are of different address families",
			self.Endpoint, self.Host, peer.Endpoint, peer.Host)
	}
	return ""
}
