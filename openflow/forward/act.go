package forward

import (
	"encoding/binary"
	"slices"

	"ovsmesh/openflow/flow"
)

// act is an action as it is carried out. Those of package flow that it has
// types for come as they are; others are made of their bytes or their text.
type act interface{ do(x *run, f *Frame) }

type (
	output      struct{ port uint32 }
	outputField struct{ src bits }
	setBits     struct {
		dst   bits
		value string // big endian
	}
	setField struct{ flow.OXM }
	moveBits struct{ src, dst bits }
	resubmit struct {
		port  uint32 // flow.PortInPort: as it is
		table uint8  // tableHere: the same
	}
	setVID    struct{ vid uint16 } // puts a tag on where there is none
	setPCP    struct{ pcp uint8 }  // likewise
	pushVLAN  struct{ etherType uint16 }
	popVLAN   struct{}
	pushMPLS  struct{ etherType uint16 }
	popMPLS   struct{ etherType uint16 }
	decTTL    struct{ mpls bool }
	metadata  struct{ value, mask uint64 }
	toGroup   struct{ id uint32 }
	pushBits  struct{ src bits }
	popBits   struct{ dst bits }
	clone     struct{ acts []act }
	writeActs struct{ acts []act }
	clearActs struct{}
	gotoTable struct{ table uint8 } // done by run.tables
	exit      struct{}
	noEffect  struct{} // on where a frame goes
	unknown   struct{ text string }
)

// tableHere is the table number of a resubmit that stays in its table.
const tableHere = 255

func (a output) do(x *run, f *Frame) { x.output(a.port, f) }

func (a outputField) do(x *run, f *Frame) {
	port := uint32(number(f.read(a.src)))
	if a.src.n <= 16 && port >= 0xff00 {
		port |= 0xffff0000 // reserved numbers as OpenFlow 1.0 has them
	}
	x.output(port, f)
}

func (a setBits) do(x *run, f *Frame) {
	if !f.write(a.dst, a.value) {
		x.doubt("a field can't be written here")
	}
}

func (a setField) do(x *run, f *Frame) {
	if a.Mask == "" {
		if !f.put(a.Field, a.Value) {
			x.doubt("a field can't be written here")
		}
		return
	}
	old, ok := f.value(a.Field)
	if !ok || len(old) != len(a.Mask) {
		x.doubt("a field can't be written here")
		return
	}
	v := []byte(old)
	for i := range v {
		v[i] = v[i]&^a.Mask[i] | a.Value[i]&a.Mask[i]
	}
	if !f.put(a.Field, string(v)) {
		x.doubt("a field can't be written here")
	}
}

func (a moveBits) do(x *run, f *Frame) {
	if !f.has(a.src.field) || !f.has(a.dst.field) {
		return
	}
	if !f.write(a.dst, f.read(a.src)) {
		x.doubt("a field can't be written here")
	}
}

func (a resubmit) do(x *run, f *Frame) {
	table := a.table
	if table == tableHere {
		table = x.table
	}
	x.resubmit(a.port, table, f)
}

func (a setVID) do(x *run, f *Frame) {
	if !f.tagged() {
		f.pushVLAN(etherVLAN)
	}
	f.put(flow.VLANVID.Field(), put16(a.vid))
}

func (a setPCP) do(x *run, f *Frame) {
	if !f.tagged() {
		f.pushVLAN(etherVLAN)
	}
	f.set(flow.VLANPCP, string([]byte{a.pcp}))
}

func (a pushVLAN) do(x *run, f *Frame) {
	if !f.pushVLAN(a.etherType) {
		x.doubt("a second VLAN tag")
	}
}

func (popVLAN) do(_ *run, f *Frame) { f.popVLAN() }
func (a pushMPLS) do(x *run, f *Frame) {
	if f.labels() == maxLabels {
		x.doubt("the frame is dropped: more MPLS labels than a switch looks at")
		x.depth = -1
		return
	}
	f.pushMPLS(a.etherType)
}
func (a popMPLS) do(_ *run, f *Frame) { f.popMPLS(a.etherType) }

func (a decTTL) do(x *run, f *Frame) {
	if a.mpls && !f.decMPLSTTL() || !a.mpls && !f.decTTL() {
		x.send(flow.PortController, f) // who may answer that it has come too far
		x.ended = true
	}
}

func (a metadata) do(_ *run, f *Frame) {
	m := f.fields[atMetadata:]
	binary.BigEndian.PutUint64(m, binary.BigEndian.Uint64(m)&^a.mask|a.value&a.mask)
}

func (a toGroup) do(x *run, f *Frame)  { x.group(a.id, f) }
func (a pushBits) do(x *run, f *Frame) { x.stack = append(x.stack, f.read(a.src)) }
func (a clone) do(x *run, f *Frame)    { x.clone(a.acts, *f) }
func (clearActs) do(x *run, _ *Frame)  { x.set = nil }
func (a writeActs) do(x *run, _ *Frame) {
	if x.works(len(a.acts)); x.depth >= 0 {
		x.set = append(x.set, a.acts...)
	}
}
func (exit) do(x *run, _ *Frame)      { x.stop = true }
func (gotoTable) do(*run, *Frame)     {}
func (noEffect) do(*run, *Frame)      {}
func (a unknown) do(x *run, _ *Frame) { x.doubt(a.text + " is not followed") }
func (a popBits) do(x *run, f *Frame) {
	if len(x.stack) == 0 {
		return // a switch warns in its log, and goes on
	}
	top := len(x.stack) - 1
	v := x.stack[top]
	x.stack = x.stack[:top]
	if !f.write(a.dst, v) {
		x.doubt("a field can't be written here")
	}
}

// number reads up to 8 bytes, big endian.
func number(b string) uint64 {
	var w [8]byte
	copy(w[8-len(b):], b)
	return binary.BigEndian.Uint64(w[:])
}

// actOf returns what an action does.
func actOf(a flow.Action) act {
	switch a := a.(type) {
	case flow.Output:
		return output{port: a.Port}
	case flow.Group:
		return toGroup{a.ID}
	case flow.SetField:
		return knownField(setField{a.OXM}, a)
	case flow.Move:
		return knownMove(moveBits{subfield(a.Src), subfield(a.Dst)}, a)
	case flow.GotoTable:
		return gotoTable{a.Table}
	case flow.PushMPLS:
		return pushMPLS{a.EtherType}
	case flow.WriteMetadata:
		return metadata{a.Value, a.Mask}
	case flow.WriteActions:
		return writeActs{actsOf(a.Actions)}
	case flow.ClearActions:
		return clearActs{}
	case flow.Meter:
		return noEffect{}
	case flow.Raw:
		return actOfBytes([]byte(a.Bytes), 0)
	}
	return actOfText(a.String(), 0)
}

func subfield(s flow.Subfield) bits { return bits{s.Field.Field(), int(s.First), int(s.Bits)} }

// knownField returns a if a Frame has the field, of that width.
func knownField(a setField, from flow.Action) act {
	b, ok := whole(a.Field)
	if !ok || b.n != 8*len(a.Value) || a.Mask != "" && len(a.Mask) != len(a.Value) {
		return unknown{from.String()}
	}
	return a
}

func knownMove(a moveBits, from flow.Action) act {
	if !a.src.within() || !a.dst.within() || a.src.n != a.dst.n {
		return unknown{from.String()}
	}
	return a
}

func actsOf(list flow.Actions) []act {
	acts := make([]act, len(list))
	for i, a := range list {
		acts[i] = actOf(a)
	}
	return acts
}

// acts returns what a flow does; it is worked out when the flow is met first.
func (b *Bridge) acts(f *flow.Flow) []act {
	list, known := b.known[f]
	if !known {
		list = actsOf(f.Actions)
		b.known[f] = list
	}
	return list
}

// ordered returns an action set in the order in which a switch carries it out,
// OpenFlow 1.3.5 §5.10: of each kind the last, of set_field all in their order,
// and of the ways to go on one. Others, an output to a field's value among them,
// are left out: seen with 3.1.0, also in buckets, which are action sets.
func ordered(set []act) []act {
	var list []act
	last := func(is func(act) bool) bool {
		for i := len(set) - 1; i >= 0; i-- {
			if is(set[i]) {
				list = append(list, set[i])
				return true
			}
		}
		return false
	}
	last(isA[popVLAN])
	last(isA[popMPLS])
	last(isA[pushMPLS])
	last(isA[pushVLAN])
	last(func(a act) bool { return a == decTTL{} })
	last(func(a act) bool { return a == decTTL{mpls: true} })
	for _, a := range set {
		switch a.(type) {
		case setField, setBits, moveBits, setVID, setPCP, unknown:
			list = append(list, a)
		}
	}
	_ = last(isA[toGroup]) || last(isA[output]) || last(isA[resubmit])
	return slices.Clip(list)
}

func isA[T act](a act) bool {
	_, ok := a.(T)
	return ok
}
