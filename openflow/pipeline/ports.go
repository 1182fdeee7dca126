package pipeline

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// maxPort is the highest port number that is not reserved, OpenFlow 1.3.5
// §A.2.1.
const maxPort = 0xffffff00

// ports are a network's ports, sorted; local and remote say by address where it
// is.
type ports struct {
	vifs    []uint32
	tunnels []Tunnel // all
	sending []Tunnel // those that frames are sent to
	local   map[[6]byte][]uint32
	remote  map[[6]byte][]Tunnel

	stations stations
}

// check looks at everything that would make wrong flows of n, and returns its
// ports in order.
func (n *Network) check() (*ports, error) {
	if n.ID == 0 {
		return nil, fmt.Errorf("network ID 0")
	}
	p, err := n.ports()
	if err == nil {
		p.stations, err = n.stations()
	}
	if err == nil && n.Learning {
		err = n.checkLearning()
	}
	if err != nil {
		return nil, fmt.Errorf("network %d: %w", n.ID, err)
	}
	return p, nil
}

func (n *Network) ports() (*ports, error) {
	p := &ports{local: make(map[[6]byte][]uint32, len(n.VIFs)), remote: make(map[[6]byte][]Tunnel, len(n.Remotes))}
	seen := make(map[uint32]bool, len(n.VIFs))
	for _, v := range n.VIFs {
		if err := usable(v.OFPort); err != nil {
			return nil, err
		}
		if seen[v.OFPort] {
			return nil, fmt.Errorf("ofport %d twice", v.OFPort)
		}
		seen[v.OFPort] = true
		p.vifs = append(p.vifs, v.OFPort)
		for _, mac := range v.MACs {
			if err := individual(mac); err != nil {
				return nil, fmt.Errorf("ofport %d: %w", v.OFPort, err)
			}
			p.local[mac] = append(p.local[mac], v.OFPort)
		}
		for _, a := range v.Allowed {
			if err := individual(a.MAC); err != nil {
				return nil, fmt.Errorf("ofport %d: allowed address %w", v.OFPort, err)
			}
		}
	}
	if err := n.takeTunnels(p, seen); err != nil {
		return nil, err
	}
	single := make([]Tunnel, 0, len(n.Remotes)) // most are behind one tunnel
	for _, r := range n.Remotes {
		if err := individual(r.MAC); err != nil {
			return nil, fmt.Errorf("remote %w", err)
		}
		for _, at := range r.Via {
			if at < 0 || at >= len(n.Tunnels) {
				return nil, fmt.Errorf("remote %s behind tunnel %d of %d", macText(r.MAC), at, len(n.Tunnels))
			}
			t := n.Tunnels[at].canonical()
			switch {
			case t.ReceiveOnly:
			case len(r.Via) == 1 && p.remote[r.MAC] == nil:
				single = append(single, t)
				p.remote[r.MAC] = single[len(single)-1 : len(single) : len(single)]
			default:
				p.remote[r.MAC] = append(p.remote[r.MAC], t)
			}
		}
	}
	p.share(n.VIFs)
	p.sort()
	return p, p.fit()
}

// takeTunnels takes n's tunnels. A port may be that of several, if what arrives
// tells them apart.
func (n *Network) takeTunnels(p *ports, vifs map[uint32]bool) error {
	type way struct {
		port   uint32
		key    uint64
		remote netip.Addr
	}
	seen := make(map[way]bool, len(n.Tunnels))
	for _, t := range n.Tunnels {
		t = t.canonical()
		if err := usable(t.OFPort); err != nil {
			return err
		}
		all, one := way{t.OFPort, t.Key, netip.Addr{}}, way{t.OFPort, t.Key, t.Remote}
		switch {
		case vifs[t.OFPort], seen[one] && t.Key == 0 && !t.Remote.IsValid():
			return fmt.Errorf("ofport %d twice", t.OFPort)
		case seen[one]:
			return fmt.Errorf("ofport %d twice with key %d and peer %s", t.OFPort, t.Key, t.Remote)
		case t.Remote.IsValid() && seen[all]:
			return fmt.Errorf("ofport %d with key %d is for one peer, and for %s", t.OFPort, t.Key, t.Remote)
		}
		seen[one] = true
		p.tunnels = append(p.tunnels, t)
		if !t.ReceiveOnly {
			p.sending = append(p.sending, t)
		}
	}
	for _, t := range p.tunnels {
		if t.Key != 0 && seen[way{t.OFPort, 0, netip.Addr{}}] {
			return fmt.Errorf("ofport %d is the network's own, and has key %d", t.OFPort, t.Key)
		}
		if t.Remote.IsValid() && seen[way{t.OFPort, t.Key, netip.Addr{}}] {
			return fmt.Errorf("ofport %d with key %d is for one peer, and for %s", t.OFPort, t.Key, t.Remote)
		}
	}
	return nil
}

func (n *Network) stations() (stations, error) {
	known := stations{make(map[netip.Addr][6]byte, len(n.Stations)), make(map[[6]byte][]netip.Addr, len(n.Stations))}
	for _, s := range n.Stations {
		ip := plain(s.IP)
		switch _, twice := known.byIP[ip]; {
		case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast():
			return known, fmt.Errorf("station %s is nobody's address", s.IP)
		case twice:
			return known, fmt.Errorf("station %s twice", ip)
		}
		if err := individual(s.MAC); err != nil {
			return known, fmt.Errorf("station %s: %w", ip, err)
		}
		known.byIP[ip] = s.MAC
		known.byMAC[s.MAC] = append(known.byMAC[s.MAC], ip)
	}
	return known, nil
}

func usable(port uint32) error {
	if port == 0 || port > maxPort {
		return fmt.Errorf("ofport %d is not that of a port", port)
	}
	return nil
}

func individual(mac [6]byte) error {
	if mac[0]&1 != 0 {
		return fmt.Errorf("%s is a group address", macText(mac))
	}
	return nil
}

func macText(mac [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
}

// share makes a VIF get the frames to an address that it may use beside its
// own, if that is known of somebody: one of them has it now, and nobody here
// knows which. An address of which nobody is known to be the owner is flooded.
func (p *ports) share(vifs []VIF) {
	type claim struct {
		mac  [6]byte
		port uint32
	}
	var claims []claim
	for _, v := range vifs {
		for _, a := range v.Allowed {
			if a.MAC != [6]byte{} && (len(p.local[a.MAC]) > 0 || len(p.remote[a.MAC]) > 0) {
				claims = append(claims, claim{a.MAC, v.OFPort})
			}
		}
	}
	for _, c := range claims {
		p.local[c.mac] = append(p.local[c.mac], c.port)
	}
}

func (p *ports) sort() {
	slices.Sort(p.vifs)
	slices.SortFunc(p.tunnels, compareTunnels)
	slices.SortFunc(p.sending, compareTunnels)
	for mac, list := range p.local {
		slices.Sort(list)
		p.local[mac] = slices.Compact(list)
	}
	for mac, list := range p.remote {
		slices.SortFunc(list, compareTunnels)
		p.remote[mac] = slices.CompactFunc(list, func(a, b Tunnel) bool { return compareTunnels(a, b) == 0 })
	}
}

// compareTunnels puts those first for which less is set in a frame, so that
// nothing has to be unset: own ports, shared ones, then by peer, IPv6 before
// IPv4, which counts where both are set.
func compareTunnels(a, b Tunnel) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Key, b.Key),
		cmp.Compare(a.OFPort, b.OFPort), a.Remote.Compare(b.Remote))
}

func (t Tunnel) rank() int {
	switch {
	case !t.Remote.IsValid():
		return 0
	case t.Remote.Is6():
		return 1
	}
	return 2
}

func (t Tunnel) canonical() Tunnel {
	t.Remote = plain(t.Remote)
	return t
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
	sortMACs(list)
	return list
}

func sortMACs(list [][6]byte) {
	slices.SortFunc(list, func(a, b [6]byte) int { return bytes.Compare(a[:], b[:]) })
}

func sorted(ports []uint32) []uint32 {
	ports = slices.Clone(ports)
	slices.Sort(ports)
	return ports
}
