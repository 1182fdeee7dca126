package flow_test

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"pgregory.net/rapid"

	"ovsmesh/openflow/flow"
)

// named are all known fields with their widths in bytes.
var named = sync.OnceValue(func() map[flow.Name]int {
	m := map[flow.Name]int{
		flow.InPort: 4, flow.Metadata: 8, flow.EthDst: 6, flow.EthSrc: 6, flow.EthType: 2, flow.VLANVID: 2,
		flow.VLANPCP: 1, flow.IPDSCP: 1, flow.IPECN: 1, flow.IPProto: 1, flow.IPv4Src: 4, flow.IPv4Dst: 4,
		flow.TCPSrc: 2, flow.TCPDst: 2, flow.UDPSrc: 2, flow.UDPDst: 2, flow.SCTPSrc: 2, flow.SCTPDst: 2,
		flow.ICMPv4Type: 1, flow.ICMPv4Code: 1, flow.ARPOp: 2, flow.ARPSPA: 4, flow.ARPTPA: 4, flow.ARPSHA: 6,
		flow.ARPTHA: 6, flow.IPv6Src: 16, flow.IPv6Dst: 16, flow.ICMPv6Type: 1, flow.ICMPv6Code: 1,
		flow.NDTarget: 16, flow.NDSLL: 6, flow.NDTLL: 6, flow.MPLSLabel: 4, flow.MPLSTC: 1, flow.MPLSBOS: 1,
		flow.TunnelID: 8, flow.TunSrc: 4, flow.TunDst: 4,
		flow.TunIPv6Src: 16, flow.TunIPv6Dst: 16,
		flow.IPv6Label: 4, flow.PacketType: 4, flow.IPFrag: 1, flow.IPTTL: 1, flow.MPLSTTL: 1, flow.PktMark: 4, flow.DPHash: 4,
		flow.RecircID: 4, flow.ConjID: 4, flow.TunFlags: 2, flow.CTState: 4, flow.CTZone: 2, flow.CTMark: 4, flow.CTLabel: 16,
		flow.CTNwProto: 1, flow.CTNwSrc: 4, flow.CTNwDst: 4, flow.CTIPv6Src: 16, flow.CTIPv6Dst: 16, flow.CTTpSrc: 2, flow.CTTpDst: 2,
		flow.TCPFlags: 2, flow.ActsetOutput: 4,
	}
	for n := range uint8(16) {
		m[flow.Reg(n)] = 4
	}
	for n := range flow.Name(8) {
		m[0x8001_00+n] = 8 // xreg0 to xreg7
	}
	for n := range flow.Name(4) {
		m[0x0001_00+111+n] = 16 // xxreg0 to xxreg3
	}
	for n := range flow.Name(64) {
		m[0x0001_00+40+n] = 4 // tun_metadata0 to tun_metadata63, of any width
	}
	// Nicira's fields that OpenFlow has too, and what only experimenters have.
	maps.Copy(m, map[flow.Name]int{
		0: 2, 1: 6, 2: 6, 3: 2, 4: 2, 5: 1, 6: 1, 7: 4, 8: 4, 0x0001_00 + 16: 8, 0x0001_00 + 38: 2, 0x0001_00 + 39: 1,
		0x02_ffff_00 + 11: 4, 0x02_ffff_00 + 12: 1, 0x02_ffff_00 + 13: 1, 0x02_ffff_00 + 14: 1, 0x02_ffff_00 + 15: 1, 0x02_ffff_00 + 16: 1,
		0x03_ffff_00 + 1: 1, 0x03_ffff_00 + 2: 1, 0x03_ffff_00 + 3: 1, 0x03_ffff_00 + 4: 4, 0x03_ffff_00 + 5: 1, 0x03_ffff_00 + 6: 4,
		0x03_ffff_00 + 7: 4, 0x03_ffff_00 + 8: 4, 0x03_ffff_00 + 9: 4, 0x03_ffff_00 + 10: 1, 0x1000_00 + 1: 4, 0x1000_00 + 2: 1,
	})
	return m
})

// names has an order, for rapid replays by what it draws.
var names = sync.OnceValue(func() []flow.Name { return slices.Sorted(maps.Keys(named())) })

// value draws n bytes, often ones that mean something or are all alike.
func value(n int) *rapid.Generator[string] {
	edge := func(b byte) string {
		s := make([]byte, n)
		for i := range s {
			s[i] = b
		}
		return string(s)
	}
	low := func(t *rapid.T) string {
		s := make([]byte, 8, 24)
		binary.BigEndian.PutUint64(s, uint64(rapid.IntRange(0, 300).Draw(t, "low")))
		for len(s) < n {
			s = append([]byte{0}, s...)
		}
		return string(s[len(s)-n:])
	}
	bytes := rapid.Map(rapid.SliceOfN(rapid.Byte(), n, n), func(b []byte) string { return string(b) })
	return rapid.OneOf(rapid.Custom(low), bytes, rapid.Just(edge(0)), rapid.Just(edge(0xff)))
}

// anyOXM draws a field as a switch of any kind could send it: known or not, of
// the right width or not, masked or not.
func anyOXM(t *rapid.T) flow.OXM {
	var x flow.OXM
	width := rapid.IntRange(0, 17).Draw(t, "width")
	if n := rapid.SampledFrom(names()).Draw(t, "name"); rapid.IntRange(0, 9).Draw(t, "known") > 0 {
		x.Field = n.Field()
		if rapid.IntRange(0, 9).Draw(t, "right") > 0 {
			width = named()[n]
		}
	} else {
		x.Field = flow.Field{Class: rapid.OneOf(rapid.Uint16(), rapid.SampledFrom([]uint16{0x0000, 0x0001, 0x8000, 0x8001, 0xfffe})).Draw(t, "class"), ID: rapid.Uint8Range(0, 127).Draw(t, "id")}
		if rapid.Bool().Draw(t, "experimenter") {
			x.Field.Class, x.Field.Exp = 0xffff, rapid.Uint32().Draw(t, "exp")
		}
	}
	x.Value = value(width).Draw(t, "value")
	if width > 0 && rapid.IntRange(0, 2).Draw(t, "masked") == 0 {
		x.Mask = value(width).Draw(t, "mask")
	}
	return x
}

// protocolFields draws what a protocol's own fields need.
func protocolFields(t *rapid.T) []flow.OXM {
	etherType := rapid.SampledFrom([]string{"", "\x08\x00", "\x86\xdd", "\x08\x06", "\x80\x35", "\x88\xcc"}).Draw(t, "type")
	var list []flow.OXM
	if etherType != "" {
		list = append(list, flow.Exact(flow.EthType, etherType))
	}
	if rapid.Bool().Draw(t, "proto") {
		proto := rapid.SampledFrom([]string{"\x01", "\x06", "\x11", "\x3a", "\x84", "\x00", "\xff"}).Draw(t, "protocol")
		list = append(list, flow.Exact(flow.IPProto, proto))
	}
	return list
}

func anyMatch(t *rapid.T) flow.Match {
	list := protocolFields(t)
	seen := map[flow.Field]bool{}
	for _, x := range list {
		seen[x.Field] = true
	}
	for range rapid.IntRange(0, 6).Draw(t, "fields") {
		if x := anyOXM(t); !seen[x.Field] {
			seen[x.Field] = true
			list = append(list, x)
		}
	}
	return flow.NewMatch(list...)
}

func anyAction(t *rapid.T, nested bool) flow.Action {
	kind := rapid.IntRange(0, 12).Draw(t, "action")
	if nested && kind == 7 {
		kind = 0
	}
	switch kind {
	case 1:
		return flow.Output{Port: flow.PortController, MaxLen: rapid.Uint16().Draw(t, "length")}
	case 2:
		return flow.Group{ID: rapid.Uint32().Draw(t, "group")}
	case 3:
		return flow.SetField{OXM: anyOXM(t)}
	case 4:
		return flow.WriteMetadata{Value: rapid.Uint64().Draw(t, "metadata"),
			Mask: rapid.SampledFrom([]uint64{0, 0xff, ^uint64(0), 1 << 63}).Draw(t, "mask")}
	case 5:
		return flow.GotoTable{Table: rapid.Uint8().Draw(t, "table")}
	case 6:
		return flow.ClearActions{}
	case 7:
		return flow.WriteActions{Actions: anyActions(t, true)}
	case 8:
		return flow.Meter{ID: rapid.Uint32().Draw(t, "meter")}
	case 9:
		return flow.Raw{Bytes: value(8*rapid.IntRange(0, 3).Draw(t, "words")).Draw(t, "raw")}
	case 11:
		return anyMove(t, movable())
	case 12:
		return flow.PushMPLS{EtherType: rapid.Uint16().Draw(t, "type")}
	case 10:
		return flow.RawInstruction{Bytes: value(8).Draw(t, "raw")}
	}
	if rapid.Bool().Draw(t, "reserved") {
		return flow.Output{Port: rapid.SampledFrom([]uint32{flow.PortInPort, flow.PortTable, flow.PortNormal,
			flow.PortFlood, flow.PortAll, flow.PortLocal, flow.PortAny}).Draw(t, "port")}
	}
	return flow.Output{Port: rapid.Uint32Range(0, 0xfffffff7).Draw(t, "port")}
}

// movable are the fields of which move has a name.
var movable = sync.OnceValue(func() []flow.Name {
	return slices.DeleteFunc(slices.Clone(names()), func(n flow.Name) bool { return flow.Whole(n).Bits == 0 })
})

// anyMove draws a move between equally wide parts of two of some fields.
func anyMove(t *rapid.T, among []flow.Name) flow.Move {
	m := flow.Move{
		Src: flow.Whole(rapid.SampledFrom(among).Draw(t, "src")),
		Dst: flow.Whole(rapid.SampledFrom(among).Draw(t, "dst")),
	}
	width := min(m.Src.Bits, m.Dst.Bits)
	bits := rapid.Uint16Range(1, width).Draw(t, "bits")
	m.Src.First = rapid.Uint16Range(0, m.Src.Bits-bits).Draw(t, "first")
	m.Dst.First = rapid.Uint16Range(0, m.Dst.Bits-bits).Draw(t, "to")
	m.Src.Bits, m.Dst.Bits = bits, bits
	return m
}

func anyActions(t *rapid.T, nested bool) flow.Actions {
	var list flow.Actions
	for range rapid.IntRange(0, 4).Draw(t, "actions") {
		list = append(list, anyAction(t, nested))
	}
	return list
}

// anyFlow draws all that Flow can express.
func anyFlow(t *rapid.T) flow.Flow {
	return flow.Flow{
		Table:       rapid.Uint8().Draw(t, "table"),
		Priority:    rapid.SampledFrom([]uint16{0, 1, 1000, 32768, 65535}).Draw(t, "priority"),
		Cookie:      rapid.Uint64().Draw(t, "cookie"),
		IdleTimeout: rapid.SampledFrom([]uint16{0, 0, 1, 65535}).Draw(t, "idle"),
		HardTimeout: rapid.SampledFrom([]uint16{0, 0, 1, 65535}).Draw(t, "hard"),
		Flags:       rapid.SampledFrom([]uint16{0, 0, 1, 2, 4, 8, 16, 31, 32, 0x8001, 0xffff}).Draw(t, "flags"),
		Match:       anyMatch(t),
		Actions:     anyActions(t, false),
	}
}
