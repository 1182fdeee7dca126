package topology

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// decoder puts documents into a Spec and its Source.
type decoder struct {
	spec *Spec
	src  *Source
	*problems
	file   string
	counts map[string]int   // objects of each list in this file
	fields map[string]place // of the object under way
	base   string           // path of the object under way
}

// setter reads one field of an object from v; path is below the object.
type setter[T any] func(d *decoder, o *T, path string, v *node)

func (d *decoder) wrong(at place, field, format string, args ...any) {
	d.add(SpecError{File: d.file, Line: at.line, Column: at.column, Field: field, Reason: fmt.Sprintf(format, args...)})
}

// bad refuses a field of the object under way.
func (d *decoder) bad(v *node, path, format string, args ...any) {
	at, ok := d.fields[path]
	if !ok {
		at = v.at
	}
	d.wrong(at, joinPath(d.base, path), format, args...)
}

func (d *decoder) document(n *node) {
	switch n.shape {
	case isNull:
		return
	case isMap:
	default:
		d.wrong(n.at, "", "a spec is a mapping with the lists keyPools, networks, hosts and ports, not %s", n.shape)
		return
	}
	seen := map[string]place{}
	for _, e := range n.entries {
		if first, twice := seen[e.key]; twice {
			d.wrong(e.at, clip(e.key), "is given twice, first on line %d", first.line)
			continue
		}
		seen[e.key] = e.at
		switch e.key {
		case listKeyPools:
			decodeList(d, listKeyPools, e, &d.spec.KeyPools, keyPoolFields())
		case listNetworks:
			decodeList(d, listNetworks, e, &d.spec.Networks, networkFields())
		case listHosts:
			decodeList(d, listHosts, e, &d.spec.Hosts, hostFields())
		case listPorts:
			decodeList(d, listPorts, e, &d.spec.Ports, portFields())
		default:
			d.wrong(e.at, clip(e.key), "unknown list%s", suggest(e.key, []string{listKeyPools, listNetworks, listHosts, listPorts}))
		}
		if d.full() {
			return
		}
	}
}

func decodeList[T any](d *decoder, list string, e entry, out *[]T, fields map[string]setter[T]) {
	if e.value.shape == isNull {
		return
	}
	if e.value.shape != isList {
		d.wrong(e.at, list, "want a list, not %s", e.value.shape)
		return
	}
	for _, v := range e.value.items {
		n := d.counts[list]
		d.counts[list]++
		d.base, d.fields = fmt.Sprintf("%s[%d]", list, n), map[string]place{}
		if v.shape != isMap {
			d.wrong(v.at, d.base, "want a mapping, not %s", v.shape)
			continue
		}
		var o T
		decodeMap(d, &o, "", v, fields)
		if d.full() {
			return
		}
		d.src.objects[objectRef{list, len(*out)}] = object{file: d.file, path: d.base, at: v.at, fields: d.fields}
		*out = append(*out, o)
	}
}

func decodeMap[T any](d *decoder, o *T, path string, v *node, fields map[string]setter[T]) {
	seen := map[string]place{}
	for _, e := range v.entries {
		at := joinPath(path, clip(e.key))
		if first, twice := seen[e.key]; twice {
			d.wrong(e.at, joinPath(d.base, at), "is given twice, first on line %d", first.line)
			continue
		}
		seen[e.key] = e.at
		set, ok := fields[e.key]
		if !ok {
			d.wrong(e.at, joinPath(d.base, at), "unknown field%s", suggest(e.key, slices.Sorted(maps.Keys(fields))))
			continue
		}
		d.fields[at] = e.at
		if e.value.shape != isNull {
			set(d, o, at, e.value)
		}
	}
}

func text[T any, S ~string](f func(*T) *S) setter[T] {
	return func(d *decoder, o *T, path string, v *node) {
		if s, ok := d.text(v, path); ok {
			*f(o) = S(s)
		}
	}
}

func (d *decoder) text(v *node, path string) (string, bool) {
	switch v.shape {
	case isText:
		return v.text, true
	case isNumber, isBool:
		d.bad(v, path, "want text, not %s: put %.64s in quotes", v.shape, v.text)
	default:
		d.bad(v, path, "want text, not %s", v.shape)
	}
	return "", false
}

func yes[T any](f func(*T) *bool) setter[T] {
	return func(d *decoder, o *T, path string, v *node) {
		if v.shape != isBool {
			d.bad(v, path, "want true or false, not %s", v.shape)
			return
		}
		*f(o) = v.yes
	}
}

// number reads a decimal number between first and last. One of more digits than
// YAML's numbers may have comes as text.
func number[T any, N int | uint16 | uint32](first, last uint64, f func(*T) *N) setter[T] {
	return func(d *decoder, o *T, path string, v *node) {
		whole := isDigits(strings.TrimPrefix(v.text, "-"))
		if v.shape != isNumber && (v.shape != isText || !v.plain || !whole) {
			d.bad(v, path, "want a number, not %s", v.shape)
			return
		}
		n, err := strconv.ParseUint(v.text, 10, 64)
		switch {
		case !whole:
			d.bad(v, path, "%.64s is not a decimal number in %d..%d", v.text, first, last)
		case err != nil || n < first || n > last:
			d.bad(v, path, "%.64s is out of range (%d..%d)", v.text, first, last)
		default:
			*f(o) = N(n)
		}
	}
}

// parsed reads text in a form of its own.
func parsed[T, V any](parse func(string) (V, error), f func(*T) *V) setter[T] {
	return func(d *decoder, o *T, path string, v *node) {
		s, ok := v.text, v.shape == isNumber // a range of one key, say
		if !ok {
			s, ok = d.text(v, path)
		}
		if !ok {
			return
		}
		value, err := parse(s)
		if err != nil {
			d.bad(v, path, "%v", err)
			return
		}
		*f(o) = value
	}
}

func list[T, V any](item setter[V], f func(*T) *[]V) setter[T] {
	return func(d *decoder, o *T, path string, v *node) {
		if v.shape != isList {
			d.bad(v, path, "want a list, not %s", v.shape)
			return
		}
		for i, v := range v.items {
			at := fmt.Sprintf("%s[%d]", path, i)
			d.fields[at] = v.at
			var value V
			item(d, &value, at, v)
			*f(o) = append(*f(o), value)
		}
	}
}

func below[T, V any](fields map[string]setter[V], f func(*T) *V) setter[T] {
	return func(d *decoder, o *T, path string, v *node) {
		if v.shape != isMap {
			d.bad(v, path, "want a mapping, not %s", v.shape)
			return
		}
		decodeMap(d, f(o), path, v, fields)
	}
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("%.64q is not an IP address", s)
	}
	return a, nil
}

func parseStation(s string) (MAC, error) {
	m, err := ParseMAC(s)
	if err != nil {
		return m, fmt.Errorf("%.64q is not a MAC address (want six hex octets, like 02:00:00:00:01:01)", s)
	}
	if m.IsZero() {
		return m, fmt.Errorf("%s is no address of a station", s)
	}
	return m, nil
}

func clip(s string) string {
	if len(s) > maxName {
		return s[:maxName] + "…"
	}
	return s
}
