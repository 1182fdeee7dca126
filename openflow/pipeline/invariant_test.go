package pipeline_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/pipeline"
)

// check sends frames from every VIF and into every tunnel, and holds what
// arrives against the invariants: isolation, no loop, exactly once, no spoofing.
func (w *world) check(frames []forward.Frame) error {
	for _, f := range frames {
		k := kindOf(f)
		for i := range w.vifs {
			if w.vifs[i].external {
				continue
			}
			if err := w.checkVIF(&w.vifs[i], f, k); err != nil {
				return err
			}
		}
		if err := w.checkTunnels(f, k); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) checkVIF(from *vif, f forward.Frame, k frameKind) error {
	got, err := w.send(from.at, f)
	if err != nil {
		return err
	}
	if want := w.arrivals(from, k); !maps.Equal(got, want) {
		return fmt.Errorf("%s from %v arrives at %v, want %v", f, from.at, got, want)
	}
	return nil
}

// checkTunnels holds that a frame that comes out of a tunnel, even one that no
// peer should send there, goes to VIFs of that network only, and once to each;
// and what has a key or comes from a peer that nobody knows goes nowhere.
func (w *world) checkTunnels(f forward.Frame, k frameKind) error {
	for id, b := range w.bridges {
		for number, t := range b.tunnels {
			for _, network := range append(w.sortedNets(), 0x7777) {
				for _, peer := range []int{1, 2, 3, 77} {
					if t.host != 0 && t.host != peer || t.key != 0 && t.key != keyOf(network) {
						continue
					}
					if err := w.checkTunnel(port{id, number}, network, peer, tunnelled(f, keyOf(network), hostIP(peer), hostIP(id.host)), k); err != nil {
						return err
					}
				}
			}
		}
		r, err := b.forward.Run(b.ports+1, f)
		if err != nil || len(r.Outputs) != 0 {
			return fmt.Errorf("%s from a port of no network goes to %v, %v", f, r.Outputs, err)
		}
	}
	return nil
}

func (w *world) checkTunnel(at port, network uint32, peer int, f forward.Frame, k frameKind) error {
	got, err := w.send(at, f)
	if err != nil {
		return err
	}
	t := w.bridges[at.bridge].tunnels[at.number]
	member := func(host int) bool { return slices.Contains(w.members(network), host) }
	self := peer == at.bridge.host
	if len(got) > 0 && t.kind == "flow" && (self || !member(peer) || w.kind(network, at.bridge.host, peer) != "flow") {
		return fmt.Errorf("%s from stranger %d through %v arrives at %v", f, peer, at, got)
	}
	want := map[arrival]int{}
	if member(at.bridge.host) && member(peer) && !self && w.kind(network, at.bridge.host, peer) == t.kind {
		for i := range w.vifs {
			v := &w.vifs[i]
			if v.network == network && v.host == at.bridge.host && w.comesIn(v, peer, k) {
				want[arrival{v.at, k.dst, k.src}] = 1
			}
		}
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("%s with key %d from host %d through %v arrives at %v, want %v", f, keyOf(network), peer, at, got, want)
	}
	return nil
}

// comesIn reports whether v gets what a tunnel from a peer brings.
func (w *world) comesIn(v *vif, peer int, k frameKind) bool {
	o := w.nets[v.network]
	if k.group && !o.dropBroadcast {
		return true
	}
	if k.group {
		from := vif{}
		for _, u := range w.vifs {
			if u.host == peer && u.network == v.network {
				from.dhcp, from.router = from.dhcp || u.dhcp, from.router || u.router
			}
		}
		return carried(w, &from, v, k)
	}
	has := func(u vif) bool { return slices.Contains(u.macs, k.dst) }
	here := slices.ContainsFunc(w.vifs, func(u vif) bool { return u.host == v.host && u.network == v.network && has(u) })
	anywhere := slices.ContainsFunc(w.vifs, func(u vif) bool { return u.network == v.network && has(u) })
	holds := slices.ContainsFunc(v.allowed, func(a pipeline.Pair) bool { return a.MAC == k.dst })
	holder := w.holder(v.host, v.network, k.dst)
	switch {
	case here || anywhere && holder:
		return has(*v) || holds
	case o.dropUnknown:
		return !anywhere && holder
	}
	return true
}

// TestInvariants checks meshes of up to four hosts and three networks of every
// option, whose VIFs have the same few addresses: of two VIFs on a host, on two
// hosts while one migrates, or none that are known.
func TestInvariants(t *testing.T) {
	all := frames()
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.Custom(anyWorld).Draw(t, "world")
		if err := w.build(); err != nil {
			t.Fatal(err)
		}
		// Of the many frames each mesh gets some, all L2 ones among them.
		some := slices.Clone(all[:l2Frames])
		for i := rapid.IntRange(0, 12).Draw(t, "first"); i < len(all); i += 13 {
			some = append(some, all[i])
		}
		if err := w.check(some); err != nil {
			t.Fatal(err)
		}
	})
}

func anyWorld(t *rapid.T) *world {
	w := &world{shared: rapid.Bool().Draw(t, "shared"), nets: map[uint32]options{}}
	hosts := rapid.IntRange(1, 4).Draw(t, "hosts")
	networks := rapid.SampledFrom([][]uint32{{1}, {7, 8}, {1, 0x10002, 0xffffffff}}).Draw(t, "networks")
	for _, id := range networks {
		w.nets[id] = anyOptions(t)
	}
	for range rapid.IntRange(0, 9).Draw(t, "vifs") {
		w.vifs = append(w.vifs, anyVIF(t, hosts, networks))
	}
	if rapid.IntRange(0, 3).Draw(t, "external") == 0 {
		w.vifs = append(w.vifs, vif{host: 9, network: networks[0], macs: [][6]byte{mac(rapid.ByteRange(1, 4).Draw(t, "mac"))},
			external: true, dhcp: rapid.Bool().Draw(t, "dhcp")})
	}
	return w
}

func anyOptions(t *rapid.T) options {
	flag := rapid.Bool()
	return options{flag.Draw(t, "secure"), flag.Draw(t, "dropBroadcast"), flag.Draw(t, "dropUnknown"), flag.Draw(t, "answers"),
		rapid.SampledFrom([]string{"own", "shared", "flow"}).Draw(t, "tunnels")}
}

func anyVIF(t *rapid.T, hosts int, networks []uint32) vif {
	v := vif{
		host:    rapid.IntRange(1, hosts).Draw(t, "host"),
		network: rapid.SampledFrom(networks).Draw(t, "network"),
		dhcp:    rapid.IntRange(0, 3).Draw(t, "dhcp") == 0,
		router:  rapid.IntRange(0, 3).Draw(t, "router") == 0,
	}
	for range rapid.IntRange(0, 2).Draw(t, "macs") {
		v.macs = append(v.macs, mac(rapid.ByteRange(1, 4).Draw(t, "mac")))
	}
	for range rapid.IntRange(0, 2).Draw(t, "ips") {
		n := rapid.ByteRange(1, 4).Draw(t, "ip")
		v.ips = append(v.ips, rapid.SampledFrom([]netip.Addr{ip4(n), ip6(n), local6(n)}).Draw(t, "address"))
	}
	switch rapid.IntRange(0, 7).Draw(t, "allowed") {
	case 0:
		v.allowed = []pipeline.Pair{{MAC: virtual, IP: virtualIP}}
	case 1:
		v.allowed = []pipeline.Pair{{IP: virtualIP}}
	case 2:
		v.allowed = []pipeline.Pair{{MAC: mac(2), IP: ip4(2)}}
	}
	return v
}
