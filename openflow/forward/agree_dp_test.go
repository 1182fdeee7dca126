package forward

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ovsmesh/openflow/flow"
)

// datapath carries out the actions that ofproto/trace has worked out for a
// datapath, on a frame: what leaves by which port.
type datapath struct {
	ports map[string]uint32 // OpenFlow's numbers by the datapath's
	out   []string
}

func (d *datapath) run(actions string, f Frame) error {
	for _, a := range split(actions) {
		a = strings.TrimSpace(a)
		name, args, _ := strings.Cut(strings.TrimSuffix(a, ")"), "(")
		switch name {
		case "drop", "":
		case "set":
			kind, fields, _ := strings.Cut(strings.TrimSuffix(args, ")"), "(")
			if err := setHeader(&f, kind, fields); err != nil {
				return fmt.Errorf("%s: %w", a, err)
			}
		case "push_vlan":
			v := values(args)
			if !f.pushVLAN(etherVLAN) {
				return fmt.Errorf("%s: a second tag", a)
			}
			vid, _ := strconv.Atoi(v["vid"])
			pcp, _ := strconv.Atoi(v["pcp"])
			f.set(flow.VLANVID, put16(uint16(vid)|0x1000))
			f.set(flow.VLANPCP, string([]byte{byte(pcp)}))
		case "pop_vlan":
			f.popVLAN()
		case "push_mpls":
			v := values(args)
			t, _ := strconv.ParseUint(v["eth_type"], 0, 16)
			f.pushMPLS(uint16(t))
			if err := setHeader(&f, "mpls", args); err != nil {
				return err
			}
		case "pop_mpls":
			t, _ := strconv.ParseUint(values(args)["eth_type"], 0, 16)
			f.popMPLS(uint16(t))
		case "clone":
			if err := d.run(args, f); err != nil {
				return err
			}
		case "userspace":
			if strings.Contains(args, "controller(") {
				d.out = append(d.out, departure(flow.PortController, f))
			}
		default:
			port, ok := d.ports[name]
			if !ok {
				return fmt.Errorf("action %q", a)
			}
			d.out = append(d.out, departure(port, f))
		}
	}
	return nil
}

// departure is a frame that leaves by a port, with all that a datapath can see
// and change of it.
func departure(port uint32, f Frame) string {
	end, _ := locate(flow.CTState.Field())
	var rest []string
	at := 0
	for _, s := range slots {
		if v := f.fields[at : at+s.width]; at >= atMetadata+8 && at < end && strings.Trim(string(v), "\x00") != "" {
			rest = append(rest, fmt.Sprintf("%s=%x", strings.Fields(s.texts)[0], v))
		}
		at += s.width
	}
	return fmt.Sprint(port) + " " + strings.Join(rest, " ")
}

func values(args string) map[string]string {
	m := map[string]string{}
	for _, p := range split(args) {
		k, v, _ := strings.Cut(p, "=")
		m[k] = v
	}
	return m
}

func setHeader(f *Frame, kind, args string) error {
	names := map[string]flow.Name{
		"eth.src": flow.EthSrc, "eth.dst": flow.EthDst,
		"ipv4.src": flow.IPv4Src, "ipv4.dst": flow.IPv4Dst, "ipv4.ttl": flow.IPTTL,
		"ipv6.src": flow.IPv6Src, "ipv6.dst": flow.IPv6Dst, "ipv6.hlimit": flow.IPTTL, "ipv6.label": flow.IPv6Label,
		"tcp.src": flow.TCPSrc, "tcp.dst": flow.TCPDst, "udp.src": flow.UDPSrc, "udp.dst": flow.UDPDst,
		"icmp.type": flow.ICMPv4Type, "icmp.code": flow.ICMPv4Code, "icmpv6.type": flow.ICMPv6Type, "icmpv6.code": flow.ICMPv6Code,
		"arp.sip": flow.ARPSPA, "arp.tip": flow.ARPTPA, "arp.op": flow.ARPOp, "arp.sha": flow.ARPSHA, "arp.tha": flow.ARPTHA,
		"nd.target": flow.NDTarget, "nd.sll": flow.NDSLL, "nd.tll": flow.NDTLL,
		"mpls.label": flow.MPLSLabel, "mpls.tc": flow.MPLSTC, "mpls.ttl": flow.MPLSTTL, "mpls.bos": flow.MPLSBOS,
	}
	for _, p := range split(args) {
		k, text, _ := strings.Cut(p, "=")
		v, mask, masked := strings.Cut(text, "/")
		key := kind + "." + k
		switch key {
		case "ipv4.tos", "ipv6.tclass":
			got := f.Get(flow.IPDSCP)[0]<<2 | f.Get(flow.IPECN)[0]
			n, _ := strconv.ParseUint(v, 0, 8)
			m := uint64(0xff)
			if masked {
				m, _ = strconv.ParseUint(mask, 0, 8)
			}
			got = got&^byte(m) | byte(n)&byte(m)
			f.set(flow.IPDSCP, string([]byte{got >> 2}))
			f.set(flow.IPECN, string([]byte{got & 3}))
			continue
		case "ipv4.proto", "ipv4.frag", "ipv6.proto", "ipv6.frag", "mpls.eth_type", "push_mpls.eth_type":
			continue
		}
		n, ok := names[key]
		if !ok {
			if kind == "skb_priority" || kind == "skb_mark" {
				continue
			}
			return fmt.Errorf("no field %s", key)
		}
		_, width := locate(n.Field())
		x := setField{OXM: flow.OXM{Field: n.Field()}}
		if x.Value, ok = literal(v, width); ok && masked {
			x.Mask, ok = literal(mask, width)
		}
		if !ok {
			return fmt.Errorf("value %s", p)
		}
		old := []byte(f.Get(n))
		for i := range old {
			m := byte(0xff)
			if masked {
				m = x.Mask[i]
			}
			old[i] = old[i]&^m | x.Value[i]&m
		}
		f.set(n, string(old))
	}
	return nil
}

// ways says where a run sends frames, and as what.
func ways(r Result) []string {
	var list []string
	for _, o := range r.Outputs {
		if o.Port > 8 && o.Port < flow.PortInPort {
			continue // there is none of that number
		}
		list = append(list, departure(o.Port, o.Frame))
	}
	slices.Sort(list)
	return list
}
