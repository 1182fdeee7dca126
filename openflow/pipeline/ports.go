package pipeline

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"ovsmesh/openflow/flow"
)

// maxPort is the highest port number that is not reserved, OpenFlow 1.3.5
// §A.2.1.
const maxPort = 0xffffff00

// ports are a network's ports, sorted; local and remote say by address where it
// is.
type ports struct {
	vifs    []uint32
	tunnels []way  // all
	sending []way  // those that frames are sent to
	local   []spot // at a port
	remote  []spot // at a place in tunnels

	stations stations
}

// way is a tunnel with what flows match and do of it: most are in several.
type way struct {
	Tunnel
	in, from flow.OXM    // its port, and its peer where that tells it from others
	out, to  flow.Action // likewise
}

// spot is a place where an address is.
type spot struct {
	mac [6]byte
	at  uint32
}

func (s spot) compare(o spot) int {
	return cmp.Or(bytes.Compare(s.mac[:], o.mac[:]), cmp.Compare(s.at, o.at))
}

// where returns all spots of an address in a sorted list.
func where(list []spot, mac [6]byte) []spot {
	from, found := slices.BinarySearchFunc(list, spot{mac: mac}, spot.compare)
	if !found && (from == len(list) || list[from].mac != mac) {
		return nil
	}
	return list[from : from+sameMAC(list[from:])]
}

// byMAC goes through a sorted list by address.
func byMAC(list []spot) iter.Seq[[]spot] {
	return func(yield func([]spot) bool) {
		for len(list) > 0 {
			n := sameMAC(list)
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// sameMAC returns how many of the first spots are of one address.
func sameMAC(list []spot) int {
	n := 1
	for n < len(list) && list[n].mac == list[0].mac {
		n++
	}
	return n
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
	p := &ports{vifs: make([]uint32, 0, len(n.VIFs))}
	for i := range n.VIFs {
		v := &n.VIFs[i]
		if err := usable(v.OFPort); err != nil {
			return nil, err
		}
		p.vifs = append(p.vifs, v.OFPort)
		for _, mac := range v.MACs {
			if err := individual(mac); err != nil {
				return nil, fmt.Errorf("ofport %d: %w", v.OFPort, err)
			}
			p.local = append(p.local, spot{mac, v.OFPort})
		}
		for _, a := range v.Allowed {
			if err := individual(a.MAC); err != nil {
				return nil, fmt.Errorf("ofport %d: allowed address %w", v.OFPort, err)
			}
		}
	}
	slices.Sort(p.vifs)
	for i, port := range p.vifs {
		if i > 0 && p.vifs[i-1] == port {
			return nil, fmt.Errorf("ofport %d twice", port)
		}
	}
	places, err := p.takeTunnels(n.Tunnels)
	if err != nil {
		return nil, err
	}
	p.remote = make([]spot, 0, len(n.Remotes))
	for i := range n.Remotes {
		r := &n.Remotes[i]
		if err := individual(r.MAC); err != nil {
			return nil, fmt.Errorf("remote %w", err)
		}
		for _, at := range r.Via {
			if at < 0 || at >= len(n.Tunnels) {
				return nil, fmt.Errorf("remote %s behind tunnel %d of %d", macText(r.MAC), at, len(n.Tunnels))
			}
			if !n.Tunnels[at].ReceiveOnly {
				p.remote = append(p.remote, spot{r.MAC, places[at]})
			}
		}
	}
	p.local, p.remote = sortSpots(p.local), sortSpots(p.remote)
	p.share(n.VIFs)
	return p, p.fit()
}

func sortSpots(list []spot) []spot {
	if !slices.IsSortedFunc(list, spot.compare) {
		slices.SortFunc(list, spot.compare)
	}
	return slices.Compact(list)
}

// takeTunnels takes a network's tunnels, and returns where each has come to be.
// A port may be that of several, if what arrives tells them apart.
func (p *ports) takeTunnels(list []Tunnel) ([]uint32, error) {
	p.tunnels = make([]way, len(list))
	order := make([]uint32, len(list))
	for i, t := range list {
		t.Remote = plain(t.Remote)
		if err := usable(t.OFPort); err != nil {
			return nil, err
		}
		if _, vif := slices.BinarySearch(p.vifs, t.OFPort); vif {
			return nil, fmt.Errorf("ofport %d twice", t.OFPort)
		}
		p.tunnels[i].Tunnel = t
		order[i] = uint32(i)
	}
	if err := p.apart(order); err != nil {
		return nil, err
	}
	slices.SortFunc(order, func(a, b uint32) int { return compareTunnels(&p.tunnels[a].Tunnel, &p.tunnels[b].Tunnel) })
	sorted, places, all := make([]way, len(order)), make([]uint32, len(order)), true
	for i, from := range order {
		sorted[i].Tunnel = p.tunnels[from].Tunnel
		places[from] = uint32(i)
		all = all && !sorted[i].ReceiveOnly
	}
	for i := range sorted {
		if i > 0 && sorted[i-1].OFPort == sorted[i].OFPort {
			sorted[i].in, sorted[i].out = sorted[i-1].in, sorted[i-1].out
		}
		sorted[i].prepare()
	}
	p.tunnels, p.sending = sorted, sorted
	if !all {
		p.sending = through(sorted, func(t *Tunnel) bool { return !t.ReceiveOnly })
	}
	return places, nil
}

// prepare makes what is not there yet of what flows match and do.
func (w *way) prepare() {
	if w.out == nil {
		w.in, w.out = flow.MatchInPort(w.OFPort), flow.Output{Port: w.OFPort}
	}
	if w.Remote.IsValid() {
		w.from = matchHost(byFamily(w.Remote, flow.TunSrc, flow.TunIPv6Src), w.Remote)
		w.to = flow.SetField{OXM: flow.Exact(byFamily(w.Remote, flow.TunDst, flow.TunIPv6Dst), w.from.Value)}
	}
}

// apart reports, as an error, tunnels that nothing tells apart in what arrives.
// It sorts order, the tunnels' places, by port.
func (p *ports) apart(order []uint32) error {
	at := func(i int) *Tunnel { return &p.tunnels[order[i]].Tunnel }
	slices.SortFunc(order, func(a, b uint32) int {
		s, t := &p.tunnels[a].Tunnel, &p.tunnels[b].Tunnel
		return cmp.Or(cmp.Compare(s.OFPort, t.OFPort), cmp.Compare(s.Key, t.Key), s.Remote.Compare(t.Remote))
	})
	own, wide := 0, 0 // the first of a port, and of its key: what matches least comes first
	for i := 1; i < len(order); i++ {
		t := at(i)
		if at(own).OFPort != t.OFPort {
			own, wide = i, i
			continue
		}
		if at(wide).Key != t.Key {
			wide = i
		}
		first, last := at(wide), at(i-1)
		switch {
		case t.Key == 0 && !t.Remote.IsValid():
			return fmt.Errorf("ofport %d twice", t.OFPort)
		case wide < i && last.Remote == t.Remote:
			return fmt.Errorf("ofport %d twice with key %d and peer %s", t.OFPort, t.Key, t.Remote)
		case wide < i && !first.Remote.IsValid():
			return fmt.Errorf("ofport %d with key %d is for one peer, and for %s", t.OFPort, t.Key, t.Remote)
		case t.Key != 0 && at(own).Key == 0 && !at(own).Remote.IsValid():
			return fmt.Errorf("ofport %d is the network's own, and has key %d", t.OFPort, t.Key)
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
	var claims []spot
	for i := range vifs {
		for _, a := range vifs[i].Allowed {
			if a.MAC != [6]byte{} && p.has(a.MAC) {
				claims = append(claims, spot{a.MAC, vifs[i].OFPort})
			}
		}
	}
	if len(claims) > 0 {
		p.local = sortSpots(append(p.local, claims...))
	}
}

// has reports whether it is known where an address is.
func (p *ports) has(mac [6]byte) bool {
	return len(where(p.local, mac)) > 0 || len(where(p.remote, mac)) > 0
}

// compareTunnels puts those first for which less is set in a frame, so that
// nothing has to be unset: own ports, shared ones, then by peer, IPv6 before
// IPv4, which counts where both are set.
func compareTunnels(a, b *Tunnel) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Key, b.Key),
		cmp.Compare(a.OFPort, b.OFPort), a.Remote.Compare(b.Remote))
}

func (t *Tunnel) rank() int {
	switch {
	case !t.Remote.IsValid():
		return 0
	case t.Remote.Is6():
		return 1
	}
	return 2
}

// macs returns all addresses of the network, sorted.
func (p *ports) macs() [][6]byte {
	list := make([][6]byte, 0, len(p.local)+len(p.remote))
	for _, s := range p.local {
		list = append(list, s.mac)
	}
	for _, s := range p.remote {
		list = append(list, s.mac)
	}
	sortMACs(list)
	return slices.Compact(list)
}

func sortMACs(list [][6]byte) {
	slices.SortFunc(list, func(a, b [6]byte) int { return bytes.Compare(a[:], b[:]) })
}

func sorted(ports []uint32) []uint32 {
	ports = slices.Clone(ports)
	slices.Sort(ports)
	return ports
}
