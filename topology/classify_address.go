package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxReportedIPs bounds what one interface can put into the tables of all
// hosts of its network by external_ids:ovsmesh-ips.
const maxReportedIPs = 64

// declare takes over what a ports entry says of a VIF.
func (v *LocalVIF) declare(p *Port) {
	v.Port, v.DHCPServer, v.Router = p.Name, p.DHCPServer, p.Router
	if !p.MAC.IsZero() {
		v.MACs = []MAC{p.MAC}
	}
	v.IPs = plainAddrs(p.IPs)
	for _, a := range p.AllowedAddresses {
		v.Allowed = append(v.Allowed, a.plain(p.MAC))
	}
	slices.SortFunc(v.Allowed, func(a, b Address) int { return cmp.Or(a.IP.Compare(b.IP), compareMAC(a.MAC, b.MAC)) })
	v.Allowed = slices.Compact(v.Allowed)
}

// report adds what the switch says of a VIF where its ports entry says
// nothing, and returns what is wrong with it.
func (v *LocalVIF) report(c *candidate) (problems []string) {
	if text := c.attachedMAC(); len(v.MACs) == 0 && text != "" {
		mac, why := attachedMAC(text)
		if why == "" {
			v.MACs = []MAC{mac}
		} else {
			problems = append(problems, fmt.Sprintf("interface %s: external_ids:attached-mac %.64q %s: its address is taken as unknown", v.Interface, text, why))
		}
	}
	if len(v.IPs) == 0 {
		ips, why := reportedIPs(c.ips())
		if v.IPs = ips; why != "" {
			problems = append(problems, fmt.Sprintf("interface %s: external_ids:ovsmesh-ips %s", v.Interface, why))
		}
	}
	return problems
}

// attachedMAC reads external_ids:attached-mac, or says what is wrong with it.
func attachedMAC(text string) (MAC, string) {
	mac, err := ParseMAC(text)
	switch {
	case err != nil:
		return MAC{}, "is not a MAC address"
	case mac.IsZero():
		return MAC{}, "is all zeroes"
	case !mac.IsUnicast():
		return MAC{}, "is a multicast address"
	}
	return mac, ""
}

// reportedIPs reads external_ids:ovsmesh-ips, addresses with commas between
// them, and says what is wrong with the first of those that it leaves out.
func reportedIPs(text string) (ips []netip.Addr, why string) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if len(ips) == maxReportedIPs {
			why = cmp.Or(why, fmt.Sprintf("holds more than %d addresses: the others are left out", maxReportedIPs))
			break
		}
		switch a, err := netip.ParseAddr(item); {
		case err != nil:
			why = cmp.Or(why, fmt.Sprintf("holds %.64q, which is not an IP address: it is left out", item))
		case badIP(a.Unmap()) != "":
			why = cmp.Or(why, fmt.Sprintf("holds an address that no VM can have: %s: it is left out", badIP(a.Unmap())))
		default:
			ips = append(ips, a)
		}
	}
	return plainAddrs(ips), why
}

// plainAddrs returns addresses as they are compared: sorted, each once, IPv4
// as such.
func plainAddrs(list []netip.Addr) []netip.Addr {
	if len(list) == 0 {
		return nil
	}
	out := make([]netip.Addr, len(list))
	for i, a := range list {
		out[i] = a.Unmap()
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}
