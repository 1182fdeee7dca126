package trace

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
)

// Party is one end of a conversation, as far as it is known.
type Party struct {
	MAC [6]byte // zero: not known
	IPs []netip.Addr
}

func (p Party) ip(v6 bool) netip.Addr {
	for _, a := range p.IPs {
		if a.Is6() == v6 && !a.IsUnspecified() {
			return a
		}
	}
	return netip.Addr{}
}

// Want says which frame to make.
type Want struct {
	From, To Party
	ToAll    bool   // to everybody: To does not count
	ARP      bool   // the question who has To's IPv4 address
	Text     string // fields as ovs-ofctl has them, which win over all else
}

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	etherTest = 0x88b5 // for experiments, IEEE 802-2014 §9.2.3

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132

	portDiscard = 9 // RFC 863
)

const toAll = "\xff\xff\xff\xff\xff\xff"

// Packet makes a frame: by default what one would try first between the two, a
// ping over IPv4 where both have an address of it, else over IPv6, else a frame
// of neither.
func Packet(w Want) (forward.Frame, error) {
	p := &packer{want: w}
	text, err := p.protocol(strings.TrimSpace(w.Text))
	if err != nil {
		return forward.Frame{}, err
	}
	f, err := flow.Parse(text + " actions=drop")
	if err != nil {
		return forward.Frame{}, fmt.Errorf("packet %q: %w", text, errors.Unwrap(err))
	}
	for _, x := range f.Match {
		if x.Mask != "" {
			return forward.Frame{}, fmt.Errorf("packet %q: a packet's fields have no masks", w.Text)
		}
	}
	p.match = f.Match
	if err := p.settable(); err != nil {
		return forward.Frame{}, err
	}
	b, err := p.bytes()
	if err != nil {
		return forward.Frame{}, err
	}
	frame, err := forward.Parse(b)
	if err != nil {
		return frame, err
	}
	for _, x := range f.Match {
		if got := frame.Field(x.Field); got != x.Value {
			return frame, fmt.Errorf("packet %q: %s does not fit into such a packet", w.Text, flow.Match{x})
		}
	}
	return frame, nil
}

type packer struct {
	want  Want
	match flow.Match
}

// words that say what kind of packet it is.
func isProtocol(word string) bool {
	switch word {
	case "arp", "rarp", "ip", "ipv6", "icmp", "icmp6", "tcp", "tcp6", "udp", "udp6", "sctp", "sctp6", "mpls", "mplsm":
		return true
	}
	return strings.HasPrefix(word, "dl_type=") || strings.HasPrefix(word, "eth_type=")
}

// protocol puts a protocol before fields that name none.
func (p *packer) protocol(text string) (string, error) {
	var words []string
	named := false
	has := func(prefixes ...string) bool {
		for _, w := range words {
			for _, x := range prefixes {
				if strings.HasPrefix(w, x) {
					return true
				}
			}
		}
		return false
	}
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		if w == "nd" {
			words, named = append([]string{"icmp6", "icmp_type=135", "icmp_code=0"}, words...), true
			continue
		}
		if strings.HasPrefix(w, "actions=") || strings.HasPrefix(w, "table=") || strings.HasPrefix(w, "cookie=") || strings.HasPrefix(w, "priority=") {
			return "", fmt.Errorf("packet %q: %s is of a flow, not of a packet", text, w)
		}
		if named = named || isProtocol(w); isProtocol(w) {
			words = append([]string{w}, words...)
		} else {
			words = append(words, w)
		}
	}
	if !named {
		switch {
		case p.want.ARP || has("arp_"):
			words = append([]string{"arp"}, words...)
		case has("nd_"):
			words = append([]string{"icmp6", "icmp_type=135", "icmp_code=0"}, words...)
		case has("tp_", "tcp_", "udp_"):
			return "", fmt.Errorf("packet %q: ports without a protocol: say tcp, udp or sctp first", text)
		case has("nw_") || p.both(false):
			words = append([]string{p.kind("icmp", "udp")}, words...)
		case has("ipv6_") || p.both(true):
			words = append([]string{p.kind("icmp6", "udp6")}, words...)
		}
	}
	return strings.Join(words, ","), nil
}

// kind returns what is sent to one, or to all.
func (p *packer) kind(one, everybody string) string {
	if p.want.ToAll {
		return everybody
	}
	return one
}

// both reports whether both have addresses of the family; everybody has.
func (p *packer) both(v6 bool) bool {
	return p.want.From.ip(v6).IsValid() && (p.want.ToAll || p.want.To.ip(v6).IsValid())
}

// get returns a field that was asked for, or something else.
func (p *packer) get(n flow.Name, otherwise string) string {
	if x, ok := p.match.Get(n.Field()); ok {
		return x.Value
	}
	return otherwise
}

func (p *packer) number(n flow.Name, otherwise uint64) uint64 {
	if x, ok := p.match.Get(n.Field()); ok {
		return number(x.Value)
	}
	return otherwise
}

// settable refuses fields that are not the packet's own.
func (p *packer) settable() error {
	var f forward.Frame
	for _, x := range p.match {
		if len(x.Value) != len(f.Field(x.Field)) {
			return fmt.Errorf("packet: %s is no field of a packet", flow.Match{x})
		}
		switch x.Field {
		case flow.InPort.Field():
			return errors.New("packet: in_port follows from where the packet starts: see --from")
		case flow.Metadata.Field(), flow.TunnelID.Field(), flow.TunSrc.Field(), flow.TunDst.Field():
			return fmt.Errorf("packet: %s is no field of a packet that a VM sends", flow.Match{x})
		}
	}
	return nil
}

// source and target are the Ethernet addresses.
func (p *packer) source() string {
	mac := p.want.From.MAC
	return p.get(flow.EthSrc, string(mac[:]))
}

func (p *packer) target(etherType uint16) (string, error) {
	if x, ok := p.match.Get(flow.EthDst.Field()); ok {
		return x.Value, nil
	}
	if ip := p.destination(etherType); ip.IsMulticast() {
		b := ip.AsSlice()
		if ip.Is4() {
			return string([]byte{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}), nil
		}
		return "\x33\x33" + string(b[12:]), nil
	}
	if p.want.ToAll || etherType == etherARP && p.number(flow.ARPOp, 1) == 1 {
		return toAll, nil
	}
	if p.want.To.MAC == ([6]byte{}) {
		return "", errors.New("the MAC address of the receiver is not known: give one with --packet dl_dst=…, or ask for it with --arp")
	}
	return string(p.want.To.MAC[:]), nil
}

// destination is the IP address that the packet is sent to; invalid if it is
// no IP.
func (p *packer) destination(etherType uint16) netip.Addr {
	switch etherType {
	case etherIPv4:
		return p.address(flow.IPv4Dst, p.ipTo(false))
	case etherIPv6:
		return p.address(flow.IPv6Dst, p.ipTo(true))
	}
	return netip.Addr{}
}

func (p *packer) address(n flow.Name, otherwise netip.Addr) netip.Addr {
	if x, ok := p.match.Get(n.Field()); ok {
		a, _ := netip.AddrFromSlice([]byte(x.Value))
		return a
	}
	return otherwise
}

func (p *packer) ipTo(v6 bool) netip.Addr {
	switch {
	case v6 && p.number(flow.ICMPv6Type, 0) == 135: // RFC 4291 §2.7.1
		t := p.address(flow.NDTarget, p.want.To.ip(true))
		if !t.IsValid() {
			break
		}
		b := t.As16()
		return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
	case p.want.ToAll && v6:
		return netip.IPv6LinkLocalAllNodes()
	case p.want.ToAll:
		return netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	if a := p.want.To.ip(v6); a.IsValid() {
		return a
	}
	if v6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

func (p *packer) ipFrom(v6 bool) netip.Addr {
	if a := p.want.From.ip(v6); a.IsValid() {
		return a
	}
	if v6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}
