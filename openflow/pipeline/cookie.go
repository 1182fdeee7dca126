package pipeline

import "fmt"

// A cookie is 16 bits of mark ("om"), 32 bits of network ID, 16 of reason.
const (
	CookieMark uint64 = 0x6f6d << 48
	CookieMask uint64 = 0xffff << 48
)

// Reason is what a flow is for.
type Reason uint16

// The reasons. Their numbers stand in the cookies of running switches and never
// change.
const (
	Miss            Reason = 1  // nothing else matched
	ClassifyVIF     Reason = 2  // a VIF's network
	ClassifyTunnel  Reason = 3  // a tunnel's network
	BroadcastDrop   Reason = 4  // last word on a tunnel's broadcast
	Security        Reason = 5  // an address that a VIF may use
	GroupSource     Reason = 6  // nobody sends from a group address
	UnicastLocal    Reason = 7  // to a VIF of this host
	UnicastRemote   Reason = 8  // to a VIF of another host
	UnicastBoth     Reason = 9  // to an address that is here and elsewhere
	GroupToFlood    Reason = 10 // broadcast and multicast
	UnknownToFlood  Reason = 11 // unicast to nobody we know
	FloodFromVIF    Reason = 12 // to all VIFs and tunnels
	FloodFromTunnel Reason = 13 // to all VIFs

	Pass                Reason = 14 // nothing to be said about it: on to the next table
	HostNormal          Reason = 15 // the host's own ports among themselves
	SecurityDrop        Reason = 16 // an address that a VIF does not have
	Stolen              Reason = 17 // an address that is known as another's
	AskOwner            Reason = 18 // a question about the asker's own address
	AnswerARP           Reason = 19 // the answer to an ARP request
	DirectND            Reason = 20 // a neighbour solicitation to the one that it asks for
	UnknownDrop         Reason = 21 // unicast to nobody we know, where that is not flooded
	FloodHome           Reason = 22 // to all VIFs, where tunnels carry no broadcast
	FloodDrop           Reason = 23 // a tunnel's broadcast, likewise
	DiscoveryFromVIF    Reason = 24 // a request to all VIFs, and to servers behind tunnels
	DiscoveryFromTunnel Reason = 25 // a request to the VIFs that serve
	ServiceFromVIF      Reason = 26 // from a VIF that serves to everybody
	ServiceFromTunnel   Reason = 27 // from a server behind a tunnel to all VIFs
	Normal              Reason = 28 // as a switch that learns
	LearnVIF            Reason = 29 // a VIF's broadcast, likewise
	LearnToVIFs         Reason = 30 // broadcast to VIFs only
	LearnTunnel         Reason = 31 // what a tunnel brings, to VIFs
	LearnEcho           Reason = 32 // what another switch only learns from

	lastReason = LearnEcho
)

// String returns the reason's name, as cookies are explained to people.
func (r Reason) String() string {
	names := [...]string{
		Miss: "miss", ClassifyVIF: "classify-vif", ClassifyTunnel: "classify-tunnel",
		BroadcastDrop: "broadcast-drop", Security: "security", GroupSource: "group-source",
		UnicastLocal: "unicast-local", UnicastRemote: "unicast-remote", UnicastBoth: "unicast-both",
		GroupToFlood: "group-to-flood", UnknownToFlood: "unknown-to-flood",
		FloodFromVIF: "flood-vif", FloodFromTunnel: "flood-tunnel",
		Pass: "pass", HostNormal: "host-normal", SecurityDrop: "security-drop", Stolen: "stolen",
		AskOwner: "ask-owner", AnswerARP: "answer-arp", DirectND: "direct-nd",
		UnknownDrop: "unknown-drop", FloodHome: "flood-home", FloodDrop: "flood-drop",
		DiscoveryFromVIF: "discovery-vif", DiscoveryFromTunnel: "discovery-tunnel",
		ServiceFromVIF: "service-vif", ServiceFromTunnel: "service-tunnel",
		Normal: "normal", LearnVIF: "learn-vif", LearnToVIFs: "learn-to-vifs",
		LearnTunnel: "learn-tunnel", LearnEcho: "learn-echo",
	}
	if r == 0 || r > lastReason {
		return fmt.Sprintf("reason-%d", uint16(r))
	}
	return names[r]
}

// Cookie returns the cookie of a flow; network 0 is none.
func Cookie(network uint32, r Reason) uint64 {
	return CookieMark | uint64(network)<<16 | uint64(r)
}

// Owned reports whether a flow with this cookie is ours.
func Owned(cookie uint64) bool { return cookie&CookieMask == CookieMark }

// NetworkOf returns the network ID in one of our cookies; 0 is none.
func NetworkOf(cookie uint64) uint32 { return uint32(cookie >> 16) }

// ReasonOf returns the reason in one of our cookies.
func ReasonOf(cookie uint64) Reason { return Reason(cookie) }
