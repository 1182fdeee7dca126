package forward_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
)

// Headers, in hexadecimal; spaces are for the reader.
const (
	ethernet = "0200000000aa 0200000000bb "
	arp      = "0001 0800 06 04 0001 0200000000bb 0a000001 000000000000 0a000002"
	ipv4     = "45 20 001c 0000 0000 40 11 0000 0a000001 0a000002 "
	udp      = "0044 0043 0008 0000"
	fe80     = "fe80000000000000 00000000000000bb "
	ff02     = "ff02000000000000 0000000000000001 "
	solicit  = "87 00 0000 00000000 fd000000000000000000000000000001 "
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestParse compares fields with what they are in the bytes; those that are not
// named have to be zero.
func TestParse(t *testing.T) {
	type fields map[flow.Name]string
	for _, c := range []struct {
		name, frame string
		want        fields
	}{
		{"a length instead of a type", ethernet + "0026 4242", fields{flow.EthType: "05ff"}},
		{"unknown", ethernet + "88b5 0102", fields{flow.EthType: "88b5"}},
		{"ARP", ethernet + "0806 " + arp, fields{flow.EthType: "0806", flow.ARPOp: "0001", flow.ARPSHA: "0200000000bb",
			flow.ARPSPA: "0a000001", flow.ARPTPA: "0a000002"}},
		{"ARP cut off", ethernet + "0806 " + arp[:len(arp)-2], fields{flow.EthType: "0806"}},
		{"ARP of another network", ethernet + "0806 0006" + arp[4:], fields{flow.EthType: "0806"}},
		{"tagged", ethernet + "8100 6005 0806 " + arp, fields{flow.EthType: "0806", flow.VLANVID: "1005", flow.VLANPCP: "03",
			flow.ARPOp: "0001", flow.ARPSHA: "0200000000bb", flow.ARPSPA: "0a000001", flow.ARPTPA: "0a000002"}},
		{"tag cut off", ethernet + "8100 60", fields{flow.EthType: "8100"}},
		{"MPLS", ethernet + "8847 00008b40 45", fields{flow.EthType: "8847", flow.MPLSLabel: "00000008", flow.MPLSTC: "05", flow.MPLSBOS: "01"}},
		{"MPLS cut off", ethernet + "8847 00008b", fields{flow.EthType: "8847"}},
		{"UDP", ethernet + "0800 " + ipv4 + udp, fields{flow.EthType: "0800", flow.IPDSCP: "08", flow.IPProto: "11",
			flow.IPv4Src: "0a000001", flow.IPv4Dst: "0a000002", flow.UDPSrc: "0044", flow.UDPDst: "0043"}},
		{"UDP cut off", ethernet + "0800 " + ipv4 + udp[:17], fields{flow.EthType: "0800"}},
		{"IPv4 of too short a header", ethernet + "0800 44" + ipv4[2:] + udp, fields{flow.EthType: "0800"}},
		{"IPv4 that is none", ethernet + "0800 55" + ipv4[2:] + udp, fields{flow.EthType: "0800"}},
		{"a later fragment", ethernet + "0800 45 00 001c 0000 0001 40 11 0000 0a000001 0a000002 " + udp,
			fields{flow.EthType: "0800", flow.IPProto: "11", flow.IPv4Src: "0a000001", flow.IPv4Dst: "0a000002"}},
		{"ICMP", ethernet + "0800 45 00 001c 0000 0000 40 01 0000 0a000001 0a000002 0800 0000 00000000",
			fields{flow.EthType: "0800", flow.IPProto: "01", flow.IPv4Src: "0a000001", flow.IPv4Dst: "0a000002", flow.ICMPv4Type: "08"}},
		{"TCP", ethernet + "0800 45 00 0028 0000 0000 40 06 0000 0a000001 0a000002 0016 0050 0000000000000000 5000 0000 0000 0000",
			fields{flow.EthType: "0800", flow.IPProto: "06", flow.IPv4Src: "0a000001", flow.IPv4Dst: "0a000002", flow.TCPSrc: "0016", flow.TCPDst: "0050"}},
		{"SCTP", ethernet + "0800 45 00 0020 0000 0000 40 84 0000 0a000001 0a000002 0016 0050 0000000000000000",
			fields{flow.EthType: "0800", flow.IPProto: "84", flow.IPv4Src: "0a000001", flow.IPv4Dst: "0a000002", flow.SCTPSrc: "0016", flow.SCTPDst: "0050"}},
		{"solicitation", ethernet + "86dd 60000000 0020 3a ff " + fe80 + ff02 + solicit + "01 01 0200000000bb",
			fields{flow.EthType: "86dd", flow.IPProto: "3a", flow.IPv6Src: fe80, flow.IPv6Dst: ff02, flow.ICMPv6Type: "87",
				flow.NDTarget: "fd000000000000000000000000000001", flow.NDSLL: "0200000000bb"}},
		{"solicitation without an option", ethernet + "86dd 60000000 0018 3a ff " + fe80 + ff02 + solicit,
			fields{flow.EthType: "86dd", flow.IPProto: "3a", flow.IPv6Src: fe80, flow.IPv6Dst: ff02, flow.ICMPv6Type: "87",
				flow.NDTarget: "fd000000000000000000000000000001"}},
		{"solicitation with the same twice", ethernet + "86dd 60000000 0028 3a ff " + fe80 + ff02 + solicit + "01 01 0200000000bb 01 01 0200000000bb",
			fields{flow.EthType: "86dd", flow.IPProto: "3a", flow.IPv6Src: fe80, flow.IPv6Dst: ff02, flow.ICMPv6Type: "87"}},
		{"solicitation with an option of no length", ethernet + "86dd 60000000 0020 3a ff " + fe80 + ff02 + solicit + "01 00 0200000000bb",
			fields{flow.EthType: "86dd", flow.IPProto: "3a", flow.IPv6Src: fe80, flow.IPv6Dst: ff02, flow.ICMPv6Type: "87"}},
		{"solicitation of another code", ethernet + "86dd 60000000 0018 3a ff " + fe80 + ff02 + "87 01" + solicit[5:],
			fields{flow.EthType: "86dd", flow.IPProto: "3a", flow.IPv6Src: fe80, flow.IPv6Dst: ff02, flow.ICMPv6Type: "87", flow.ICMPv6Code: "01"}},
		{"listener's report", ethernet + "86dd 60000000 0010 00 01 " + fe80 + ff02 + "3a 00 0502 0000 0100 8f00 0000 00000000",
			fields{flow.EthType: "86dd", flow.IPProto: "3a", flow.IPv6Src: fe80, flow.IPv6Dst: ff02, flow.ICMPv6Type: "8f"}},
		{"extension cut off", ethernet + "86dd 60000000 0004 00 01 " + fe80 + ff02 + "3a 00 0502",
			fields{flow.EthType: "86dd", flow.IPv6Src: fe80, flow.IPv6Dst: ff02}},
		{"a later fragment of IPv6", ethernet + "86dd 60000000 0010 2c 01 " + fe80 + ff02 + "11 00 0008 00000001 " + udp,
			fields{flow.EthType: "86dd", flow.IPProto: "11", flow.IPv6Src: fe80, flow.IPv6Dst: ff02}},
		{"IPv6 cut off", ethernet + "86dd 60000000 0020 3a ff " + fe80 + ff02 + solicit, fields{flow.EthType: "86dd"}},
	} {
		b := unhex(t, c.frame)
		f, err := forward.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		c.want[flow.EthDst], c.want[flow.EthSrc] = "0200000000aa", "0200000000bb"
		var want forward.Frame
		for n, value := range c.want {
			want = want.With(n, string(unhex(t, value)))
		}
		for _, n := range names() {
			if f.Get(n) != want.Get(n) {
				t.Errorf("%s: %s is %x, want %x", c.name, flow.NewMatch(flow.Exact(n, f.Get(n))), f.Get(n), want.Get(n))
			}
		}
		if got := f.Bytes(); hex.EncodeToString(got) != hex.EncodeToString(b) {
			t.Errorf("%s: written as\n%x\nread was\n%x", c.name, got, b)
		}
	}
}

// names are all fields of a Frame.
func names() []flow.Name {
	list := []flow.Name{flow.InPort, flow.Metadata, flow.EthDst, flow.EthSrc, flow.EthType, flow.VLANVID, flow.VLANPCP,
		flow.MPLSLabel, flow.MPLSTC, flow.MPLSBOS, flow.IPDSCP, flow.IPECN, flow.IPProto, flow.IPv4Src, flow.IPv4Dst,
		flow.IPv6Src, flow.IPv6Dst, flow.TCPSrc, flow.TCPDst, flow.UDPSrc, flow.UDPDst, flow.SCTPSrc, flow.SCTPDst,
		flow.ICMPv4Type, flow.ICMPv4Code, flow.ICMPv6Type, flow.ICMPv6Code, flow.ARPOp, flow.ARPSPA, flow.ARPTPA,
		flow.ARPSHA, flow.ARPTHA, flow.NDTarget, flow.NDSLL, flow.NDTLL, flow.TunnelID, flow.TunSrc, flow.TunDst,
		flow.TunIPv6Src, flow.TunIPv6Dst}
	for n := range uint8(16) {
		list = append(list, flow.Reg(n))
	}
	return list
}

// TestFieldsApart sets every field, and finds no two in the same place.
func TestFieldsApart(t *testing.T) {
	var f forward.Frame
	for i, n := range names() {
		width := len(f.Get(n))
		if width == 0 {
			t.Errorf("no field %#x", n)
		}
		f = f.With(n, strings.Repeat(string([]byte{byte(i + 1)}), width))
	}
	for i, n := range names() {
		if got := f.Get(n); strings.Trim(got, string([]byte{byte(i + 1)})) != "" {
			t.Errorf("field %#x is %x, not of %d", n, got, i+1)
		}
	}
	if got := f.With(flow.EthSrc, "short"); got != f {
		t.Error("a value of another width is taken")
	}
	if got := f.Get(0xffff99); got != "" {
		t.Errorf("a field that there is not is %x", got)
	}
}

func TestParseRefuses(t *testing.T) {
	whole := unhex(t, ethernet+"0806")
	for n := range whole {
		if _, err := forward.Parse(whole[:n]); err == nil {
			t.Errorf("%d bytes are taken for a frame", n)
		}
	}
}

// FuzzParse finds no bytes at which Parse fails but those that are too short,
// and none that are written otherwise than they were read.
func FuzzParse(f *testing.F) {
	for _, text := range []string{ethernet + "0806 " + arp, ethernet + "8100 6005 0806 " + arp, ethernet + "0800 " + ipv4 + udp,
		ethernet + "86dd 60000000 0020 3a ff " + fe80 + ff02 + solicit + "01 01 0200000000bb", ethernet + "8847 00008b40 45",
		ethernet + "86dd 60000000 0010 00 01 " + fe80 + ff02 + "3a 00 0502 0000 0100 8f00 0000 00000000"} {
		f.Add(unhex(f, text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := forward.Parse(b)
		if err != nil {
			if len(b) >= 14 {
				t.Fatal(err)
			}
			return
		}
		if got := frame.Bytes(); string(got) != string(b) {
			t.Fatalf("written as\n%x\nread was\n%x", got, b)
		}
	})
}
