package topology

import (
	"fmt"
	"slices"
	"strings"
)

// unavailable are the fields that come with a later version, and when a value
// of one is more than the default.
func unavailableNetwork(n *Network) []unavailable {
	return []unavailable{
		{n.Profile, ProfileProgrammed, "profile"},
		{n.Broadcast, BroadcastSplitHorizon, "broadcast"},
		{n.UnknownUnicast, UnknownUnicastFlood, "unknownUnicast"},
		{n.TunnelPorts, TunnelPortsPerNetwork, "tunnelPorts"},
		{word(n.BFD), word(false), "bfd"},
		{word(n.MTU), word(0), "mtu"},
		{word(n.TakeBridge), word(false), "takeBridge"},
	}
}

func unavailableHost(h *Host) []unavailable {
	return []unavailable{
		{h.Kind, KindManaged, "kind"},
		{word(h.UnderlayMTU), word(0), "underlayMTU"},
	}
}

func unavailablePort(p *Port) []unavailable {
	return []unavailable{
		{word(len(p.AllowedAddresses)), word(0), "allowedAddresses"},
		{word(p.DHCPServer), word(false), "dhcpServer"},
		{word(p.Router), word(false), "router"},
	}
}

// unavailable is a field of which only one value is in this version.
type unavailable struct{ got, only, field string }

func word(v any) string { return fmt.Sprint(v) }

// later returns the words that a later version knows too; nil for a field that
// is not one of a choice of words.
func later(field string) []string {
	switch field {
	case "profile":
		return []string{"learning"}
	case "broadcast", "unknownUnicast":
		return []string{"drop"}
	case "tunnelPorts":
		return []string{"shared", "flow"}
	case "kind":
		return []string{"external"}
	}
	return nil
}

// checker judges a spec by itself, without an intent.
type checker struct {
	src *Source
	*problems
	list  string
	index int
	name  string
}

func (c *checker) look(list string, index int, name string) {
	c.list, c.index, c.name = list, index, name
}

// bad adds a problem with a field of the object looked at; "" is none.
func (c *checker) bad(field, why string) {
	if why == "" {
		return
	}
	e := c.src.at(c.list, c.index, c.name, field)
	e.Reason = why
	c.add(e)
}

func (c *checker) only(fields []unavailable) {
	for _, u := range fields {
		if u.got == "" || u.got == u.only {
			continue
		}
		why := fmt.Sprintf("%s is not available in this version (only %s)", u.got, u.only)
		if words := later(u.field); words != nil && !slices.Contains(words, u.got) {
			why = fmt.Sprintf("%.64q is not known (want %s)", u.got, u.only)
		}
		if u.field == "allowedAddresses" {
			why = "is not available in this version"
		}
		c.bad(u.field, why)
	}
}

// once refuses a value that an earlier object of the list has too.
func once[K comparable](c *checker, seen map[K]int, k K, field, value string) {
	if first, twice := seen[k]; twice {
		c.bad(field, fmt.Sprintf("%s is at %s already", value, c.src.where(c.list, first)))
		return
	}
	seen[k] = c.index
}

// checkSpec adds all that is wrong with a spec by itself.
func checkSpec(s *Spec, src *Source, to *problems) {
	c := &checker{src: src, problems: to}
	c.pools(s.KeyPools)
	c.networks(s.Networks)
	c.hosts(s.Hosts)
	c.ports(s.Ports)
}

func (c *checker) pools(pools []KeyPool) {
	for i, p := range pools {
		c.look(listKeyPools, i, p.Name())
		if p.Encap.MaxKey() == 0 {
			c.bad("encap", badEncap(p.Encap))
			continue
		}
		if p.Range.First > p.Range.Last {
			c.bad("range", fmt.Sprintf("range %s begins after its end", p.Range))
			continue
		}
		for _, key := range []uint32{p.Range.First, p.Range.Last} {
			if why := badKey(p.Encap, uint64(key)); why != "" {
				c.bad("range", why)
				break
			}
		}
		for j, o := range pools[:i] {
			if o.Encap == p.Encap && o.Range.Overlaps(p.Range) {
				c.bad("range", fmt.Sprintf("%s overlaps %s at %s", p.Range, o.Range, c.src.where(c.list, j)))
				break
			}
		}
		if c.full() {
			return
		}
	}
}

func badEncap(e Encap) string {
	if e == "" {
		return "is missing (want gre or vxlan)"
	}
	return fmt.Sprintf("%.64q is not known (want gre or vxlan)", string(e))
}

func (c *checker) networks(networks []Network) {
	names, keys := map[string]int{}, map[tunnelKey]int{}
	for i := range networks {
		n := &networks[i]
		c.look(listNetworks, i, n.Name)
		c.bad("name", badName(n.Name))
		if n.Name != "" {
			once(c, names, n.Name, "name", n.Name)
		}
		c.bad("tenant", badText(n.Tenant))
		if n.Encap.MaxKey() == 0 {
			c.bad("encap", badEncap(n.Encap))
		} else if n.Key != 0 {
			c.bad("key", badKey(n.Encap, uint64(n.Key)))
			once(c, keys, tunnelKey{n.Encap, n.Key}, "key", fmt.Sprintf("%s key %d", n.Encap, n.Key))
		}
		if n.Encap == GRE && n.DstPort != 0 {
			c.bad("dstPort", "is for vxlan only")
		}
		c.bridge(n)
		c.only(unavailableNetwork(n))
		if c.full() {
			return
		}
	}
}

// bridge judges what a network says of its bridges and hosts together.
func (c *checker) bridge(n *Network) {
	c.bad("bridge", badDevice(n.Bridge))
	uuids := map[string]bool{}
	for j, id := range n.XSNetworkUUIDs {
		at := fmt.Sprintf("xsNetworkUUIDs[%d]", j)
		c.bad(at, badUUID(id))
		if lower := strings.ToLower(id); uuids[lower] {
			c.bad(at, fmt.Sprintf("%.64s is listed twice", id))
		} else {
			uuids[lower] = true
		}
	}
	switch n.DatapathType {
	case "", "system", "netdev":
	default:
		c.bad("datapathType", fmt.Sprintf("%.64q is not known (want netdev, or nothing for the kernel's)", n.DatapathType))
	}
	if n.CreateBridge && n.Bridge == "" {
		c.bad("createBridge", "needs a name for the bridge: add bridge")
	}
	if len(n.Hosts) > 0 && n.Bridge == "" && len(n.XSNetworkUUIDs) == 0 {
		c.bad("hosts", "need to know which of their bridges is meant: add bridge or xsNetworkUUIDs")
	}
	hosts := map[string]bool{}
	for j, h := range n.Hosts {
		at := fmt.Sprintf("hosts[%d]", j)
		c.bad(at, badName(h))
		if hosts[h] {
			c.bad(at, fmt.Sprintf("%.64s is listed twice", h))
		}
		hosts[h] = true
	}
}

func (c *checker) hosts(hosts []Host) {
	names, ids, systemIDs, endpoints := map[string]int{}, map[int]int{}, map[string]int{}, map[string]int{}
	for i := range hosts {
		h := &hosts[i]
		c.look(listHosts, i, h.Name)
		if h.Name != "" || h.SystemID == "" {
			c.bad("name", badName(h.Name))
		}
		if h.Name != "" {
			once(c, names, h.Name, "name", h.Name)
		}
		if h.ID < 0 || h.ID > maxHostID {
			c.bad("id", fmt.Sprintf("%d is out of range (1..%d)", h.ID, maxHostID))
		} else if h.ID != 0 {
			once(c, ids, h.ID, "id", fmt.Sprint(h.ID))
		}
		if h.SystemID != "" {
			c.bad("systemID", badSystemID(h.SystemID))
			once(c, systemIDs, h.SystemID, "systemID", h.SystemID)
		}
		if h.Endpoint.IsValid() {
			a := h.Endpoint.Unmap()
			if why := unusable(a); why != "" {
				c.bad("endpoint", fmt.Sprintf("%s is %s", a, why))
			}
			once(c, endpoints, a.String(), "endpoint", a.String())
		}
		c.only(unavailableHost(h))
		if c.full() {
			return
		}
	}
}
