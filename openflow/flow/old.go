package flow

import "fmt"

// Old returns the actions as ovs-ofctl prints them where it has asked the
// switch over OpenFlow 1.0: a field is set by mod_… or load there, and
// goto_table is a resubmit. What OpenFlow 1.0 has the same words for, and what
// it has none for, is left as it is.
func (as Actions) Old() Actions {
	var old Actions
	for _, a := range as {
		switch a := a.(type) {
		case GotoTable:
			old = append(old, Text{fmt.Sprintf("resubmit(,%d)", a.Table)})
		case SetField:
			old = append(old, a.old()...)
		default:
			old = append(old, a)
		}
	}
	return old
}

// old returns the actions that set a field in OpenFlow 1.0.
func (a SetField) old() Actions {
	k, _, ok := lookup(a.Field)
	if !ok || a.Mask != "" || k.form == formBytes || !k.fits(a.OXM) {
		return Actions{a}
	}
	mod := ""
	switch k.name {
	case EthSrc:
		mod = "mod_dl_src:"
	case EthDst:
		mod = "mod_dl_dst:"
	case IPv4Src:
		mod = "mod_nw_src:"
	case IPv4Dst:
		mod = "mod_nw_dst:"
	case TCPSrc, UDPSrc:
		mod = "mod_tp_src:"
	case TCPDst, UDPDst:
		mod = "mod_tp_dst:"
	}
	if mod != "" {
		return Actions{Text{mod + k.value(a.OXM)}}
	}
	var loads Actions
	const most = 8 // bytes that a load has room for
	for at := 0; at < k.width; at += most {
		n := min(most, k.width-at)
		part := Subfield{k.name, uint16(8 * at), min(uint16(8*n), k.bits-uint16(8*at))}
		low := a.Value[k.width-at-n : k.width-at]
		loads = append(loads, Text{fmt.Sprintf("load:%s->%s", hexText(number(low)), part)})
	}
	return loads
}
