package pipeline

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
)

// maxPort is the highest port number that is not reserved, OpenFlow 1.3.5
// §A.2.1.
const maxPort = 0xffffff00

// maxOutputs is how many ports one flow can send to: an output takes 16 bytes,
// and the flow-mod with match, headers and the bundle's own has to stay below
// 65,536.
const maxOutputs = 4000

// Network is one network as one bridge carries it.
type Network struct {
	ID            uint32 // 1 or more
	PortSecurity  bool   // VIFs of known addresses may use those only
	DropBroadcast bool   // tunnels carry no broadcast and multicast but DHCP and router discovery
	DropUnknown   bool   // unicast to unknown addresses is dropped
	VIFs          []VIF
	Tunnels       []Tunnel
	Remotes       []Remote
	Stations      []Station // whose IP addresses are known, on this host and others; each IP once
}

// VIF is a VM's port. Two of them may have the same MAC: both get its frames.
type VIF struct {
	OFPort     uint32
	MACs       [][6]byte    // none: not known, so not secured and reached by flooding
	IPs        []netip.Addr // none: not known
	Allowed    []Pair       // further addresses that it may use
	DHCPServer bool         // gets DHCP requests from tunnels where broadcast is dropped
	Router     bool         // likewise router solicitations; forwards others' packets
}

// Pair is an address that a VIF may use beside its own.
type Pair struct {
	MAC [6]byte // zero: its own MACs
	IP  netip.Addr
}

// Tunnel is the way to one other host of the network's mesh.
type Tunnel struct {
	OFPort uint32
	Key    uint64     // tun_id, of a port that several networks share; 0: the port is the network's own
	Remote netip.Addr // tun_src and tun_dst, of a port that several peers share; invalid: the port leads to one

	DHCPServer bool // a DHCP server is behind it
	Router     bool // a router is behind it

	// ReceiveOnly takes what arrives and sends nothing: the port is about to
	// go, or its peer is reached by another one.
	ReceiveOnly bool
}

// Remote is an address on other hosts.
type Remote struct {
	MAC [6]byte
	Via []int // indexes of Tunnels: those behind which the MAC is
}

// Station is an address of the network with the MAC that has it.
type Station struct {
	IP  netip.Addr
	MAC [6]byte
}

// ports are a network's ports, sorted; local and remote say by address where it
// is.
type ports struct {
	vifs    []uint32
	tunnels []uint32
	local   map[[6]byte][]uint32
	remote  map[[6]byte][]uint32
}

// check looks at everything that would make wrong flows of n, and returns its
// ports in order.
func (n *Network) check() (*ports, error) {
	if n.ID == 0 {
		return nil, fmt.Errorf("network ID 0")
	}
	p := &ports{local: map[[6]byte][]uint32{}, remote: map[[6]byte][]uint32{}}
	seen := make(map[uint32]bool, len(n.VIFs)+len(n.Tunnels))
	take := func(list *[]uint32, port uint32) error {
		switch {
		case port == 0 || port > maxPort:
			return fmt.Errorf("network %d: ofport %d is not that of a port", n.ID, port)
		case seen[port]:
			return fmt.Errorf("network %d: ofport %d twice", n.ID, port)
		}
		seen[port] = true
		*list = append(*list, port)
		return nil
	}
	for _, v := range n.VIFs {
		if err := take(&p.vifs, v.OFPort); err != nil {
			return nil, err
		}
		for _, mac := range v.MACs {
			if mac[0]&1 != 0 {
				return nil, fmt.Errorf("network %d: ofport %d: %s is a group address", n.ID, v.OFPort, macText(mac))
			}
			p.local[mac] = append(p.local[mac], v.OFPort)
		}
	}
	for _, t := range n.Tunnels {
		if err := take(&p.tunnels, t.OFPort); err != nil {
			return nil, err
		}
	}
	for _, r := range n.Remotes {
		if r.MAC[0]&1 != 0 {
			return nil, fmt.Errorf("network %d: remote %s is a group address", n.ID, macText(r.MAC))
		}
		for _, at := range r.Via {
			if at < 0 || at >= len(n.Tunnels) {
				return nil, fmt.Errorf("network %d: remote %s behind tunnel %d of %d", n.ID, macText(r.MAC), at, len(n.Tunnels))
			}
			p.remote[r.MAC] = append(p.remote[r.MAC], n.Tunnels[at].OFPort)
		}
	}
	if all := len(p.vifs) + len(p.tunnels); all > maxOutputs {
		return nil, fmt.Errorf("network %d: %d ports on one bridge, but a flow can send to %d at most", n.ID, all, maxOutputs)
	}
	p.sort()
	return p, nil
}

func macText(mac [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
}

func (p *ports) sort() {
	slices.Sort(p.vifs)
	slices.Sort(p.tunnels)
	for _, m := range []map[[6]byte][]uint32{p.local, p.remote} {
		for mac, list := range m {
			slices.Sort(list)
			m[mac] = slices.Compact(list)
		}
	}
}

// macs returns all addresses of the network, sorted.
func (p *ports) macs() [][6]byte {
	list := make([][6]byte, 0, len(p.local)+len(p.remote))
	for mac := range p.local {
		list = append(list, mac)
	}
	for mac := range p.remote {
		if _, too := p.local[mac]; !too {
			list = append(list, mac)
		}
	}
	slices.SortFunc(list, func(a, b [6]byte) int { return bytes.Compare(a[:], b[:]) })
	return list
}
