package flow

import (
	"fmt"
	"strconv"
	"strings"
)

// Move copies the bits of one field over those of another, ovs-actions(7)
// "move". Both are of the same number of bits.
type Move struct{ Src, Dst Subfield }

// Subfield is a run of bits of a field, counted from its least significant one.
type Subfield struct {
	Field Name
	First uint16 // number of the lowest bit
	Bits  uint16 // how many
}

// Whole returns all bits of a field that Move can name, and of another one
// none.
func Whole(n Name) Subfield {
	k, _, _ := lookup(n.Field())
	return Subfield{Field: n, Bits: k.bits}
}

// header returns the field's header on the wire as move and its like have it:
// class, number and length as ovs-fields(7) has them, without a mask. Open
// vSwitch prints and sends Nicira's wherever that has the field, whatever it was
// given. It is 0 for a field of an experimenter, whose header is longer, and for
// one without a fixed length.
func (k known) header() uint32 {
	if k.mover>>24 != 0 || k.width == 0 {
		return 0
	}
	f := k.mover.Field()
	return uint32(f.Class)<<16 | uint32(f.ID)<<9 | uint32(k.width)
}

// Header returns the field's header on the wire as Move has it, or 0 where Move
// can't name the field.
func (s Subfield) Header() uint32 {
	k, _, _ := lookup(s.Field.Field())
	return k.header()
}

// SubfieldOf returns bits of the field with a header as on the wire; false if
// the field is not known or has no such bits.
func SubfieldOf(header uint32, first, bits uint16) (Subfield, bool) {
	for i := range fields {
		k := &fields[i]
		base := k.header()
		if base == 0 || header < base || (header-base)%(1<<9) != 0 {
			continue
		}
		if n := int(header-base) >> 9; n < max(1, k.family) {
			s := Subfield{k.name + Name(n), first, bits}
			return s, s.within(*k)
		}
	}
	return Subfield{}, false
}

func (s Subfield) within(k known) bool {
	return s.Bits > 0 && uint32(s.First)+uint32(s.Bits) <= uint32(k.bits)
}

// Valid reports whether both sides exist, have headers and are equally wide.
func (a Move) Valid() bool { return a.fits() && a.Src.Header() != 0 && a.Dst.Header() != 0 }

// fits reports whether both sides exist and are equally wide.
func (a Move) fits() bool {
	src, _, ok := lookup(a.Src.Field.Field())
	dst, _, okay := lookup(a.Dst.Field.Field())
	return ok && okay && a.Src.within(src) && a.Dst.within(dst) && a.Src.Bits == a.Dst.Bits
}

func (a Move) String() string { return "move:" + a.Src.String() + "->" + a.Dst.String() }

// String returns the bits as ovs-ofctl prints them: NAME[], NAME[BIT], NAME[FIRST..LAST].
func (s Subfield) String() string {
	m, _, ok := lookup(s.Field.Field())
	if !ok {
		return fmt.Sprintf("%s[%d..%d]", rawName(s.Field.Field()), s.First, s.First+s.Bits-1)
	}
	switch {
	case s.First == 0 && s.Bits == m.bits:
		return m.text + "[]"
	case s.Bits == 1:
		return fmt.Sprintf("%s[%d]", m.text, s.First)
	}
	return fmt.Sprintf("%s[%d..%d]", m.text, s.First, s.First+s.Bits-1)
}

func parseMove(token, value string) (Action, error) {
	src, dst, _ := strings.Cut(value, "->")
	var a Move
	var ok, okay bool
	a.Src, ok = parseSubfield(src)
	a.Dst, okay = parseSubfield(dst)
	switch {
	case ok && okay && a.fits():
		return a, nil
	case strangeSubfield(src) && (okay || strangeSubfield(dst)), ok && strangeSubfield(dst):
		return nil, errForeign
	}
	return nil, fmt.Errorf("%s: not two equally wide parts of fields that are known", token)
}

// strangeSubfield reports whether a text has the form of a subfield, of a field
// that is not known here.
func strangeSubfield(text string) bool {
	name, rest, ok := strings.Cut(text, "[")
	if !ok || !strings.HasSuffix(rest, "]") || !identifier(strings.ToLower(name)) {
		return false
	}
	_, known := byText(name)
	return !known
}

// byText returns the field that move and its like call by a name.
func byText(name string) (known, bool) {
	for i := range fields {
		if n, ok := fields[i].is(name, fields[i].text); ok {
			return fields[i].at(n), true
		}
	}
	return known{}, false
}

// parseSubfield reads NAME[], NAME[BIT] and NAME[FIRST..LAST].
func parseSubfield(text string) (Subfield, bool) {
	name, rest, ok := strings.Cut(text, "[")
	inside, closed := strings.CutSuffix(rest, "]")
	k, is := byText(name)
	if !ok || !closed || !is {
		return Subfield{}, false
	}
	if inside == "" {
		return Subfield{k.name, 0, k.bits}, true
	}
	from, to, ranged := strings.Cut(inside, "..")
	if !ranged {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 16)
	last, lastErr := strconv.ParseUint(to, 10, 16)
	if err != nil || lastErr != nil || last < first {
		return Subfield{}, false
	}
	return Subfield{k.name, uint16(first), uint16(last - first + 1)}, true
}
