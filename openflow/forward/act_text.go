package forward

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"ovsmesh/openflow/flow"
)

// actOfText returns what an action does by its text, as ovs-ofctl prints it in
// any version of OpenFlow.
func actOfText(text string, depth int) act {
	if a, ok := readAct(text, depth); ok {
		return a
	}
	return unknown{text}
}

func readAct(text string, depth int) (act, bool) {
	name, args := text, ""
	if i := strings.IndexAny(text, ":("); i >= 0 {
		name, args = text[:i], text[i+1:]
		if text[i] == '(' {
			args = strings.TrimSuffix(args, ")")
		}
	}
	switch name {
	case "strip_vlan", "pop_vlan":
		return popVLAN{}, true
	case "dec_ttl":
		return decTTL{}, true
	case "dec_mpls_ttl":
		return decTTL{mpls: true}, true
	case "exit":
		return exit{}, true
	case "clear_actions":
		return clearActs{}, true
	case "note", "set_queue", "pop_queue", "sample", "fin_timeout", "meter", "ct_clear":
		return noEffect{}, true
	case "controller", "CONTROLLER":
		return output{port: flow.PortController}, true
	case "resubmit":
		return readResubmit(text, args)
	case "output":
		return readOutput(args)
	case "enqueue":
		port, _, _ := strings.Cut(args, ":")
		return readOutput(port)
	case "load":
		return readLoad(args)
	case "move":
		return readMove(args)
	case "set_field":
		return readSet(args)
	case "push", "pop":
		b, err := parseBits(args)
		if name == "pop" {
			return popBits{b}, err == nil
		}
		return pushBits{b}, err == nil
	case "clone", "write_actions":
		if depth >= nested {
			return nil, false
		}
		var acts []act
		for _, token := range split(args) {
			acts = append(acts, actOfText(token, depth+1))
		}
		if name == "clone" {
			return clone{acts}, true
		}
		return writeActs{acts}, true
	case "group":
		n, ok := decimal(args, 32)
		return toGroup{uint32(n)}, ok
	}
	if field, width := modified(name); width > 0 {
		v, ok := literal(args, width)
		return setField{flow.OXM{Field: field, Value: v}}, ok
	}
	return readHeader(name, args)
}

// readHeader reads actions on tags and labels.
func readHeader(name, args string) (act, bool) {
	n, ok := decimal(args, 16)
	switch name {
	case "push_vlan":
		return pushVLAN{uint16(n)}, ok
	case "push_mpls":
		return pushMPLS{uint16(n)}, ok
	case "pop_mpls":
		return popMPLS{uint16(n)}, ok
	case "mod_vlan_vid":
		return setVID{uint16(n)}, ok && n < 1<<12
	case "mod_vlan_pcp":
		return setPCP{uint8(n)}, ok && n < 8
	}
	if port, named := reserved(name); named && args == "" {
		return output{port: port}, true
	}
	return readOutput(name)
}

// modified returns the field that an action of OpenFlow 1.0, or a short one,
// sets.
func modified(name string) (flow.Field, int) {
	var field flow.Field
	switch name {
	case "mod_dl_src":
		field = flow.EthSrc.Field()
	case "mod_dl_dst":
		field = flow.EthDst.Field()
	case "mod_nw_src":
		field = flow.IPv4Src.Field()
	case "mod_nw_dst":
		field = flow.IPv4Dst.Field()
	case "mod_nw_tos":
		field = ipTOS.Field()
	case "mod_nw_ecn":
		field = flow.IPECN.Field()
	case "mod_nw_ttl":
		field = flow.IPTTL.Field()
	case "set_mpls_label":
		field = flow.MPLSLabel.Field()
	case "set_mpls_tc":
		field = flow.MPLSTC.Field()
	case "set_mpls_ttl":
		field = flow.MPLSTTL.Field()
	case "set_tunnel", "set_tunnel64":
		field = flow.TunnelID.Field()
	default:
		return field, 0
	}
	b, _ := whole(field)
	return field, b.n / 8
}

func readResubmit(text, args string) (act, bool) {
	if strings.HasPrefix(text, "resubmit:") {
		port, ok := portOf(args)
		return resubmit{port, tableHere}, ok
	}
	parts := strings.Split(args, ",")
	a := resubmit{flow.PortInPort, tableHere}
	if len(parts) > 2 {
		return nil, false // in the direction that a connection was opened in
	}
	ok := true
	if parts[0] != "" {
		a.port, ok = portOf(parts[0])
	}
	if len(parts) == 2 && parts[1] != "" && ok {
		var n uint64
		n, ok = decimal(parts[1], 8)
		a.table = uint8(n)
	}
	return a, ok
}

func readOutput(args string) (act, bool) {
	if strings.HasPrefix(args, "port=") {
		args, _, _ = strings.Cut(strings.TrimPrefix(args, "port="), ",") // cut short
	}
	if port, ok := portOf(args); ok {
		return output{port: port}, true
	}
	b, err := parseBits(args)
	return outputField{b}, err == nil && b.n <= 64 && strings.Contains(args, "[")
}

func readLoad(args string) (act, bool) {
	text, to, _ := strings.Cut(args, "->")
	dst, err := parseBits(to)
	v, ok := literal(text, 8)
	return setBits{dst, v}, err == nil && ok
}

func readMove(args string) (act, bool) {
	from, to, _ := strings.Cut(args, "->")
	src, err := parseBits(from)
	dst, dstErr := parseBits(to)
	return moveBits{src, dst}, err == nil && dstErr == nil && src.n == dst.n
}

func readSet(args string) (act, bool) {
	at := strings.LastIndex(args, "->")
	if at < 0 {
		return nil, false
	}
	text, name := args[:at], args[at+2:]
	b, err := parseBits(name)
	if err != nil {
		return nil, false
	}
	if full, _ := whole(b.field); b != full {
		v, ok := literal(text, 8)
		return setBits{b, v}, ok
	}
	value, mask, masked := strings.Cut(text, "/")
	x := flow.OXM{Field: b.field}
	var ok bool
	if x.Value, ok = literal(value, b.n/8); ok && masked {
		x.Mask, ok = literal(mask, b.n/8)
	}
	return setField{x}, ok
}

// literal reads a number, an Ethernet address or an IP address as so many
// bytes.
func literal(text string, width int) (string, bool) {
	if strings.Count(text, ":") == 5 && width == 6 {
		var mac []byte
		for part := range strings.SplitSeq(text, ":") {
			v, err := strconv.ParseUint(part, 16, 8)
			if err != nil {
				return "", false
			}
			mac = append(mac, byte(v))
		}
		return string(mac), true
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return string(a.AsSlice()), len(a.AsSlice()) == width
	}
	if n, ok := decimal(text, 64); ok {
		v := string(binary.BigEndian.AppendUint64(nil, n))
		if width <= 8 {
			return v[8-width:], n>>(8*min(width, 7)) == 0 || width == 8
		}
		return strings.Repeat("\x00", width-8) + v, true
	}
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok || len(digits) > 2*width {
		return "", false
	}
	b, err := hex.DecodeString(strings.Repeat("0", 2*width-len(digits)) + digits)
	return string(b), err == nil
}

func decimal(text string, size int) (uint64, bool) {
	v, err := strconv.ParseUint(text, 0, size)
	return v, err == nil
}

func portOf(text string) (uint32, bool) {
	if p, ok := reserved(text); ok {
		return p, true
	}
	n, ok := decimal(text, 32)
	return uint32(n), ok
}

func reserved(name string) (uint32, bool) {
	switch strings.ToUpper(name) {
	case "IN_PORT":
		return flow.PortInPort, true
	case "TABLE":
		return flow.PortTable, true
	case "NORMAL":
		return flow.PortNormal, true
	case "FLOOD":
		return flow.PortFlood, true
	case "ALL":
		return flow.PortAll, true
	case "LOCAL":
		return flow.PortLocal, true
	case "NONE", "ANY":
		return flow.PortAny, true
	}
	return 0, false
}

// split cuts at the commas that no parenthesis encloses.
func split(text string) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out, start = append(out, text[start:i]), i+1
			}
		}
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}
