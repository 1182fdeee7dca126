package verify_test

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ovsmesh/openflow/verify"
)

func virtual() [6]byte      { return [6]byte{0x00, 0x00, 0x5e, 0, 1, 1} } // VRRP's, RFC 5798 §7.3
func virtualIP() netip.Addr { return netip.MustParseAddr("10.0.0.100") }

// Whatever the hosts, networks, VMs and options, nothing is wrong with what the
// compiler makes of them.
func TestCheckHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.Custom(anyCloud).Draw(t, "cloud")
		c.holds(t)
	})
}

// VMs move, and until the old host lets go of one it is on both.
func TestCheckHoldsWhileVMsMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.Custom(anyCloud).Draw(t, "cloud")
		c.vms = append(c.vms, vm{host: 1, macs: [][6]byte{mac(1)}, ips: []netip.Addr{ip4(1)}})
		for range rapid.IntRange(1, 2).Draw(t, "moves") {
			at := rapid.IntRange(0, len(c.vms)-1).Draw(t, "vm")
			if c.vms[at].external {
				continue
			}
			there := c.vms[at]
			there.host = rapid.IntRange(1, 4).Draw(t, "to")
			c.vms = append(c.vms, there)
			c.holds(t)
			c.vms = slices.Delete(c.vms, at, at+1)
			c.holds(t)
		}
	})
}

// holds builds the cloud and demands that nothing is wrong with it.
func (c *cloud) holds(t *rapid.T) {
	if err := c.build(); err != nil {
		t.Fatal(err)
	}
	violations, unseen := c.check()
	if len(violations)+len(unseen) > 0 {
		t.Fatalf("%+v\n%+v", violations, unseen)
	}
	for at, b := range c.bridges {
		for _, n := range c.nets {
			if _, on := b.flows[n.id]; on {
				if got := c.gated(at, n); len(got) > 0 {
					t.Fatalf("%v: %v", at, got)
				}
			}
		}
	}
}

func anyCloud(t *rapid.T) *cloud {
	c := &cloud{shared: rapid.Bool().Draw(t, "shared")}
	hosts := rapid.IntRange(1, 4).Draw(t, "hosts")
	for _, id := range rapid.SampledFrom([][]uint32{{1}, {7, 8}, {1, 0x10002, 0xffffffff}}).Draw(t, "networks") {
		c.nets = append(c.nets, anyNet(t, id, hosts))
	}
	for range rapid.IntRange(0, 9).Draw(t, "vms") {
		c.vms = append(c.vms, anyVM(t, hosts, c.nets))
	}
	if rapid.IntRange(0, 3).Draw(t, "external") == 0 {
		c.vms = append(c.vms, vm{host: 9, macs: [][6]byte{mac(rapid.ByteRange(1, 4).Draw(t, "mac"))}, external: true, dhcp: rapid.Bool().Draw(t, "dhcp")})
	}
	return c
}

func anyNet(t *rapid.T, id uint32, hosts int) *net {
	flag := rapid.Bool()
	n := &net{id: id, tunnels: rapid.SampledFrom([]string{"own", "shared", "flow"}).Draw(t, "tunnels")}
	if rapid.IntRange(0, 3).Draw(t, "learning") == 0 {
		n.learning, n.bare, n.tunnels = true, flag.Draw(t, "bare"), "own"
	} else {
		n.secure, n.quiet, n.known, n.answers = flag.Draw(t, "secure"), flag.Draw(t, "quiet"), flag.Draw(t, "known"), flag.Draw(t, "answers")
	}
	if flag.Draw(t, "listed") {
		n.listed = append(n.listed, rapid.IntRange(1, hosts).Draw(t, "host"))
	}
	return n
}

func anyVM(t *rapid.T, hosts int, nets []*net) vm {
	v := vm{
		host:   rapid.IntRange(1, hosts).Draw(t, "host"),
		net:    rapid.IntRange(0, len(nets)-1).Draw(t, "network"),
		dhcp:   rapid.IntRange(0, 3).Draw(t, "dhcp") == 0,
		router: rapid.IntRange(0, 3).Draw(t, "router") == 0,
	}
	for range rapid.IntRange(0, 2).Draw(t, "macs") {
		v.macs = append(v.macs, mac(rapid.ByteRange(1, 4).Draw(t, "mac")))
	}
	if nets[v.net].learning {
		return v
	}
	for range rapid.IntRange(0, 2).Draw(t, "ips") {
		n := rapid.ByteRange(1, 4).Draw(t, "ip")
		v.ips = append(v.ips, rapid.SampledFrom([]netip.Addr{ip4(n), ip6(n)}).Draw(t, "address"))
	}
	switch rapid.IntRange(0, 7).Draw(t, "allowed") {
	case 0:
		v.allowed = []verify.Pair{{MAC: virtual(), IP: virtualIP()}}
	case 1:
		v.allowed = []verify.Pair{{IP: virtualIP()}}
	case 2:
		v.allowed = []verify.Pair{{MAC: mac(2), IP: ip4(2)}}
	}
	return v
}
