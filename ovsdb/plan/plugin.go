package plan

import (
	"encoding/json"
	"fmt"

	"ovsmesh/ovsdb/schema"
)

// What CloudStack's ovstunnel plugin has made is taken over in place, and given
// back when the host leaves: ports are its own again, and so are the flows for
// them. What was there stands in external_ids:ovsmesh-plugin: on a bridge which
// kinds of flows, on a port its former settings.
//
// A tunnel of the plugin's name that came while the bridge was ours is given back,
// too: CloudStack has asked for it, and will not ask again.

// PluginNote is which flows the plugin has on a bridge, besides those that XenServer
// has there. The zero value is a KVM host's: none.
type PluginNote struct {
	Version int      `json:"version"`
	Drop    bool     `json:"drop,omitempty"`    // of tunnels' broadcast
	VIFs    bool     `json:"vifs,omitempty"`    // VIFs' broadcast goes NORMAL
	Deliver []string `json:"deliver,omitempty"` // interfaces to which broadcast is put out, in that order
}

const pluginVersion = 1

// String returns the note as external_ids:ovsmesh-plugin of a bridge has it.
func (n PluginNote) String() string {
	n.Version = pluginVersion
	text, _ := json.Marshal(n) // of these types everything marshals
	return string(text)
}

// PluginBridge returns the note of a bridge. It is false where there is none, or
// none that makes sense.
func PluginBridge(b *schema.Bridge) (PluginNote, bool) {
	var n PluginNote
	text := b.ExternalIDs[schema.KeyPlugin]
	if text == "" || json.Unmarshal([]byte(text), &n) != nil || n.Version != pluginVersion {
		return PluginNote{}, false
	}
	return n, true
}

// pluginPort is what of a port's settings was otherwise before it was taken over.
type pluginPort struct {
	Protected bool   `json:"protected,omitempty"`
	Request   int64  `json:"ofportRequest,omitempty"`
	LocalIP   string `json:"localIP,omitempty"`
}

func formerPort(p *schema.Port, i *schema.Interface) string {
	text, _ := json.Marshal(pluginPort{Protected: p.Protected, Request: i.OFPortRequest, LocalIP: i.Options["local_ip"]})
	return string(text)
}

// PluginPort reports whether a port is one of the plugin's, by its name and type,
// and the two host IDs and the key in its name.
func PluginPort(p *schema.Port, i *schema.Interface) bool {
	return i != nil && i.Type == "gre" && pluginName(p.Name) && p.Name == i.Name
}

// OfPlugin reports whether the plugin has had a hand in a bridge that is nobody's
// yet: it is set up for a network of CloudStack's, or has tunnels of the plugin's.
func OfPlugin(db *schema.DB, b *schema.Bridge) bool {
	if b.OtherConfig["gre_key"] != "" || b.OtherConfig["is-ovs-tun-network"] != "" {
		return true
	}
	for _, id := range b.Ports {
		if p := db.Ports[id]; p != nil && p.ExternalIDs[schema.KeyOwner] == "" && len(p.Interfaces) == 1 && PluginPort(p, db.Interfaces[p.Interfaces[0]]) {
			return true
		}
	}
	return false
}

// Returns reports whether a port of the owner's is given back to the plugin when
// its host leaves.
func Returns(db *schema.DB, p *schema.Port, owner string) bool {
	if owner == "" || p.ExternalIDs[schema.KeyOwner] != owner || len(p.Interfaces) != 1 {
		return false
	}
	b := db.BridgeOfPort(p.UUID)
	if b == nil {
		return false
	}
	_, noted := PluginBridge(b)
	return p.ExternalIDs[schema.KeyPlugin] != "" || noted && PluginPort(p, db.Interfaces[p.Interfaces[0]])
}

func (d *differ) givesBack(p *schema.Port) bool { return d.returns && Returns(d.db, p, d.owner) }

// giveBack makes a port the plugin's again: its rows are as they were, save for
// their number, which the switch keeps.
func (d *differ) giveBack(g *Group, b *schema.Bridge, p *schema.Port) {
	var was pluginPort
	if text := p.ExternalIDs[schema.KeyPlugin]; text != "" {
		if err := json.Unmarshal([]byte(text), &was); err != nil {
			d.problem(b.Name, "", p.Name, "port %s gets default settings, its former ones are not known: %v", p.Name, err)
		}
	}
	i := d.only(p)
	none := map[string]string{}
	for _, key := range []string{schema.KeyOwner, schema.KeyNetwork, schema.KeyPeer, schema.KeyPlugin, keyAdopted} {
		none[key] = ""
	}
	if d.db.Has("Port", "protected") && p.Protected != was.Protected {
		g.Ops = append(g.Ops, update("Port", byUUID(p.UUID), map[string]any{"protected": was.Protected}))
	}
	g.Ops = append(g.Ops, mutate("Port", byUUID(p.UUID), patch("external_ids", p.ExternalIDs, none)...))
	if d.db.Has("Interface", "ofport_request") && i.OFPortRequest != was.Request {
		request := numberSet(nil)
		if was.Request > 0 {
			request = numberSet([]int64{was.Request})
		}
		g.Ops = append(g.Ops, update("Interface", byUUID(i.UUID), map[string]any{"ofport_request": request}))
	}
	ms := append(patch("external_ids", i.ExternalIDs, none), patch("options", i.Options, map[string]string{"local_ip": was.LocalIP})...)
	if i.BFD[bfdEnable] == "true" {
		ms = append(ms, patch("bfd", i.BFD, map[string]string{bfdEnable: "", bfdMinRx: ""})...)
	}
	if len(ms) > 0 {
		g.Ops = append(g.Ops, mutate("Interface", byUUID(i.UUID), ms...))
	}
	g.Steps = append(g.Steps, fmt.Sprintf("give port %s of bridge %s back to CloudStack's plugin", p.Name, b.Name))
}
