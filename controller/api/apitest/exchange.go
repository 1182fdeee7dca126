package apitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// CheckQuery checks a request's query. Every parameter must be described, and
// given once.
func (o *Operation) CheckQuery(q url.Values) error {
	var p problems
	for _, par := range o.Parameters {
		if par.In == "query" && par.Required && !q.Has(par.Name) {
			p.add("parameter %s: missing", par.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		i := slices.IndexFunc(o.Parameters, func(par Parameter) bool { return par.In == "query" && par.Name == name })
		if i < 0 || len(q[name]) != 1 {
			p.add("parameter %s: not described, or given %d times", name, len(q[name]))
			continue
		}
		o.document.validate(&p, "parameter "+name, o.Parameters[i].Schema, scalar(o.Parameters[i].Schema, q[name][0]))
	}
	return errors.Join(p...)
}

// scalar reads a parameter's text as its schema wants it; the text itself where
// it is nothing like it.
func scalar(s *Schema, text string) any {
	switch s.Type {
	case "integer":
		if json.Valid([]byte(text)) {
			return json.Number(text)
		}
	case "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	}
	return text
}

// CheckBody checks a request's body of a media type. What is not JSON must be
// handed in as the JSON that it stands for.
func (o *Operation) CheckBody(contentType string, body []byte) error {
	if o.RequestBody == nil {
		if len(body) > 0 {
			return errors.New("a body where none is described")
		}
		return nil
	}
	m, err := pick(o.RequestBody.Content, contentType)
	if err != nil {
		return err
	}
	return o.document.body(m.Schema, body)
}

// CheckAnswer checks an answer: its status code, media type and body. Of
// server-sent events each one's data is checked.
func (o *Operation) CheckAnswer(status int, contentType string, body []byte) error {
	r, ok := o.Responses[strconv.Itoa(status)]
	if !ok {
		return fmt.Errorf("status %d is not described", status)
	}
	m, err := pick(r.Content, contentType)
	if err != nil {
		return err
	}
	switch kind, _, _ := mime.ParseMediaType(contentType); kind {
	case "text/plain":
		var p problems
		o.document.validate(&p, "body", m.Schema, string(body))
		return errors.Join(p...)
	case "application/octet-stream":
		if m.Schema.Type != "string" {
			return fmt.Errorf("bytes that are described as %s", m.Schema.Type)
		}
		return nil
	case "text/event-stream":
		var all []error
		for line := range strings.Lines(string(body)) {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				all = append(all, o.document.body(m.Schema, []byte(data)))
			}
		}
		return errors.Join(all...)
	}
	return o.document.body(m.Schema, body)
}

func pick(content map[string]Media, contentType string) (Media, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return Media{}, fmt.Errorf("media type %q: %w", contentType, err)
	}
	m, ok := content[kind]
	if !ok {
		return m, fmt.Errorf("media type %s is not described", kind)
	}
	return m, nil
}
