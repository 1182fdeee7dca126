package flow

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// setting returns k as set_field prints its value.
func (k known) setting() known {
	switch k.form {
	case formVLAN, formPCP, formDSCP, formFrag, formHex2:
		k.form = formDecimal
	case formHex0, formHex5:
		k.form = formHex
	}
	return k
}

// fits reports whether k's form can print x: it has the field's width and no
// bit that the form leaves out.
func (k known) fits(x OXM) bool {
	if k.form == formBytes {
		return x == x.shortest()
	}
	if len(x.Value) != k.width || x.Mask != "" && len(x.Mask) != k.width {
		return false
	}
	switch k.form {
	case formPort, formType:
		return x.Mask == ""
	case formVLAN:
		return number(x.Value)|number(x.Mask) <= 0x1fff
	case formPCP:
		return x.Mask == "" && x.Value[0] <= 7
	case formDSCP:
		return number(x.Value)|number(x.Mask) <= 0x3f
	case formFrag:
		return fragText(x) != "" && x.Mask != "\x03" // its word would read back without the mask
	case formFlags:
		// A flag is printed by its bit of the mask.
		return x.Mask == "" || number(x.Value)&^number(x.Mask) == 0
	}
	return true
}

// value returns x's value, and its mask where it has one.
func (k known) value(x OXM) string {
	switch k.form {
	case formMAC:
		if x.Mask != "" {
			return macText(x.Value) + "/" + macText(x.Mask)
		}
		return macText(x.Value)
	case formIPv4, formIPv6:
		return ipText(x)
	case formFrag:
		return fragText(x)
	case formFlags:
		return k.flagsText(x)
	case formType:
		return fmt.Sprintf("(%d,0x%x)", number(x.Value[:2]), number(x.Value[2:]))
	case formBytes:
		if x.Mask != "" {
			return hexBytes(x.Value) + "/" + hexBytes(x.Mask)
		}
		return hexBytes(x.Value)
	}
	if k.width > 8 {
		if x.Mask != "" {
			return hexBytes(x.Value) + "/" + hexBytes(x.Mask)
		}
		return hexBytes(x.Value)
	}
	v, m := number(x.Value), number(x.Mask)
	if k.form == formDSCP {
		v, m = v<<2, m<<2
	}
	digits := 0
	switch k.form {
	case formHex2:
		digits = 2
	case formHex4:
		digits = 4
	case formHex5:
		digits = 5
	}
	switch {
	case k.form == formHex2 && x.Mask == "":
	case digits > 0 && x.Mask == "":
		return fmt.Sprintf("0x%0*x", digits, v)
	case digits > 0:
		return fmt.Sprintf("0x%0*x/0x%0*x", digits, v, digits, m)
	case x.Mask != "" && k.form == formHex:
		return hexText(v) + "/" + hexText(m)
	case x.Mask != "":
		return hex0(v) + "/" + hex0(m)
	case k.form == formHex:
		return hexText(v)
	case k.form == formHex0:
		return hex0(v)
	case k.form == formPort && k.width == 4 && portName(uint32(v)) != "":
		return portName(uint32(v))
	case k.form == formPort && k.width == 2 && v >= 0xfff7 && portName(uint32(v)|0xffff0000) != "":
		return portName(uint32(v) | 0xffff0000)
	}
	return strconv.FormatUint(v, 10)
}

// vlanText prints a VLAN and its priority. OpenFlow 1.3 has two fields, but
// ovs-ofctl shows the tag's 16 bits as OpenFlow 1.0 has them, of which bit 12
// says that there is a tag; it has words only for the whole of a part.
func (m Match) vlanText(vid OXM) string {
	tci, mask := number(vid.Value), uint64(0x1fff)
	if vid.Mask != "" {
		mask = number(vid.Mask)
	}
	k, _, _ := lookup(VLANPCP.Field())
	if pcp, ok := m.Get(VLANPCP.Field()); ok && m.printable(k, pcp) {
		tci, mask = tci|number(pcp.Value)<<13, mask|0xe000
	}
	byVID, byPCP := mask&0xfff, mask&0xe000
	switch {
	case tci&mask&0x1000 == 0 || byVID != 0 && byVID != 0xfff || byVID|byPCP == 0:
		if mask == 0xffff {
			return fmt.Sprintf("vlan_tci=0x%04x", tci)
		}
		return fmt.Sprintf("vlan_tci=0x%04x/0x%04x", tci, mask)
	case byPCP == 0:
		return fmt.Sprintf("dl_vlan=%d", tci&0xfff)
	case byVID == 0:
		return fmt.Sprintf("dl_vlan_pcp=%d", tci>>13)
	}
	return fmt.Sprintf("dl_vlan=%d,dl_vlan_pcp=%d", tci&0xfff, tci>>13)
}

func macText(b string) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5])
}

func ipText(x OXM) string {
	if x.Mask == "" {
		return addrText(x.Value)
	}
	ones := 0
	for i := range len(x.Mask) {
		ones += bits.OnesCount8(x.Mask[i])
	}
	if x.Mask == string(prefixMask(len(x.Mask), ones)) {
		return fmt.Sprintf("%s/%d", addrText(x.Value), ones)
	}
	return addrText(x.Value) + "/" + addrText(x.Mask)
}

// addrText prints an address as inet_ntop(3) does: unlike RFC 5952 it ends
// those of ::/96 like IPv4, but for ::/112.
func addrText(b string) string {
	a, _ := netip.AddrFromSlice([]byte(b))
	if len(b) == 16 && b[:12] == "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" && b[12:14] != "\x00\x00" {
		low, _ := netip.AddrFromSlice([]byte(b[12:]))
		return "::" + low.String()
	}
	return a.String()
}

func prefixMask(n, ones int) []byte {
	b := make([]byte, n)
	for i := range ones {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b
}

// rawName names a field that has no name here; an experimenter's with its ID.
func rawName(f Field) string {
	if f.Class == classExp {
		return fmt.Sprintf("oxm_%04x_%d_%08x", f.Class, f.ID, f.Exp)
	}
	return fmt.Sprintf("oxm_%04x_%d", f.Class, f.ID)
}

func rawValue(x OXM) string {
	if x.Mask == "" {
		return fmt.Sprintf("0x%x", x.Value)
	}
	return fmt.Sprintf("0x%x/0x%x", x.Value, x.Mask)
}

// hexBytes prints any number of bytes as C's %#x does a number.
func hexBytes(b string) string {
	digits := strings.TrimLeft(hex.EncodeToString([]byte(b)), "0")
	if digits == "" {
		return "0"
	}
	return "0x" + digits
}

// number reads up to 8 bytes, big endian.
func number(b string) uint64 {
	var w [8]byte
	copy(w[8-len(b):], b)
	return binary.BigEndian.Uint64(w[:])
}

// hexText prints as C's %#x does: zero has no 0x.
func hexText(v uint64) string {
	if v == 0 {
		return "0"
	}
	return hex0(v)
}

func hex0(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }
