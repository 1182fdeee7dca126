package apitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Schema is the part of JSON Schema that is understood.
type Schema struct {
	Ref         string             `json:"$ref"`
	Description string             `json:"description"`
	Type        string             `json:"type"`
	Pattern     string             `json:"pattern"`
	Enum        []string           `json:"enum"`
	Minimum     *int64             `json:"minimum"`
	Maximum     *int64             `json:"maximum"`
	Items       *Schema            `json:"items"`
	Properties  map[string]*Schema `json:"properties"`
	Required    []string           `json:"required"`
	Additional  *bool              `json:"additionalProperties"`
}

const components = "#/components/schemas/"

func (d *Document) checkSchema(p *problems, at string, s *Schema) {
	if s.Ref != "" {
		name, ok := strings.CutPrefix(s.Ref, components)
		if !ok || d.Components.Schemas[name] == nil {
			p.add("%s: %s leads nowhere", at, s.Ref)
		}
		if s.Type != "" || s.Properties != nil || s.Items != nil {
			p.add("%s: a reference that is a schema of its own, too", at)
		}
		return
	}
	switch s.Type {
	case "string", "integer", "boolean":
	case "array":
		if s.Items == nil {
			p.add("%s: an array of what?", at)
			return
		}
		d.checkSchema(p, at+"[]", s.Items)
	case "object":
		for name, property := range s.Properties {
			if property == nil {
				p.add("%s.%s: there is nothing", at, name)
				continue
			}
			d.checkSchema(p, at+"."+name, property)
		}
	default:
		p.add("%s: type %q", at, s.Type)
	}
	if s.Enum != nil && (len(s.Enum) == 0 || s.Type != "string") || s.Pattern != "" && s.Type != "string" ||
		(s.Minimum != nil || s.Maximum != nil) && s.Type != "integer" ||
		(s.Properties != nil || s.Required != nil || s.Additional != nil) && s.Type != "object" || s.Items != nil && s.Type != "array" {
		p.add("%s: keywords that a %s has no use for", at, s.Type)
	}
	if _, err := regexp.Compile(s.Pattern); err != nil {
		p.add("%s: %w", at, err)
	}
	for _, name := range s.Required {
		if s.Properties[name] == nil {
			p.add("%s: %s is required and not described", at, name)
		}
	}
}

// validate checks a value, as encoding/json decodes it with UseNumber.
func (d *Document) validate(p *problems, at string, s *Schema, v any) {
	if name, ok := strings.CutPrefix(s.Ref, components); ok {
		d.validate(p, at, d.Components.Schemas[name], v)
		return
	}
	switch v := v.(type) {
	case string:
		switch {
		case s.Type != "string":
			p.add("%s: %q, want %s", at, v, s.Type)
		case s.Enum != nil && !slices.Contains(s.Enum, v):
			p.add("%s: %q is not one of %q", at, v, s.Enum)
		case s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v):
			p.add("%s: %q is not like %s", at, v, s.Pattern)
		}
	case json.Number:
		n, whole := new(big.Int).SetString(string(v), 10)
		switch {
		case s.Type != "integer" || !whole:
			p.add("%s: %s, want %s", at, v, s.Type)
		case s.Minimum != nil && n.Cmp(big.NewInt(*s.Minimum)) < 0 || s.Maximum != nil && n.Cmp(big.NewInt(*s.Maximum)) > 0:
			p.add("%s: %s is out of range", at, v)
		}
	case bool:
		if s.Type != "boolean" {
			p.add("%s: %v, want %s", at, v, s.Type)
		}
	case []any:
		if s.Type != "array" {
			p.add("%s: an array, want %s", at, s.Type)
			return
		}
		for i, item := range v {
			d.validate(p, fmt.Sprintf("%s[%d]", at, i), s.Items, item)
		}
	case map[string]any:
		if s.Type != "object" {
			p.add("%s: an object, want %s", at, s.Type)
			return
		}
		d.validateObject(p, at, s, v)
	default:
		p.add("%s: %v, want %s", at, v, s.Type)
	}
}

func (d *Document) validateObject(p *problems, at string, s *Schema, v map[string]any) {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			p.add("%s.%s: missing", at, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		property := s.Properties[name]
		switch {
		case property != nil:
			d.validate(p, at+"."+name, property, v[name])
		case s.Additional != nil && !*s.Additional:
			p.add("%s.%s: not described", at, name)
		}
	}
}

// Validate checks a JSON text against the schema of that name.
func (d *Document) Validate(name string, text []byte) error {
	if d.Components.Schemas[name] == nil {
		return fmt.Errorf("there is no schema %s", name)
	}
	return d.body(&Schema{Ref: components + name}, text)
}

func (d *Document) body(s *Schema, text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("body is not UTF-8")
	}
	in := json.NewDecoder(strings.NewReader(string(text)))
	in.UseNumber()
	var v any
	if err := in.Decode(&v); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if in.More() {
		return errors.New("body: more than one value")
	}
	var p problems
	d.validate(&p, "body", s, v)
	return errors.Join(p...)
}
