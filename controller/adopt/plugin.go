package adopt

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// Plugin stands for CloudStack's ovstunnel plugin where a store's UUID would stand.
const Plugin = "plugin"

// PluginBridge is a bridge that the plugin has set up or put tunnels on.
type PluginBridge struct {
	Name          string
	Label         string // other_config:gre_key, which is CloudStack's name of the network: OVSTunnel103
	XSNetworkUUID string // external_ids:xs-network-uuid; "" on KVM
	VPC           bool   // of a VPC with distributed routing: its tiers share it
	Store         string // another ovsmesh store that has it; "" if none has
	Ours          bool
	Tunnels       []PluginTunnel // sorted by name
}

// PluginTunnel is a tunnel port of the plugin's, by its name, that is nobody's yet.
type PluginTunnel struct {
	Name     string
	From, To int    // IDs in its name
	NameKey  uint32 // likewise the key
	Key      string // options:key
	RemoteIP string // options:remote_ip
}

const vpcBridge = "OVS-DR-VPC-Bridge"

// ReadPlugin returns the bridges of a host that are the plugin's, sorted by name.
func ReadPlugin(db *schema.DB, own string) []PluginBridge {
	var list []PluginBridge
	for _, b := range db.Bridges {
		row := PluginBridge{
			Name: b.Name, Label: b.OtherConfig["gre_key"], XSNetworkUUID: b.ExternalIDs["xs-network-uuid"],
			VPC: strings.HasPrefix(b.Name, vpcBridge) || b.OtherConfig["is-ovs-vpc-distributed-vr-network"] != "" ||
				b.OtherConfig["is-ovs_vpc_distributed_vr_network"] != "",
		}
		if owner := b.ExternalIDs[schema.KeyOwner]; owner == own {
			row.Ours = true
		} else {
			row.Store = owner
		}
		for _, id := range b.Ports {
			p := db.Ports[id]
			if p == nil || len(p.Interfaces) != 1 || p.ExternalIDs[schema.KeyOwner] != "" {
				continue
			}
			i := db.Interfaces[p.Interfaces[0]]
			if !plan.PluginPort(p, i) {
				continue
			}
			t := PluginTunnel{Name: p.Name, Key: i.Options["key"], RemoteIP: i.Options["remote_ip"]}
			fmt.Sscanf(p.Name, "t%d-%d-%d", &t.NameKey, &t.From, &t.To) // it is one of the plugin's
			row.Tunnels = append(row.Tunnels, t)
		}
		if len(row.Tunnels) == 0 && (row.Ours || !row.VPC && !plan.OfPlugin(db, b)) {
			continue
		}
		slices.SortFunc(row.Tunnels, func(a, b PluginTunnel) int { return strings.Compare(a.Name, b.Name) })
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b PluginBridge) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// PluginTold is what the plugin's rows tell of what was picked.
type PluginTold struct {
	Told
	Calls []topology.PluginCall // that would have made it
	Left  []string              // what is left alone, and why
}

// RebuildPlugin returns what the plugin's rows tell of what was picked: a host
// with all networks on it, a network on all hosts, or all. A network is taken over
// on all hosts that are connected, or else those that are not picked would be
// without their tunnels to those that are.
func RebuildPlugin(hosts []Host, pick Pick) PluginTold {
	r := &pluginRebuilding{told: PluginTold{Told: Told{Store: Plugin}}, ids: map[string]number{}, at: map[netip.Addr]number{}, away: map[netip.Addr]*Away{}, networks: map[uint32]*Network{}}
	hosts = slices.SortedFunc(slices.Values(hosts), func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	for _, h := range hosts {
		if h.Endpoint.IsValid() {
			r.at[h.Endpoint] = number{host: h.Name}
		}
	}
	keys := map[uint32]bool{}
	for _, h := range hosts {
		for _, b := range h.Plugin {
			if r.leaves(h, b) {
				continue
			}
			key := r.key(h, b)
			if key == 0 {
				continue
			}
			if pick.All || pick.Host == h.Name || pick.Network != "" && pick.Network == PluginNetwork(key) {
				keys[key] = true
			}
		}
	}
	r.told.Problems = slices.DeleteFunc(r.told.Problems, func(p Problem) bool { // they are told anew, of what was picked
		return !pick.All && !(pick.Host != "" && p.Name == pick.Host)
	})
	for _, h := range hosts {
		r.host(h, keys)
	}
	r.settle()
	return r.told
}

// PluginNetwork returns what the network of a key is called: as CloudStack calls
// it, in lower case.
func PluginNetwork(key uint32) string { return fmt.Sprintf("ovstunnel%d", key) }

// number is the ID of a host, and who has told it.
type number struct {
	host string // whose it is; "" of one that is not connected
	id   int
	by   string
}

type pluginRebuilding struct {
	told     PluginTold
	ids      map[string]number     // by host
	at       map[netip.Addr]number // by endpoint
	away     map[netip.Addr]*Away
	networks map[uint32]*Network
}

func (r *pluginRebuilding) problem(kind, name, format string, args ...any) {
	r.told.Problems = append(r.told.Problems, Problem{kind, name, fmt.Sprintf(format, args...)})
}

// leaves reports whether a bridge is left alone, and notes why.
func (r *pluginRebuilding) leaves(h Host, b PluginBridge) bool {
	switch {
	case b.VPC:
		r.told.Left = append(r.told.Left, fmt.Sprintf("bridge %s of %s: it is of a VPC with distributed routing, whose tiers share it; the plugin's flows keep these apart", b.Name, h.Name))
	case b.Store != "":
		r.told.Left = append(r.told.Left, fmt.Sprintf("bridge %s of %s: it belongs to the ovsmesh store %s; adopt that", b.Name, h.Name, b.Store))
	default:
		return false
	}
	return true
}

// key returns the key of a bridge's network, 0 if it tells none or several.
func (r *pluginRebuilding) key(h Host, b PluginBridge) uint32 {
	var key uint32
	by := ""
	said := func(k uint32, who string) bool {
		if key == 0 {
			key, by = k, who
		}
		if k != key {
			r.problem("", h.Name, "host %s: bridge %s is of two networks: %s says key %d, and %s says key %d", h.Name, b.Name, by, key, who, k)
		}
		return k == key
	}
	if b.Label != "" {
		k, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(b.Label), "ovstunnel"), 10, 32)
		if err != nil || k == 0 || !strings.HasPrefix(strings.ToLower(b.Label), "ovstunnel") {
			r.problem("", h.Name, "host %s: other_config:gre_key of bridge %s is %.64q, which is not OVSTunnel<key>", h.Name, b.Name, b.Label)
			return 0
		}
		said(uint32(k), "other_config:gre_key")
	}
	for _, t := range b.Tunnels {
		k, err := strconv.ParseUint(t.Key, 10, 32)
		switch {
		case err != nil || k == 0:
			r.problem("", h.Name, "host %s: port %s has options:key=%.64q, which is no GRE key", h.Name, t.Name, t.Key)
			return 0
		case uint32(k) != t.NameKey:
			r.problem("", h.Name, "host %s: port %s has options:key=%d, and its name says %d", h.Name, t.Name, k, t.NameKey)
			return 0
		case !said(uint32(k), "port "+t.Name):
			return 0
		}
	}
	return key
}

// host takes in what a host's rows tell of networks that were picked.
func (r *pluginRebuilding) host(h Host, keys map[uint32]bool) {
	mark := Mark{Host: h.Name}
	on := map[uint32]string{} // bridges
	quiet := pluginRebuilding{}
	for _, b := range h.Plugin {
		if b.VPC || b.Store != "" {
			continue
		}
		key := quiet.key(h, b)
		if key == 0 || !keys[key] {
			continue
		}
		if other := on[key]; other != "" {
			r.problem("", h.Name, "host %s: bridges %s and %s are both of key %d: delete the one that no VM uses", h.Name, other, b.Name, key)
			continue
		}
		on[key] = b.Name
		n := r.networks[key]
		if n == nil {
			n = &Network{Name: PluginNetwork(key), Noted: true}
			n.Note.Network = topology.Network{Name: n.Name, Encap: topology.GRE, Key: key, Profile: topology.ProfileLearning}
			r.networks[key] = n
		}
		n.On = append(n.On, Place{Host: h.Name, Bridge: b.Name, Tunnels: len(b.Tunnels)})
		mark.Bridges = append(mark.Bridges, b.Name)
		call := topology.PluginCall{Host: h.Name, Bridge: b.Name, Name: "OVSTunnel" + strconv.FormatUint(uint64(key), 10), XSNetworkUUID: b.XSNetworkUUID, Key: key}
		r.told.Calls = append(r.told.Calls, call)
		for _, t := range b.Tunnels {
			r.tunnel(h, n, t, call)
		}
	}
	if len(mark.Bridges) > 0 {
		r.told.Marks = append(r.told.Marks, mark)
		r.told.Hosts = append(r.told.Hosts, Named{Host: h.Name})
	}
}

func (r *pluginRebuilding) tunnel(h Host, n *Network, t PluginTunnel, call topology.PluginCall) {
	who := fmt.Sprintf("port %s of %s", t.Name, h.Name)
	remote, err := netip.ParseAddr(t.RemoteIP)
	switch {
	case err != nil:
		r.problem("", h.Name, "host %s: port %s has options:remote_ip=%.64q, which is no address", h.Name, t.Name, t.RemoteIP)
		return
	case t.From == t.To:
		r.problem("", h.Name, "host %s: port %s leads from host %d to itself, by its name", h.Name, t.Name, t.From)
		return
	}
	remote = remote.Unmap()
	r.isID(h.Name, h.Endpoint, t.From, who)
	peer := r.at[remote]
	r.isID(peer.host, remote, t.To, who)
	if peer.host == "" {
		a := r.away[remote]
		if a == nil {
			a = &Away{Name: "cs-" + strconv.Itoa(t.To), ID: t.To, Endpoint: remote}
			r.away[remote] = a
		}
		if !slices.Contains(a.Networks, n.Name) {
			a.Networks = append(a.Networks, n.Name)
		}
	}
	call.RemoteIP, call.Remote, call.From, call.To, call.Port = remote, peer.host, t.From, t.To, t.Name
	r.told.Calls = append(r.told.Calls, call)
}

// isID takes in that the host of an address has an ID.
func (r *pluginRebuilding) isID(host string, addr netip.Addr, id int, by string) {
	name := host
	if name == "" {
		name = addr.String()
	}
	if was, told := r.ids[name]; told && was.id != id {
		r.problem("", host, "host %s: %s says that its ID is %d, and %s says %d", name, was.by, was.id, by, id)
		return
	}
	for other, n := range r.ids {
		if other != name && n.id == id {
			r.problem("", host, "ID %d is that of host %s (%s) and of host %s (%s)", id, other, n.by, name, by)
			return
		}
	}
	r.ids[name] = number{host: host, id: id, by: by}
}

// settle puts together what was found.
func (r *pluginRebuilding) settle() {
	for _, key := range sortedKeys(r.networks) {
		r.told.Networks = append(r.told.Networks, *r.networks[key])
	}
	slices.SortFunc(r.told.Networks, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	for i := range r.told.Hosts {
		h := &r.told.Hosts[i]
		h.Note.Host.ID = r.ids[h.Host].id
	}
	for _, a := range r.away {
		slices.Sort(a.Networks)
		r.told.Away = append(r.told.Away, *a)
	}
	slices.SortFunc(r.told.Away, func(a, b Away) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(r.told.Left)
	slices.SortFunc(r.told.Problems, func(a, b Problem) int { return strings.Compare(a.Text, b.Text) })
	r.told.Problems = slices.CompactFunc(r.told.Problems, func(a, b Problem) bool { return a.Text == b.Text })
}

func sortedKeys(m map[uint32]*Network) []uint32 {
	keys := make([]uint32, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
