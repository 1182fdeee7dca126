package trace

import (
	"net/netip"

	"ovsmesh/openflow/forward"
)

// World is where frames go. Run asks it for nothing but what is on a frame's
// way, and may ask for the same several times.
type World interface {
	// Host returns a host with all its bridges and their ports. The error says
	// why it can't be looked at.
	Host(name string) (*Host, error)

	// HostAt returns the name of the host whose tunnels start at an address; ""
	// where none is known.
	HostAt(endpoint netip.Addr) string

	// Tables returns what a bridge of a host holds. The error says why it can't
	// be looked at.
	Tables(host, bridge string) (*forward.Bridge, error)
}

// Host is a hypervisor, or a tunnel endpoint that nobody of us programs.
type Host struct {
	Name     string
	Endpoint netip.Addr // where its tunnels start, unless a port says otherwise
	External bool       // not ours: what it does with a frame is not known
	Bridges  []Bridge
}

// Bridge is a bridge with its ports.
type Bridge struct {
	Name     string
	Datapath string // datapath_type; tunnel packets come in on any bridge of the same
	Ports    []Port
}

// Kind is what a port leads to.
type Kind uint8

// The kinds.
const (
	KindOther    Kind = iota // not known
	KindVIF                  // a VM
	KindTunnel               // other hosts
	KindPatch                // another bridge of the host
	KindLocal                // the host itself
	KindPhysical             // a network outside
)

// Port is a port of a bridge.
type Port struct {
	OFPort  uint32 // as OpenFlow 1.3 has it, flow.PortLocal among them
	Name    string // of the Interface
	Kind    Kind
	Network string // of a VIF, or of a tunnel that one network has for itself; "" otherwise
	VIF     string // of a VIF: what people call it
	Peer    string // of a patch port: the name of the other end; of a tunnel: the host that it is for, where only one
	Tunnel  Tunnel
}

// Tunnel is how a tunnel port is configured, ovs-vswitchd.conf.db(5).
type Tunnel struct {
	Type       string     // gre, vxlan, …
	Key        uint64     // 0 with KeyFlow, or where there is none
	KeyFlow    bool       // key=flow: that of the frame's tun_id
	Remote     netip.Addr // invalid with RemoteFlow
	RemoteFlow bool       // remote_ip=flow: the frame's tun_dst
	Local      netip.Addr // invalid: the host's Endpoint, and packets to any address of the host
	LocalFlow  bool       // local_ip=flow
	DstPort    uint16     // UDP; 0 with GRE
}

// Port returns the port of a number; nil if there is none.
func (b *Bridge) Port(ofport uint32) *Port {
	for i := range b.Ports {
		if b.Ports[i].OFPort == ofport {
			return &b.Ports[i]
		}
	}
	return nil
}

// Bridge returns the bridge of a name; nil if there is none.
func (h *Host) Bridge(name string) *Bridge {
	for i := range h.Bridges {
		if h.Bridges[i].Name == name {
			return &h.Bridges[i]
		}
	}
	return nil
}

// PortNamed returns the port of an Interface's name with its bridge; nil if
// there is none.
func (h *Host) PortNamed(name string) (*Bridge, *Port) {
	for i := range h.Bridges {
		b := &h.Bridges[i]
		for j := range b.Ports {
			if b.Ports[j].Name == name {
				return b, &b.Ports[j]
			}
		}
	}
	return nil, nil
}
