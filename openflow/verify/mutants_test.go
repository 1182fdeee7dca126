package verify_test

import (
	"slices"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// role is what a port is, for mutations.
type role struct {
	number  uint32
	network string
	tunnel  bool
}

func (c *cloud) roles(at site) []role {
	var list []role
	for _, p := range c.hosts[at.host].Bridge(at.bridge).Ports {
		list = append(list, role{p.OFPort, p.Network, !strings.HasPrefix(p.Name, "vif")})
	}
	return list
}

// swapped sends each output to the first other port that fits.
func (c *cloud) swapped(at site, f flow.Flow, fits func(old, with *role) bool) [][]flow.Flow {
	roles := c.roles(at)
	return eachOutput(f, func(o flow.Output) flow.Actions {
		for i := range roles {
			for j := range roles {
				if roles[i].number == o.Port && i != j && fits(&roles[i], &roles[j]) && !sends(&f, roles[j].number) {
					return flow.Actions{flow.Output{Port: roles[j].number}}
				}
			}
		}
		return nil
	})
}

// named returns the name of a flow's network.
func (c *cloud) named(f *flow.Flow) string {
	for _, n := range c.nets {
		if n.id == pipeline.NetworkOf(f.Cookie) {
			return n.name()
		}
	}
	return ""
}

// added sends to one port more, before all that is there.
func (c *cloud) added(at site, f flow.Flow, fits func(network string, with *role) bool) [][]flow.Flow {
	if len(f.Actions) == 0 {
		return nil
	}
	for _, r := range c.roles(at) {
		if fits(c.named(&f), &r) && !sends(&f, r.number) && r.number != number(&f, flow.InPort) {
			f.Actions = append(flow.Actions{flow.Output{Port: r.number}}, f.Actions...)
			return [][]flow.Flow{{f}}
		}
	}
	return nil
}

func number(f *flow.Flow, n flow.Name) (v uint32) {
	x, _ := f.Match.Get(n.Field())
	for _, b := range []byte(x.Value) {
		v = v<<8 | uint32(b)
	}
	return v
}

func sends(f *flow.Flow, port uint32) bool {
	return slices.ContainsFunc(f.Actions, func(a flow.Action) bool {
		o, ok := a.(flow.Output)
		return ok && o.Port == port
	})
}

// fromTunnels reports whether frames from tunnels meet f.
func fromTunnels(f *flow.Flow) bool {
	x, ok := f.Match.Get(flow.Metadata.Field())
	if !ok {
		return pipeline.ReasonOf(f.Cookie) == pipeline.ClassifyTunnel
	}
	return f.Table >= 60 && (x.Mask[3]&1 == 0 || x.Value[3]&1 != 0)
}

// droppedFields leaves out each field that no other one needs: without those a
// switch does not take the flow.
func droppedFields(f flow.Flow) [][]flow.Flow {
	var list [][]flow.Flow
	for i, x := range f.Match {
		last := f.Match[len(f.Match)-1].Field
		if x.Field == flow.EthType.Field() && last.Class == x.Field.Class && last.ID > flow.IPProto.Field().ID-1 && last.ID < flow.TunnelID.Field().ID ||
			x.Field == flow.IPProto.Field() && last.ID > flow.IPv6Dst.Field().ID && last.Class == x.Field.Class ||
			x.Field == flow.IPProto.Field() && has(&f, flow.UDPSrc) || x.Field == flow.ICMPv6Type.Field() && (has(&f, flow.NDTarget) || has(&f, flow.NDSLL)) {
			continue
		}
		g := f
		g.Match = slices.Delete(slices.Clone(f.Match), i, i+1)
		list = append(list, []flow.Flow{g})
	}
	return list
}

func has(f *flow.Flow, n flow.Name) bool {
	_, ok := f.Match.Get(n.Field())
	return ok
}

// ignoredTunnelBit makes what is for frames from VMs hold for all.
func ignoredTunnelBit(f flow.Flow) [][]flow.Flow {
	return metadata(f, func(value, mask []byte) bool {
		if mask[3]&1 == 0 {
			return false
		}
		value[3], mask[3] = value[3]&^1, mask[3]&^1
		return true
	})
}

// otherNetworkToo ignores the lowest bit in which networks 1 and 2 differ, and
// the next.
func otherNetworkToo(f flow.Flow) [][]flow.Flow {
	if len(f.Actions) == 0 || !slices.ContainsFunc(f.Actions, func(a flow.Action) bool { _, ok := a.(flow.Output); return ok }) {
		return nil
	}
	return metadata(f, func(value, mask []byte) bool {
		value[7], mask[7] = value[7]&^3, mask[7]&^3
		return true
	})
}

func metadata(f flow.Flow, change func(value, mask []byte) bool) [][]flow.Flow {
	for i, x := range f.Match {
		if x.Field == flow.Metadata.Field() && x.Mask != "" {
			value, mask := []byte(x.Value), []byte(x.Mask)
			if !change(value, mask) {
				return nil
			}
			f.Match = slices.Clone(f.Match)
			f.Match[i].Value, f.Match[i].Mask = string(value), string(mask)
			return [][]flow.Flow{{f}}
		}
	}
	return nil
}

func eachAction(f flow.Flow, replace func(flow.Action) (flow.Actions, bool)) [][]flow.Flow {
	var list [][]flow.Flow
	for i, a := range f.Actions {
		if with, ok := replace(a); ok {
			g := f
			g.Actions = slices.Concat(f.Actions[:i], with, f.Actions[i+1:])
			list = append(list, []flow.Flow{g})
		}
	}
	return list
}

// eachOutput replaces each output to a port; with nil it stays.
func eachOutput(f flow.Flow, replace func(flow.Output) flow.Actions) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		o, ok := a.(flow.Output)
		if !ok || o.Port > 0xffffff00 {
			return nil, false
		}
		with := replace(o)
		return with, with != nil
	})
}

// otherNetwork takes a port's frames for those of the other network.
func otherNetwork(f flow.Flow) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		w, ok := a.(flow.WriteMetadata)
		return flow.Actions{flow.WriteMetadata{Value: w.Value ^ 3, Mask: w.Mask}}, ok
	})
}

// noSplitHorizon forgets that a frame came from a tunnel.
func noSplitHorizon(f flow.Flow) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		w, ok := a.(flow.WriteMetadata)
		return flow.Actions{flow.WriteMetadata{Value: w.Value &^ (1 << 32), Mask: w.Mask}}, ok && w.Value>>32&1 != 0
	})
}

// otherKey sends with the key of the other network; 101 and 102 are those of 1
// and 2.
func otherKey(f flow.Flow) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		s, ok := a.(flow.SetField)
		if !ok || s.Field != flow.TunnelID.Field() {
			return nil, false
		}
		key := []byte(s.Value)
		key[7] ^= 3
		return flow.Actions{flow.SetField{OXM: flow.Exact(flow.TunnelID, string(key))}}, true
	})
}

// otherPeer sends to another host than the one meant, which may have the network
// or not.
func otherPeer(f flow.Flow) [][]flow.Flow {
	return eachAction(f, func(a flow.Action) (flow.Actions, bool) {
		s, ok := a.(flow.SetField)
		if !ok || s.Field != flow.TunDst.Field() {
			return nil, false
		}
		ip := []byte(s.Value)
		ip[3] = ip[3]%3 + 1
		return flow.Actions{flow.SetField{OXM: flow.Exact(flow.TunDst, string(ip))}}, true
	})
}
