package pipeline_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var (
	broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	nobody    = mac(99) // an address that no VIF has
)

// frames are all that may make a difference: every source with every
// destination of a few, IPv4 multicast and IPv6 among them.
func frames() []frame {
	var list []frame
	for _, src := range [][6]byte{mac(1), mac(2), mac(3), mac(4), nobody, {3}, broadcast} {
		for _, dst := range [][6]byte{mac(1), mac(2), mac(3), mac(4), nobody, broadcast} {
			list = append(list, frame{src: src, dst: dst, etherType: 0x0806})
		}
		list = append(list,
			frame{src: src, dst: [6]byte{0x01, 0x00, 0x5e, 0, 0, 1}, etherType: 0x0800, nwDst: [4]byte{224, 0, 0, 1}},
			frame{src: src, dst: mac(1), etherType: 0x0800, nwDst: [4]byte{224, 0, 0, 1}},
			frame{src: src, dst: [6]byte{0x33, 0x33, 0, 0, 0, 1}, etherType: 0x86dd})
	}
	return list
}

// check sends every frame from every VIF and into every tunnel, and holds what
// arrives against the invariants: isolation, no loop, exactly once, no spoofing.
func (w *world) check() error {
	for _, f := range frames() {
		for i := range w.vifs {
			from := &w.vifs[i]
			got, err := w.send(from.at, f)
			if err != nil {
				return err
			}
			if want := w.arrivals(from, f); !maps.Equal(got, want) {
				return fmt.Errorf("%s from %v arrives at %v, want %v", f, from.at, got, want)
			}
		}
		if err := w.checkTunnels(f); err != nil {
			return err
		}
	}
	return nil
}

// checkTunnels holds that a frame that comes out of a tunnel, even one that no
// peer should send there, goes to VIFs of that network only, and once to each.
func (w *world) checkTunnels(f frame) error {
	for id, b := range w.bridges {
		for number := range b.peers {
			got, err := w.send(port{id, number}, f)
			if err != nil {
				return err
			}
			for at, n := range got {
				if n != 1 {
					return fmt.Errorf("%s from tunnel %d of %v arrives %d times at %v", f, number, id, n, at)
				}
			}
		}
		got, err := b.table.run(uint32(len(b.nets)+1), f)
		if err != nil || len(got) != 0 {
			return fmt.Errorf("%s from a port of no network goes to %v, %v", f, got, err)
		}
	}
	return nil
}

// arrivals says by the definition where a frame has to arrive.
func (w *world) arrivals(from *vif, f frame) map[port]int {
	arrived := map[port]int{}
	if f.src[0]&1 != 0 {
		return arrived
	}
	if w.secure[from.network] && len(from.macs) > 0 && !slices.Contains(from.macs, f.src) {
		return arrived
	}
	if w.secure[from.network] && len(from.macs) == 0 && slices.ContainsFunc(w.vifs, func(v vif) bool {
		return v.network == from.network && slices.Contains(v.macs, f.src)
	}) {
		return arrived // somebody else's
	}
	known := func(v *vif) bool { return v.network == from.network && slices.Contains(v.macs, f.dst) }
	flood := !slices.ContainsFunc(w.vifs, func(v vif) bool { return known(&v) })
	for i := range w.vifs {
		v := &w.vifs[i]
		if v.at != from.at && v.network == from.network && (flood || known(v)) {
			arrived[v.at] = 1
		}
	}
	return arrived
}

// TestInvariants checks meshes of up to four hosts and three networks, whose
// VIFs have the same few addresses: of two VIFs on a host, on two hosts while
// one migrates, or none that are known.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{shared: rapid.Bool().Draw(t, "shared"), secure: map[uint32]bool{}}
		hosts := rapid.IntRange(1, 4).Draw(t, "hosts")
		networks := rapid.SampledFrom([][]uint32{{1}, {7, 8}, {1, 0x10001, 0xffffffff}}).Draw(t, "networks")
		for _, id := range networks {
			w.secure[id] = rapid.Bool().Draw(t, "secure")
		}
		for range rapid.IntRange(0, 9).Draw(t, "vifs") {
			v := vif{
				host:    rapid.IntRange(1, hosts).Draw(t, "host"),
				network: rapid.SampledFrom(networks).Draw(t, "network"),
			}
			for range rapid.IntRange(0, 2).Draw(t, "macs") {
				v.macs = append(v.macs, mac(rapid.ByteRange(1, 4).Draw(t, "mac")))
			}
			w.vifs = append(w.vifs, v)
		}
		if err := w.build(); err != nil {
			t.Fatal(err)
		}
		if err := w.check(); err != nil {
			t.Fatal(err)
		}
	})
}
