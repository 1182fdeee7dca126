package plan

import (
	"cmp"
	"fmt"
	"slices"

	"ovsmesh/ovsdb/schema"
)

// claimKey is what Open vSwitch tells the tunnel ports of one datapath apart
// by: of two with the same the second gets ofport -1, on whichever bridges
// they are. Values of each packet's own, "flow", are different from all others:
// beside a port with key=flow there may be one with a key to the same remote.
type claimKey struct {
	datapath, kind, key, remote, local, dstPort string
}

// claim is the port that has a claimKey. port is nil for one that this plan
// adds.
type claim struct {
	name, bridge string
	port         *schema.Port
	row          *schema.Interface
}

func keyOf(datapath, kind string, o map[string]string) claimKey {
	k := claimKey{
		datapath: cmp.Or(datapath, "system"), kind: kind, key: cmp.Or(o["in_key"], o["key"]),
		remote: o["remote_ip"], local: o["local_ip"], dstPort: o["dst_port"],
	}
	if k.dstPort == defaultDstPort {
		k.dstPort = ""
	}
	return k
}

// claimKey returns the key of a wanted tunnel.
func (d *differ) claimKey(n Network, t Tunnel) claimKey {
	datapath := ""
	if b := d.db.BridgeByName(n.Bridge); b != nil {
		datapath = b.DatapathType
	}
	return keyOf(datapath, t.Type, wanted(t))
}

// claimed returns all claims, save those that this plan gives up.
func (d *differ) claimed() map[claimKey]claim {
	if d.claims != nil {
		return d.claims
	}
	d.claims, d.freed = make(map[claimKey]claim, len(d.db.Ports)), map[claimKey]string{}
	for _, b := range d.db.Bridges {
		for _, id := range b.Ports {
			p := d.db.Ports[id]
			if p == nil {
				continue
			}
			if i := d.only(p); d.gone[id] {
				if i != nil {
					d.freed[keyOf(b.DatapathType, i.Type, i.Options)] = p.Name
				}
				continue
			}
			for _, id := range p.Interfaces {
				i := d.db.Interfaces[id]
				if i == nil || i.Options["remote_ip"] == "" || d.changing[id] {
					continue
				}
				k := keyOf(b.DatapathType, i.Type, i.Options)
				// Of two that clash already the lower name is told.
				if old, ok := d.claims[k]; !ok || p.Name < old.name {
					d.claims[k] = claim{name: p.Name, bridge: b.Name, port: p, row: i}
				}
			}
		}
	}
	return d.claims
}

// clash reports, also as a problem, whether another port has what a tunnel
// needs; if none has, the tunnel has it from now on. own is the tunnel's row,
// nil for a new one.
func (d *differ) clash(n Network, t Tunnel, own *schema.Interface) bool {
	k := d.claimKey(n, t)
	c, ok := d.claimed()[k]
	if !ok {
		d.claims[k] = claim{name: t.Name, bridge: n.Bridge, row: own}
		return false
	}
	whose := ""
	if c.port != nil && d.foreign(c.port.ExternalIDs) {
		whose = fmt.Sprintf(" of another ovsmesh store (%s)", c.port.ExternalIDs[schema.KeyOwner])
	}
	d.problem(n.Bridge, n.Name, t.Name, "port %s: %s key %s to %s is already used by port %s on bridge %s%s",
		t.Name, t.Type, keyOption(t), remoteOption(t), c.name, c.bridge, whose)
	return true
}

// waits reports whether a new port must wait for one that this plan deletes,
// and notes it. One of the same name takes the old one's place.
func (d *differ) waits(name string, n Network, t Tunnel) bool {
	d.claimed()
	old, freed := d.freed[d.claimKey(n, t)]
	if !freed || old == name {
		return false
	}
	if !slices.Contains(d.plan.Later, n.Name) {
		d.plan.Later = append(d.plan.Later, n.Name)
	}
	return true
}

// taken is what differ.named says of a port that is taken over.
const taken = "a port of the old plugin, taken over for another peer"

// adopt takes over the old plugin's port for a tunnel, if there is one: of its
// name's pattern, nobody's, on the right bridge, of the same type, key and
// remote address. It keeps its name and ofport.
func (d *differ) adopt(g *Group, n Network, t Tunnel) bool {
	if t.Key == 0 || !t.RemoteIP.IsValid() {
		return false // the plugin makes none that several share
	}
	k := d.claimKey(n, t)
	c, ok := d.claimed()[k]
	if !ok && k.local != "" { // the plugin never sets local_ip
		k.local = ""
		c, ok = d.claims[k]
	}
	if !ok || c.port == nil || c.bridge != n.Bridge || !pluginName(c.name) ||
		c.port.ExternalIDs[schema.KeyOwner] != "" || d.only(c.port) != c.row || d.named[c.name] != "" {
		return false
	}
	delete(d.claims, k)
	if d.clash(n, t, c.row) {
		d.claims[k] = c
		return true // said as a problem; there is nothing to add
	}
	d.named[c.name] = taken
	g.Steps = append(g.Steps, fmt.Sprintf("take over port %s of bridge %s", c.name, c.bridge))
	if ms := patch("external_ids", c.port.ExternalIDs, map[string]string{schema.KeyPlugin: formerPort(c.port, c.row)}); len(ms) > 0 {
		g.Ops = append(g.Ops, mutate("Port", byUUID(c.port.UUID), ms...))
	}
	d.refresh(g, c.port, c.row, n, t)
	return true
}

// pluginName reports whether a name is of CloudStack's pattern
// t<key>-<from>-<to>.
func pluginName(name string) bool {
	var key uint32
	var from, to int
	var rest string
	n, _ := fmt.Sscanf(name+" .", "t%d-%d-%d %s", &key, &from, &to, &rest)
	return n == 4 && rest == "." && name == fmt.Sprintf("t%d-%d-%d", key, from, to)
}
