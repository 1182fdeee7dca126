package topology

// AssumedUnderlayMTU is the MTU of an underlay of which nothing is known: that
// of Ethernet, RFC 894.
const AssumedUnderlayMTU = 1500

// Overhead returns how many bytes an encapsulation adds to a VM's IP packet on
// its way through the underlay: the frame's own Ethernet header (14), GRE with
// a key (8, RFC 2890 §2) or UDP and VXLAN (8 + 8, RFC 7348 §5), and an outer
// IPv4 (20) or IPv6 (40) header.
func Overhead(encap Encap, ipv6 bool) int {
	n := 14 + 8
	if encap == VXLAN {
		n += 8
	}
	if ipv6 {
		return n + 40
	}
	return n + 20
}
