package notation

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMalformed(t *testing.T) {
	text := func(r *Reader) error { _, err := r.Text(); return err }
	integer := func(r *Reader) error { _, err := r.Int(); return err }
	number := func(r *Reader) error { _, err := r.Float(); return err }
	boolean := func(r *Reader) error { _, err := r.Bool(); return err }
	raw := func(r *Reader) error { _, err := r.Raw(); return err }
	uuid := func(r *Reader) error { _, err := r.UUID(); return err }
	set := func(r *Reader) error { return r.Set(func() error { return text(r) }) }
	pairs := func(r *Reader) error {
		return r.Map(func(then func() error) error {
			if err := text(r); err != nil {
				return err
			}
			if err := then(); err != nil {
				return err
			}
			return text(r)
		})
	}
	object := func(r *Reader) error { return r.Object(func([]byte) error { return raw(r) }) }
	array := func(r *Reader) error { return r.Array(func(int) error { return raw(r) }) }
	for _, c := range []struct {
		name string
		read func(*Reader) error
		in   []string
	}{
		{"text", text, []string{``, ` `, `x`, `"`, `"a`, `"\`, `"\"`, `"\x"`, `"\u12"`, "\"\n\"", `5`, `null`}},
		{"int", integer, []string{``, `"1"`, `1.0`, `1e3`, `-`, `--1`, `0x10`, `9223372036854775808`, `true`, `[1]`, `{}`}},
		{"float", number, []string{``, `Inf`, `NaN`, `nan`, `1e999`, `.5`, `+1`, `1..2`, `"1"`}},
		{"bool", boolean, []string{``, `tru`, `truee`, `True`, `1`, `"true"`, `null`}},
		{"raw", raw, []string{``, `"`, `[`, `{"a":`, `[[]`, `,`, `]`, strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)}},
		{"uuid", uuid, []string{``, `[`, `[]`, `["uuid"]`, `["uuid",]`, `["uuid",""]`, `["uuid","a","b"]`, `["set","a"]`, `[5,"a"]`,
			`["uuid","` + strings.Repeat("x", 256) + `"]`}},
		{"set", set, []string{``, `[`, `["set"]`, `["set",]`, `["set",["a"]`, `["set",["a",]]`, `["set",["a"],1]`, `["set","a"]`, `{}`}},
		{"map", pairs, []string{``, `{}`, `["map"]`, `["map",[["a"]]]`, `["map",[["a","b","c"]]]`, `["map",[[]]]`, `["map",["a"]]`,
			`["map",{}]`, `["set",[]]`, `["map",[["a","b"]],1]`}},
		{"object", object, []string{``, `[]`, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1 "b":2}`, `{,}`}},
		{"array", array, []string{``, `{}`, `[`, `[1`, `[1,]`, `[,]`, `[1 2]`}},
	} {
		for _, in := range c.in {
			r := NewReader([]byte(in))
			if err := c.read(r); err == nil && r.End() == nil {
				t.Errorf("%s: %.60q passes", c.name, in)
			}
		}
	}
}

func TestValues(t *testing.T) {
	r := NewReader([]byte(` {"a" : ["set",[["uuid","u1"],["named-uuid","u2"]]], "b":["uuid","u3"], "m":["map",[["k","v\u00e4\""]]], "n":[-5,1.5,true,null]} `))
	var got []string
	err := r.Object(func(key []byte) error {
		got = append(got, string(key))
		switch string(key) {
		case "a", "b":
			return r.Set(func() error {
				id, err := r.UUID()
				got = append(got, id)
				return err
			})
		case "m":
			if r.Tagged() != "map" {
				t.Errorf("tagged %q", r.Tagged())
			}
			return r.Map(func(then func() error) error {
				k, err := r.String()
				if err != nil {
					return err
				}
				if err := then(); err != nil {
					return err
				}
				v, err := r.String()
				got = append(got, k, v)
				return err
			})
		}
		return r.Array(func(n int) (err error) {
			switch n {
			case 0:
				if i, err := r.Int(); err != nil || i != -5 {
					t.Errorf("int %d, %v", i, err)
				}
			case 1:
				if f, err := r.Float(); err != nil || f != 1.5 {
					t.Errorf("float %v, %v", f, err)
				}
			case 2:
				if b, err := r.Bool(); err != nil || !b {
					t.Errorf("bool %v, %v", b, err)
				}
			case 3:
				if !r.Null() {
					t.Error("null is not")
				}
			}
			return nil
		})
	})
	if err == nil {
		err = r.End()
	}
	if want := `a u1 u2 b u3 m k vä" n`; err != nil || strings.Join(got, " ") != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// FuzzRaw: what encoding/json takes for a value, Raw skips to its very end; and
// nothing makes a Reader panic.
func FuzzRaw(f *testing.F) {
	for _, s := range []string{`{"a":[1,"\\\"",{}]}`, `"\ud800"`, `-0.1e5`, `["set",[]]`, `[`, `"\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(b)
		_, err := r.Raw()
		if err == nil {
			err = r.End()
		}
		if err != nil && json.Valid(b) && !strings.Contains(err.Error(), "nested") {
			t.Fatalf("%q: %v", b, err)
		}
		_ = NewReader(b).Set(func() error { return nil })
		_ = NewReader(b).Map(func(then func() error) error { return then() })
		_, _ = NewReader(b).UUID()
		_, _ = NewReader(b).Int()
		_, _ = NewReader(b).Float()
	})
}
