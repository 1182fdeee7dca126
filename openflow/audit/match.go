package audit

import "ovsmesh/openflow/flow"

// overlap reports whether some frame matches both a and b. Prerequisites need
// no care of their own: a match on a field names the EtherType and the protocol
// that the field is of (ovs-fields(7)), and two of these that differ are
// disjoint by themselves.
func overlap(a, b flow.Match) bool {
	for len(a) > 0 && len(b) > 0 {
		switch c := a[0].Field.Compare(b[0].Field); {
		case c < 0:
			a = a[1:]
		case c > 0:
			b = b[1:]
		case !agree(a[0], b[0]):
			return false
		default:
			a, b = a[1:], b[1:]
		}
	}
	return true
}

// covers reports whether every frame that matches b matches a.
func covers(a, b flow.Match) bool {
	for _, x := range a {
		for len(b) > 0 && b[0].Field.Compare(x.Field) < 0 {
			b = b[1:]
		}
		if len(b) == 0 || b[0].Field != x.Field || !within(x, b[0]) {
			return false
		}
	}
	return true
}

// meet returns the match of frames that match both a and b, which overlap.
func meet(a, b flow.Match) flow.Match {
	out := make(flow.Match, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := a[0].Field.Compare(b[0].Field); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, both(a[0], b[0])), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// beyond returns what a demands and b does not: the fields of a, without those
// that b has just so. EtherType and protocol stay where anything does, for
// other fields have their names from them.
func beyond(a, b flow.Match) flow.Match {
	var out flow.Match
	further := false
	for _, x := range a {
		same := false
		if y, ok := b.Get(x.Field); ok {
			same = within(x, y)
		}
		further = further || !same
		if !same || x.Field == flow.EthType.Field() || x.Field == flow.IPProto.Field() {
			out = append(out, x)
		}
	}
	if !further {
		return nil
	}
	return out
}

// agree reports whether some value fits both x and y, which are of one field.
func agree(x, y flow.OXM) bool {
	if len(x.Value) != len(y.Value) {
		return false // of a field with values of several lengths
	}
	for i := range len(x.Value) {
		if (x.Value[i]^y.Value[i])&maskByte(x, i)&maskByte(y, i) != 0 {
			return false
		}
	}
	return true
}

// within reports whether every value that fits y fits x.
func within(x, y flow.OXM) bool {
	if len(x.Value) != len(y.Value) {
		return false
	}
	for i := range len(x.Value) {
		m := maskByte(x, i)
		if m&^maskByte(y, i) != 0 || (x.Value[i]^y.Value[i])&m != 0 {
			return false
		}
	}
	return true
}

// both returns what fits x and y, which agree.
func both(x, y flow.OXM) flow.OXM {
	value, mask := make([]byte, len(x.Value)), make([]byte, len(x.Value))
	whole := true
	for i := range value {
		mx, my := maskByte(x, i), maskByte(y, i)
		value[i] = x.Value[i]&mx | y.Value[i]&my
		mask[i] = mx | my
		whole = whole && mask[i] == 0xff
	}
	out := flow.OXM{Field: x.Field, Value: string(value)}
	if !whole {
		out.Mask = string(mask)
	}
	return out
}

// maskByte returns a byte of the mask of x, whose length is that of the value
// if there is one.
func maskByte(x flow.OXM, i int) byte {
	if i >= len(x.Mask) {
		return 0xff
	}
	return x.Mask[i]
}
