package forward

import (
	"fmt"
	"strings"

	"ovsmesh/openflow/flow"
)

// ActionsText prints actions as ovs-ofctl does, also those of which only the
// bytes are known, as far as they are understood here.
func ActionsText(list flow.Actions) string {
	if len(list) == 0 {
		return list.String()
	}
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = a.String()
		if raw, ok := a.(flow.Raw); ok {
			texts[i] = actText(actOfBytes([]byte(raw.Bytes), 0), raw)
		}
	}
	return strings.Join(texts, ",")
}

func actText(a act, raw flow.Raw) string {
	switch a := a.(type) {
	case output:
		return flow.Output{Port: a.port}.String()
	case outputField:
		return "output:" + a.src.String()
	case setBits:
		return fmt.Sprintf("load:0x%x->%s", number(a.value), a.dst)
	case setField:
		return flow.SetField{OXM: a.OXM}.String()
	case moveBits:
		return fmt.Sprintf("move:%s->%s", a.src, a.dst)
	case resubmit:
		return a.String()
	case pushVLAN:
		return fmt.Sprintf("push_vlan:0x%04x", a.etherType)
	case popVLAN:
		return "pop_vlan"
	case pushMPLS:
		return fmt.Sprintf("push_mpls:0x%04x", a.etherType)
	case popMPLS:
		return fmt.Sprintf("pop_mpls:0x%04x", a.etherType)
	case decTTL:
		if a.mpls {
			return "dec_mpls_ttl"
		}
		return "dec_ttl"
	case toGroup:
		return fmt.Sprintf("group:%d", a.id)
	case pushBits:
		return fmt.Sprintf("push:%s", a.src)
	case popBits:
		return fmt.Sprintf("pop:%s", a.dst)
	case exit:
		return "exit"
	case unknown:
		return a.text + "(…)"
	}
	return raw.String()
}

func (a resubmit) String() string {
	port, table := "", ""
	if a.port != flow.PortInPort {
		port = fmt.Sprint(a.port)
	}
	if a.table != tableHere {
		table = fmt.Sprint(a.table)
	}
	return "resubmit(" + port + "," + table + ")"
}

// String names the bits as ovs-ofctl does, by the newer name where a field has
// two.
func (b bits) String() string {
	name := fmt.Sprintf("field %#x", b.field)
	at, _ := locate(b.field)
	whole, _ := whole(b.field)
	where := 0
	for _, s := range slots {
		if where == at && 8*s.width == whole.n {
			names := strings.Fields(s.texts)
			name = names[len(names)-1]
		}
		where += s.width
	}
	switch {
	case b.field == vlanTCI.Field():
		name = "NXM_OF_VLAN_TCI"
	case b.field == ipTOS.Field():
		name = "NXM_OF_IP_TOS"
	case b.field == flow.Name(0).Field():
		name = "NXM_OF_IN_PORT"
	case at >= slotBytes:
		kind := map[int]string{32: "NXM_NX_REG", 64: "OXM_OF_PKT_REG", 128: "NXM_NX_XXREG"}[whole.n]
		name = fmt.Sprintf("%s%d", kind, (at-slotBytes)/(whole.n/8))
	}
	switch {
	case b == whole:
		return name + "[]"
	case b.n == 1:
		return fmt.Sprintf("%s[%d]", name, b.first)
	}
	return fmt.Sprintf("%s[%d..%d]", name, b.first, b.first+b.n-1)
}
