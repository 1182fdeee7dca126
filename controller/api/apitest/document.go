// Package apitest holds an API to its OpenAPI description, in tests: Parse reads
// the description and demands that it is well formed; Operation finds what it
// says of a request, whose parts and answers can then be checked against it.
//
// It knows that part of OpenAPI 3.1 and JSON Schema 2020-12 which ovsmesh uses,
// and refuses keywords beyond it: one that is not understood checks nothing.
package apitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Document is an OpenAPI description.
type Document struct {
	OpenAPI string `json:"openapi"`
	Info    struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	} `json:"info"`
	Security   []map[string][]string            `json:"security"`
	Paths      map[string]map[string]*Operation `json:"paths"`
	Components struct {
		Schemas         map[string]*Schema        `json:"schemas"`
		SecuritySchemes map[string]map[string]any `json:"securitySchemes"`
	} `json:"components"`
}

// Operation is what one path does with one method.
type Operation struct {
	OperationID string                 `json:"operationId"`
	Summary     string                 `json:"summary"`
	Security    *[]map[string][]string `json:"security"`
	Parameters  []Parameter            `json:"parameters"`
	RequestBody *struct {
		Description string           `json:"description"`
		Required    bool             `json:"required"`
		Content     map[string]Media `json:"content"`
	} `json:"requestBody"`
	Responses map[string]Response `json:"responses"`

	document *Document
}

// Parameter is a part of a path, query or header.
type Parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Required    bool    `json:"required"`
	Schema      *Schema `json:"schema"`
}

// Response is an answer of one status code.
type Response struct {
	Description string           `json:"description"`
	Content     map[string]Media `json:"content"`
}

// Media is a body of one media type.
type Media struct {
	Schema *Schema `json:"schema"`
}

// Parse reads a description. Everything that is wrong with it is in the error.
func Parse(text []byte) (*Document, error) {
	d := &Document{}
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(d); err != nil {
		return nil, fmt.Errorf("description: %w", err)
	}
	return d, d.check()
}

// Operation finds what serves a request: the path without its query.
func (d *Document) Operation(method, path string) (*Operation, error) {
	for _, pattern := range d.byPrecision() {
		if !fits(pattern, path) {
			continue
		}
		if op := d.Paths[pattern][strings.ToLower(method)]; op != nil {
			return op, nil
		}
		return nil, fmt.Errorf("%s %s: %s has no such method", method, path, pattern)
	}
	return nil, fmt.Errorf("%s %s: no such path", method, path)
}

// byPrecision returns the paths, those without parameters first.
func (d *Document) byPrecision() []string {
	return slices.SortedFunc(maps.Keys(d.Paths), func(a, b string) int {
		if n := strings.Count(a, "{") - strings.Count(b, "{"); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
}

func fits(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && (!strings.HasPrefix(want[i], "{") || got[i] == "") {
			return false
		}
	}
	return true
}

// problems collects what is wrong.
type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

// check demands what OpenAPI 3.1 demands of a document, as far as JSON's own
// shape has not shown it.
func (d *Document) check() error {
	var p problems
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		p.add("openapi: %q is not 3.1", d.OpenAPI)
	}
	if d.Info.Title == "" || d.Info.Version == "" {
		p.add("info: title and version are needed")
	}
	if len(d.Paths) == 0 {
		p.add("paths: there are none")
	}
	d.checkSecurity(&p, "security", d.Security)
	for name, s := range d.Components.Schemas {
		if s == nil {
			p.add("schema %s: there is nothing", name)
			continue
		}
		d.checkSchema(&p, "schema "+name, s)
	}
	ids := map[string]string{}
	for path, item := range d.Paths {
		if !strings.HasPrefix(path, "/") {
			p.add("%s: a path begins with /", path)
		}
		for method, op := range item {
			at := method + " " + path
			if !slices.Contains([]string{"get", "put", "post", "delete", "patch", "head", "options", "trace"}, method) || op == nil {
				p.add("%s: no such method", at)
				continue
			}
			op.document = d
			if other, taken := ids[op.OperationID]; taken || op.OperationID == "" {
				p.add("%s: operationId %q is not its own (%s)", at, op.OperationID, other)
			}
			ids[op.OperationID] = at
			d.checkOperation(&p, at, path, op)
		}
	}
	return errors.Join(p...)
}

func (d *Document) checkOperation(p *problems, at, path string, op *Operation) {
	if op.Security != nil {
		d.checkSecurity(p, at, *op.Security)
	}
	seen := map[string]bool{}
	for _, par := range op.Parameters {
		key := par.In + " " + par.Name
		switch {
		case par.Name == "" || par.Schema == nil || par.Description == "":
			p.add("%s: parameter %q needs a name, a schema and a description", at, par.Name)
			continue
		case !slices.Contains([]string{"path", "query", "header", "cookie"}, par.In):
			p.add("%s: parameter %s is in %q", at, par.Name, par.In)
		case seen[key]:
			p.add("%s: parameter %s is there twice", at, par.Name)
		case par.In == "path" && (!par.Required || !strings.Contains(path, "{"+par.Name+"}")):
			p.add("%s: parameter %s must be required and in the path", at, par.Name)
		}
		seen[key] = true
		d.checkSchema(p, at+": parameter "+par.Name, par.Schema)
	}
	for part := range strings.SplitSeq(path, "/") {
		if name := strings.Trim(part, "{}"); name != part && !seen["path "+name] {
			p.add("%s: parameter %s is not described", at, name)
		}
	}
	if b := op.RequestBody; b != nil {
		d.checkContent(p, at+": body", b.Content)
	}
	if len(op.Responses) == 0 {
		p.add("%s: it has no answer", at)
	}
	for code, r := range op.Responses {
		if n, err := strconv.Atoi(code); err != nil || n < 100 || n > 599 || r.Description == "" {
			p.add("%s: answer %q needs a status code and a description", at, code)
		}
		d.checkContent(p, at+": "+code, r.Content)
	}
}

func (d *Document) checkContent(p *problems, at string, content map[string]Media) {
	if len(content) == 0 {
		p.add("%s: it has no content", at)
	}
	for kind, m := range content {
		if strings.Count(kind, "/") != 1 || m.Schema == nil {
			p.add("%s: %q needs to be a media type with a schema", at, kind)
			continue
		}
		d.checkSchema(p, at, m.Schema)
	}
}

func (d *Document) checkSecurity(p *problems, at string, list []map[string][]string) {
	for _, way := range list {
		for name := range way {
			if d.Components.SecuritySchemes[name] == nil {
				p.add("%s: there is no security scheme %q", at, name)
			}
		}
	}
}
