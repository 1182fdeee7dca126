package flow_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ovsmesh/openflow/flow"
	"ovsmesh/ovsdb/ovstest"
)

// TestSwitchPrintsTheSame loads flows into Open vSwitch and compares what it
// prints with our text of what we read: the examples, and random ones.
func TestSwitchPrintsTheSame(t *testing.T) {
	s := ovstest.StartSwitch(t)
	s.VSCtl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail_mode=secure")
	socket := s.BridgeSocket("br0")
	want := map[flow.Key]string{}
	var text strings.Builder
	load := func(line string) {
		f, err := flow.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		want[f.Key()] = f.String()
		text.WriteString(f.String() + "\n")
	}
	for _, line := range lines() {
		if strings.Contains(line, "_timeout=") {
			continue // gone before it is read back, on a slow machine
		}
		load(line)
	}
	gen := rapid.Custom(switchFlow)
	for seed := range 1000 {
		load(gen.Example(seed).String())
	}
	file := filepath.Join(t.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s.OFCtl("--bundle", "add-flows", socket, file)
	dump := s.OFCtl("--no-names", "--no-stats", "dump-flows", socket)
	for line := range strings.Lines(dump) {
		line = strings.TrimSpace(line)
		f, err := flow.Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		// It leaves out what is 0.
		printed := strings.TrimPrefix(strings.Replace(f.String(), "table=0, ", "", 1), "cookie=0x0, ")
		if printed != line {
			t.Errorf("the switch prints\n%s\nwe print\n%s", line, printed)
		}
		if loaded, ok := want[f.Key()]; !ok || loaded != f.String() {
			t.Errorf("the switch holds\n%s\nloaded was\n%s", f, loaded)
		}
		delete(want, f.Key())
	}
	for _, line := range want {
		t.Errorf("the switch does not hold\n%s", line)
	}
}

// switchFlow draws a flow that a switch takes.
func switchFlow(t *rapid.T) flow.Flow {
	f := flow.Flow{
		Table: rapid.Uint8Range(3, 6).Draw(t, "table"), Priority: rapid.Uint16().Draw(t, "priority"),
		Cookie: rapid.Uint64().Draw(t, "cookie"), Flags: rapid.Uint16Range(0, 31).Draw(t, "flags") &^ 2,
	}
	var oxms []flow.OXM
	for _, n := range []flow.Name{
		flow.Reg(0), flow.Reg(9), flow.Reg(15), flow.TunnelID, flow.TunSrc, flow.TunDst,
		flow.Metadata, flow.EthSrc, flow.EthDst, flow.PktMark, flow.ConjID, flow.CTMark, flow.CTLabel, flow.TunIPv6Src, flow.TunIPv6Dst,
		flow.CTState, flow.TunFlags,
	} {
		if rapid.IntRange(0, 4).Draw(t, "use") == 0 {
			oxms = append(oxms, maskedOXM(t, n))
		}
	}
	if rapid.Bool().Draw(t, "port") {
		oxms = append(oxms, flow.MatchInPort(rapid.SampledFrom([]uint32{1, 65279, flow.PortLocal}).Draw(t, "in_port")))
	}
	oxms = append(oxms, vlanOXMs(t)...)
	oxms = append(oxms, layersOXMs(t)...)
	f.Match = flow.NewMatch(oxms...)
	f.Actions = switchActions(t, f.Table)
	return f
}

// maskedOXM draws a value with any mask but that of nothing, which a switch
// forgets.
func maskedOXM(t *rapid.T, n flow.Name) flow.OXM {
	width := named()[n]
	x := flow.Exact(n, value(width).Draw(t, "value"))
	mask := value(width).Draw(t, "mask")
	switch n {
	case flow.ConjID, flow.IPTTL:
		return x // no mask
	case flow.CTState, flow.TunFlags: // of which a switch has eight bits, and one
		bits := map[flow.Name]byte{flow.CTState: 0xff, flow.TunFlags: 1}[n]
		flags := mask[width-1] & bits
		if flags == 0 {
			flags = bits
		}
		zeros := strings.Repeat("\x00", width-1)
		return flow.Masked(n, zeros+string([]byte{x.Value[width-1] & flags}), zeros+string([]byte{flags}))
	}
	if width == 16 && n != flow.CTLabel {
		// ovs-ofctl takes an IPv6 mask that begins with a digit for a prefix's
		// length, even one that it printed.
		mask = "\xff" + mask[1:]
	}
	if rapid.Bool().Draw(t, "masked") && strings.Trim(mask, "\x00") != "" {
		x.Mask = mask
	}
	return x
}

func vlanOXMs(t *rapid.T) []flow.OXM {
	pcp := flow.Exact(flow.VLANPCP, string([]byte{rapid.Uint8Range(0, 7).Draw(t, "pcp")}))
	vid := rapid.SampledFrom([]flow.OXM{
		flow.Exact(flow.VLANVID, "\x10\x05"),
		flow.Masked(flow.VLANVID, "\x10\x00", "\x10\x00"),
		flow.Masked(flow.VLANVID, "\x10\x05", "\x10\x0f"),
	}).Draw(t, "vid")
	switch rapid.IntRange(0, 5).Draw(t, "vlan") {
	case 0:
		return []flow.OXM{vid}
	case 1:
		return []flow.OXM{vid, pcp}
	case 2:
		return []flow.OXM{flow.Exact(flow.VLANVID, "\x00\x00")}
	}
	return nil
}

// layersOXMs draws fields of one protocol, with those that they need.
func layersOXMs(t *rapid.T) []flow.OXM {
	protos := []struct {
		fields         []flow.Name
		eth, ip, icmp6 string
	}{
		{},
		{eth: "\x88\xcc"},
		{eth: "\x08\x06", fields: []flow.Name{flow.ARPSPA, flow.ARPTPA, flow.ARPSHA, flow.ARPTHA}},
		{eth: "\x80\x35"},
		{eth: "\x88\x47", fields: nil},
		{eth: "\x08\x00", fields: []flow.Name{flow.IPv4Src, flow.IPv4Dst}},
		{eth: "\x08\x00", ip: "\x06", fields: []flow.Name{flow.IPv4Src, flow.TCPSrc, flow.TCPDst, flow.IPTTL}},
		{eth: "\x08\x00", ip: "\x11", fields: []flow.Name{flow.IPv4Dst, flow.UDPSrc, flow.UDPDst}},
		{eth: "\x08\x00", ip: "\x84", fields: []flow.Name{flow.SCTPSrc, flow.SCTPDst}},
		{eth: "\x08\x00", ip: "\x01"},
		{eth: "\x08\x00", ip: "\x32"},
		{eth: "\x86\xdd", fields: []flow.Name{flow.IPv6Src, flow.IPv6Dst}},
		{eth: "\x86\xdd", ip: "\x06", fields: []flow.Name{flow.IPv6Dst, flow.TCPSrc, flow.TCPDst}},
		{eth: "\x86\xdd", ip: "\x11", fields: []flow.Name{flow.UDPSrc, flow.UDPDst}},
		{eth: "\x86\xdd", ip: "\x84", fields: []flow.Name{flow.SCTPSrc, flow.SCTPDst}},
		{eth: "\x86\xdd", ip: "\x3a"},
		{eth: "\x86\xdd", ip: "\x3a", icmp6: "\x87", fields: []flow.Name{flow.NDTarget, flow.NDSLL}},
		{eth: "\x86\xdd", ip: "\x3a", icmp6: "\x88", fields: []flow.Name{flow.NDTarget, flow.NDTLL}},
	}
	p := protos[rapid.IntRange(0, len(protos)-1).Draw(t, "protocol")]
	var oxms []flow.OXM
	add := func(n flow.Name, v string) {
		if v != "" {
			oxms = append(oxms, flow.Exact(n, v))
		}
	}
	add(flow.EthType, p.eth)
	add(flow.IPProto, p.ip)
	if add(flow.ICMPv6Type, p.icmp6); p.icmp6 != "" {
		add(flow.ICMPv6Code, "\x00")
	}
	for _, n := range p.fields {
		if rapid.Bool().Draw(t, "use") {
			oxms = append(oxms, maskedOXM(t, n))
		}
	}
	if p.ip == "\x01" {
		add(flow.ICMPv4Type, value(1).Draw(t, "type"))
	}
	if slices.Contains([]string{"\x08\x00", "\x86\xdd"}, p.eth) && rapid.Bool().Draw(t, "tos") {
		add(flow.IPDSCP, string([]byte{rapid.Uint8Range(0, 63).Draw(t, "dscp")}))
		add(flow.IPECN, string([]byte{rapid.Uint8Range(0, 3).Draw(t, "ecn")}))
	}
	return oxms
}

func switchActions(t *rapid.T, table uint8) flow.Actions {
	port := func() flow.Output {
		return rapid.SampledFrom([]flow.Output{
			{Port: 1}, {Port: 65279}, {Port: flow.PortInPort}, {Port: flow.PortLocal}, {Port: flow.PortAll},
			{Port: flow.PortFlood}, {Port: flow.PortNormal}, {Port: flow.PortController, MaxLen: 128},
			{Port: flow.PortController}, {Port: flow.PortController, MaxLen: 65535},
		}).Draw(t, "output")
	}
	var list flow.Actions
	for range rapid.IntRange(0, 3).Draw(t, "outputs") {
		if rapid.Bool().Draw(t, "set") {
			n := rapid.SampledFrom([]flow.Name{flow.EthDst, flow.EthSrc, flow.TunnelID, flow.Metadata, flow.Reg(4),
				flow.TunDst, flow.TunIPv6Dst}).Draw(t, "field")
			list = append(list, flow.SetField{OXM: flow.Exact(n, value(named()[n]).Draw(t, "value"))})
		}
		if rapid.Bool().Draw(t, "move") {
			list = append(list, anyMove(t, []flow.Name{flow.EthSrc, flow.EthDst, flow.TunnelID, flow.TunDst, flow.TunIPv6Src,
				flow.Metadata, flow.Reg(0), flow.Reg(15)}))
		}
		list = append(list, port())
	}
	if rapid.Bool().Draw(t, "clear") {
		list = append(list, flow.ClearActions{})
	}
	if rapid.Bool().Draw(t, "write") {
		list = append(list, flow.WriteActions{Actions: flow.Actions{port()}})
	}
	if rapid.Bool().Draw(t, "metadata") {
		mask := rapid.Uint64Range(1, ^uint64(0)).Draw(t, "mask")
		list = append(list, flow.WriteMetadata{Value: rapid.Uint64().Draw(t, "value") & mask, Mask: mask})
	}
	if rapid.Bool().Draw(t, "goto") {
		list = append(list, flow.GotoTable{Table: table + 1})
	}
	return list
}
