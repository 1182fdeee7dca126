package api

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"strings"

	"ovsmesh/topology"
)

// schema is the part of JSON Schema 2020-12 that describes our Go types.
type schema struct {
	Ref         string             `json:"$ref,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        string             `json:"type,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Minimum     *int64             `json:"minimum,omitempty"`
	Maximum     *int64             `json:"maximum,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Additional  *bool              `json:"additionalProperties,omitempty"`
}

// shapes collects the schemas of the types that it was asked for, by name.
type shapes struct {
	schemas  map[string]*schema
	meanings map[string]string
}

// of returns the schema of a value's type.
func (t *shapes) of(v any) *schema { return t.shape(reflect.TypeOf(v)) }

// shape returns the schema of what encoding/json makes of a type. It panics at
// a type that JSON has no words for: a mistake in the table of routes, which
// the tests look through.
func (t *shapes) shape(typ reflect.Type) *schema {
	if s := textShape(typ); s != nil {
		return s
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return t.shape(typ.Elem()) // ours are left out where they are nil
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Int, reflect.Int64:
		return &schema{Type: "integer"}
	case reflect.Uint16:
		return &schema{Type: "integer", Minimum: pointer(int64(0)), Maximum: pointer(int64(1<<16 - 1))}
	case reflect.Uint32:
		return &schema{Type: "integer", Minimum: pointer(int64(0)), Maximum: pointer(int64(1<<32 - 1))}
	case reflect.Uint64:
		return &schema{Type: "integer", Minimum: pointer(int64(0))}
	case reflect.Slice:
		return &schema{Type: "array", Items: t.shape(typ.Elem())}
	case reflect.Map:
		return &schema{Type: "object"}
	case reflect.Struct:
		return t.object(typ)
	}
	panic(fmt.Sprintf("no schema for %v", typ))
}

// textShape returns the schema of a type that is encoded as text by itself.
func textShape(typ reflect.Type) *schema {
	switch typ {
	case reflect.TypeFor[topology.MAC]():
		return &schema{Type: "string", Pattern: "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$"}
	case reflect.TypeFor[netip.Addr]():
		return &schema{Type: "string", Pattern: "^[0-9A-Fa-f:.]+$"}
	case reflect.TypeFor[topology.KeyRange]():
		return &schema{Type: "string", Pattern: "^[0-9]+(-[0-9]+)?$"}
	case reflect.TypeFor[topology.Encap]():
		return &schema{Type: "string", Enum: []string{string(topology.GRE), string(topology.VXLAN)}}
	}
	if typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		panic(fmt.Sprintf("no schema for the text of %v", typ))
	}
	return nil
}

// object returns a reference to the schema of a struct, which it describes once.
func (t *shapes) object(typ reflect.Type) *schema {
	name := shapeName(typ)
	if _, ok := t.schemas[name]; !ok {
		s := &schema{Type: "object", Description: t.meanings[name], Properties: map[string]*schema{}, Additional: new(bool)}
		t.schemas[name] = s // before its fields, which may hold it
		t.fields(typ, s)
	}
	return &schema{Ref: "#/components/schemas/" + name}
}

// shapeName returns the name of a struct in the description: that of its type.
// What package audit calls Report needs some more.
func shapeName(typ reflect.Type) string {
	if strings.HasSuffix(typ.PkgPath(), "/audit") {
		return "Audit" + typ.Name()
	}
	return typ.Name()
}

// fields adds the fields of a struct as encoding/json names them, those of
// embedded structs as its own.
func (t *shapes) fields(typ reflect.Type, s *schema) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag := f.Tag.Get("json")
		if f.Anonymous && tag == "" {
			t.fields(f.Type, s)
			continue
		}
		field, options, _ := strings.Cut(tag, ",")
		shape := t.shape(f.Type)
		shape.Description = t.meanings[shapeName(typ)+"."+field]
		if choice := words(shapeName(typ) + "." + field); choice != nil {
			shape.Enum = choice
		}
		s.Properties[field] = shape
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			s.Required = append(s.Required, field)
		}
	}
}
