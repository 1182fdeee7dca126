package flow

// EtherTypes and IP protocols that have names, as they stand on the wire.
const (
	etherIPv4 = "\x08\x00"
	etherARP  = "\x08\x06"
	etherRARP = "\x80\x35"
	etherIPv6 = "\x86\xdd"
	etherMPLS = "\x88\x47"
	etherMPLM = "\x88\x48" // multicast

	protoICMPv4 = "\x01"
	protoTCP    = "\x06"
	protoUDP    = "\x11"
	protoICMPv6 = "\x3a"
	protoSCTP   = "\x84"
)

// shorthand is a word that stands for an EtherType and an IP protocol.
type shorthand struct {
	name    string
	ethType string
	proto   string // empty: any
}

// shorthands has the longer ones before those that they imply.
var shorthands = []shorthand{
	{"icmp", etherIPv4, protoICMPv4},
	{"tcp", etherIPv4, protoTCP},
	{"udp", etherIPv4, protoUDP},
	{"sctp", etherIPv4, protoSCTP},
	{"icmp6", etherIPv6, protoICMPv6},
	{"tcp6", etherIPv6, protoTCP},
	{"udp6", etherIPv6, protoUDP},
	{"sctp6", etherIPv6, protoSCTP},
	{"ip", etherIPv4, ""},
	{"ipv6", etherIPv6, ""},
	{"arp", etherARP, ""},
	{"rarp", etherRARP, ""},
	{"mpls", etherMPLS, ""},
	{"mplsm", etherMPLM, ""},
}

// shorthand returns the word that ovs-ofctl prints for m's EtherType and IP
// protocol.
func (m Match) shorthand() (shorthand, bool) {
	t, p := m.exact(EthType), m.exact(IPProto)
	for _, s := range shorthands {
		if s.ethType == t && (s.proto == "" || s.proto == p) {
			return s, true
		}
	}
	return shorthand{}, false
}
