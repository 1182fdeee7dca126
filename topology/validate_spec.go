package topology

import (
	"fmt"
	"slices"
	"strings"
)

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

// word refuses a value that is none of a field's choice of words; "" is left
// out.
func (c *checker) word(field, got string, words ...string) {
	if got != "" && !slices.Contains(words, got) {
		c.bad(field, fmt.Sprintf("%.64q is not known (want %s)", got, strings.Join(words, " or ")))
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
		if p.Range == (KeyRange{}) && !c.src.has(c.list, i, "range") {
			c.bad("range", "is missing (want FIRST-LAST, like 100-110)")
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
		c.options(n)
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
		c.kind(h)
		if c.full() {
			return
		}
	}
}
