package audit

import (
	"fmt"
	"strings"
)

// Tunnel is a tunnel port, wanted or found.
type Tunnel struct {
	Name     string
	Type     string // gre, vxlan
	Bridge   string
	Network  string
	Peer     string // the host at the other end
	Key      string // a number, or flow where each packet has its own
	RemoteIP string // an address, or flow
	LocalIP  string // empty: chosen by routing
	DstPort  uint16 // 0: the usual one
	BFD      bool
	Fenced   bool   // kept out of NORMAL by its VLANs
	OFPort   int64  // found: -1 where the switch could not make it; wanted: 0, any
	Error    string // found: what the switch says against it
}

// String returns the tunnel in the syntax of ovs-vsctl.
func (t Tunnel) String() string {
	s := fmt.Sprintf("%s %s type=%s options:key=%s options:remote_ip=%s", t.Bridge, t.Name, t.Type, t.Key, t.RemoteIP)
	if t.LocalIP != "" {
		s += " options:local_ip=" + t.LocalIP
	}
	if t.DstPort != 0 {
		s += fmt.Sprintf(" options:dst_port=%d", t.DstPort)
	}
	if t.BFD {
		s += " bfd:enable=true"
	}
	if t.Fenced {
		s += " trunks=4095"
	}
	return s
}

// lost says what follows from the loss of t on a host.
func (t Tunnel) lost(host string) string {
	if t.Peer == "" {
		return fmt.Sprintf("nothing goes through %s of %s", t.Name, host)
	}
	return fmt.Sprintf("VMs on %s can't be reached from %s", t.Peer, host)
}

// Tunnels compares a host's tunnel ports by name. Of got, those that are not
// ours must have been left out. The findings are sorted.
func Tunnels(host string, want, got []Tunnel) []Finding {
	there := make(map[string]Tunnel, len(got))
	for _, g := range got {
		there[g.Name] = g
	}
	var out []Finding
	add := func(t Tunnel, kind, want, got, effect string) {
		out = append(out, Finding{Host: host, Bridge: t.Bridge, Network: t.Network, Kind: kind,
			Want: want, Got: got, Effect: effect})
	}
	for _, w := range want {
		g, ok := there[w.Name]
		delete(there, w.Name)
		lost := w.lost(host)
		switch {
		case !ok:
			add(w, MissingTunnel, w.String(), "", lost)
		case w.String() != g.String():
			add(w, ChangedTunnel, w.String(), g.String(), lost)
		case g.Error != "" || g.OFPort < 0:
			text := g.Error
			if text == "" {
				text = "the switch could not make the port"
			}
			add(w, TunnelError, w.String(), text, lost)
		case w.OFPort != 0 && w.OFPort != g.OFPort:
			add(w, ChangedTunnel, fmt.Sprintf("%s ofport=%d", w, w.OFPort), fmt.Sprintf("%s ofport=%d", g, g.OFPort), lost)
		}
	}
	for _, g := range there {
		add(g, UnexpectedTunnel, "", g.String(), "a way to a host that is not in the network, for any flow that sends there")
	}
	Sort(out)
	return out
}

// Settings compares a bridge's settings, keyed as ovs-vsctl names columns and
// keys. What want does not name is not looked at. The findings are sorted.
func Settings(host, bridge string, want, got map[string]string) []Finding {
	var out []Finding
	for k, w := range want {
		if g := got[k]; g != w {
			out = append(out, Finding{Host: host, Bridge: bridge, Kind: WrongBridgeSetting,
				Want: k + "=" + w, Got: k + "=" + g, Effect: settingEffect(k, bridge)})
		}
	}
	Sort(out)
	return out
}

func settingEffect(key, bridge string) string {
	switch key {
	case "fail_mode":
		return bridge + " forwards by itself while the controller is away, and loops"
	case "controller":
		return bridge + " does not listen to this controller"
	case "protocols":
		return bridge + " may not speak OpenFlow 1.3 with the controller"
	case "other_config:datapath-id":
		return bridge + " may get another datapath ID, by which the controller does not know it"
	case "other_config:disable-in-band", "connection_mode":
		return "a forged ARP request may run round the mesh of " + bridge
	case "stp_enable", "rstp_enable":
		return "spanning tree may block tunnels of " + bridge
	case "bridge":
		return "networks of " + bridge + " have no tunnels and no flows here"
	case "external_ids:ovsmesh-owner":
		return "this controller does not know " + bridge + " for its own"
	case "external_ids:ovsmesh-saved":
		return "what " + bridge + " was like before is not known when it is given back"
	}
	if port, ok := strings.CutPrefix(key, "VLANs of port "); ok {
		return "frames may get from the host's own network on " + bridge + " to " + port + " and back"
	}
	return bridge + " may not behave as planned"
}

// UnreachableHostFinding says that a host could not be looked at, and why.
func UnreachableHostFinding(host, reason string) Finding {
	return Finding{Host: host, Kind: UnreachableHost, Got: reason,
		Effect: "what " + host + " holds is not known"}
}
