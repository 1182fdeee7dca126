package topology

import (
	"fmt"
	"net/netip"
	"strings"
)

func (c *checker) ports(ports []Port) {
	names, matches, stations := map[string]int{}, map[factKey]int{}, map[station]int{}
	for i := range ports {
		p := &ports[i]
		c.look(listPorts, i, p.Name)
		c.bad("name", badName(p.Name))
		if p.Name != "" {
			once(c, names, p.Name, "name", p.Name)
		}
		c.bad("network", badName(p.Network))
		if why := badMatch(&p.Match); why != "" {
			c.bad("match", why)
		} else if k, ok := matchKey(p.Match); ok {
			once(c, matches, k, "match", p.Match.String())
		}
		if !p.MAC.IsZero() {
			c.bad("mac", badStation(p.MAC))
			once(c, stations, station{p.Network, p.MAC}, "mac", p.MAC.String())
		}
		c.addresses(p)
		if c.full() {
			return
		}
	}
}

// addresses judges the IP addresses of a port and those that it may use too.
func (c *checker) addresses(p *Port) {
	own := map[netip.Addr]bool{}
	for j, a := range p.IPs {
		at := fmt.Sprintf("ips[%d]", j)
		c.bad(at, badIP(a))
		if own[a.Unmap()] {
			c.bad(at, fmt.Sprintf("%s is listed twice", a))
		}
		own[a.Unmap()] = true
	}
	allowed := map[Address]bool{}
	for j, a := range p.AllowedAddresses {
		at := fmt.Sprintf("allowedAddresses[%d]", j)
		if !a.IP.IsValid() {
			c.bad(at+".ip", "is missing")
			continue
		}
		c.bad(at+".ip", badIP(a.IP))
		if !a.MAC.IsZero() {
			c.bad(at+".mac", badStation(a.MAC))
		}
		a = a.plain(p.MAC)
		if allowed[a] {
			c.bad(at, fmt.Sprintf("%s is listed twice", a))
		}
		allowed[a] = true
		if a.MAC.IsZero() && own[a.IP] {
			c.bad(at, fmt.Sprintf("%s is one of the port's own ips, which it may use anyway: leave it out here, "+
				"or there if other ports may use it too", a))
		}
	}
}

// plain returns the address as it is compared: the IP unmapped, and no MAC if
// it is the port's own.
func (a Address) plain(own MAC) Address {
	if a.IP = a.IP.Unmap(); a.MAC == own {
		a.MAC = MAC{}
	}
	return a
}

// String returns the IP address, with the MAC before it where there is one.
func (a Address) String() string {
	if a.MAC.IsZero() {
		return a.IP.String()
	}
	return a.MAC.String() + " " + a.IP.String()
}

func badMatch(m *PortMatch) string {
	var ways []string
	if m.IfaceID != "" {
		ways = append(ways, "ifaceID")
	}
	if m.XSVifUUID != "" {
		ways = append(ways, "xsVifUUID")
	}
	if !m.MAC.IsZero() {
		ways = append(ways, "mac")
	}
	if m.Host != "" || m.Interface != "" {
		ways = append(ways, "host and interface")
	}
	switch {
	case len(ways) == 0:
		return "is missing (want one of ifaceID, xsVifUUID, mac, or host and interface)"
	case len(ways) > 1:
		return fmt.Sprintf("names %s at once (want one of them)", strings.Join(ways, " and "))
	case (m.Host == "") != (m.Interface == ""):
		return "names one of host and interface only (want both)"
	}
	for _, s := range []string{m.IfaceID, m.XSVifUUID} {
		if why := badText(s); why != "" {
			return why
		}
	}
	if !m.MAC.IsZero() {
		if why := badStation(m.MAC); why != "" {
			return why
		}
	}
	if m.Host != "" {
		if why := badName(m.Host); why != "" {
			return "host " + why
		}
		if why := badDevice(m.Interface); why != "" {
			return "interface " + why
		}
	}
	return ""
}
