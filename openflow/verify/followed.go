package verify

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
	"ovsmesh/openflow/trace"
)

// class is frames that differ in their sender only.
type class struct {
	host, name string
}

// way is how frames of a class leave their host.
type way struct {
	tunnels string // see leaving
	remote  int    // how many arrivals on other hosts were expected
}

// remember notes how a frame that was followed everywhere has left its host.
func (c *checker) remember(from *place, p *probe, t *trace.Trace, want map[arrival]int) {
	k := class{from.member.Host, p.name}
	if _, ok := c.followed[k]; !ok {
		b := c.bridgeOf(from)
		c.followed[k] = &way{leaving(b, t.Hops[0].Result.Outputs), remote(want, from)}
	}
}

// asFollowed sends a frame through its first bridge only, where it has to leave
// by the same tunnels as one of its class that was followed, or as broadcast did.
// It reports false if there is none, or another reach is expected of it.
func (c *checker) asFollowed(from *place, p *probe) bool {
	w := c.followed[class{from.member.Host, p.name}]
	if w == nil {
		w = c.followed[class{from.member.Host, plainBroadcast}]
	}
	k := kindOf(&p.frame)
	want := c.arrivals(from, k)
	if w == nil || w.remote != remote(want, from) {
		return false
	}
	b := c.bridgeOf(from)
	tables, err := c.World.Tables(from.member.Host, from.member.Bridge)
	if b == nil || err != nil {
		return false
	}
	r, err := tables.Run(from.OFPort, p.frame)
	if err != nil || len(r.Doubts) > 0 || leaving(b, r.Outputs) != w.tunnels {
		return false
	}
	got := map[arrival]int{}
	for _, out := range r.Outputs {
		port := b.Port(out.Port)
		if port == nil {
			return false
		}
		if port.Kind == trace.KindTunnel {
			continue
		}
		to := c.at[trace.Place{Host: from.member.Host, Bridge: from.member.Bridge, OFPort: out.Port}]
		if to == nil {
			return false
		}
		got[arrival{to, hw(&out.Frame, flow.EthDst), hw(&out.Frame, flow.EthSrc)}]++
	}
	for a, n := range want {
		if a.at.member == from.member && got[a] != n {
			return false
		}
		delete(got, a)
	}
	c.report.Frames++
	return len(got) == 0
}

func remote(want map[arrival]int, from *place) int {
	n := 0
	for a := range want {
		if a.at.member != from.member {
			n++
		}
	}
	return n
}

func (c *checker) bridgeOf(p *place) *trace.Bridge {
	host, err := c.World.Host(p.member.Host)
	if err != nil {
		return nil
	}
	return host.Bridge(p.member.Bridge)
}

// leaving says by which tunnels, with what key and to whom frames leave a
// bridge.
func leaving(b *trace.Bridge, outputs []forward.Output) string {
	if b == nil {
		return ""
	}
	var list []string
	for _, out := range outputs {
		if p := b.Port(out.Port); p == nil || p.Kind != trace.KindTunnel {
			continue
		}
		text := string(binary.BigEndian.AppendUint32(nil, out.Port)) + out.Frame.Get(flow.TunnelID)
		if out.Frame.Get(flow.TunDst) != "\x00\x00\x00\x00" {
			text += out.Frame.Get(flow.TunDst)
		}
		list = append(list, text+out.Frame.Get(flow.TunIPv6Dst))
	}
	slices.Sort(list)
	return fmt.Sprint(len(list)) + strings.Join(list, "")
}
