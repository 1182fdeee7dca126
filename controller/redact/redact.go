// Package redact takes secrets out of what is shown to others: by the names that
// values go by, by what values look like, and by the secrets themselves where they
// are known.
//
// What is left of a value is Removed. Tunnel keys are no secrets: they are
// numbers that every frame carries.
//
// It is pure: it does no I/O and starts no goroutine.
package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Removed stands where a secret was.
const Removed = "[removed]"

// Redactor takes secrets out. It may be used by several goroutines.
type Redactor struct {
	known []string
	text  []*regexp.Regexp // the first submatch of each stays
}

// shortest is how long a known secret must be at least: a shorter one would be
// found everywhere.
const shortest = 6

// New returns a Redactor that knows some secrets, wherever they stand.
func New(known ...string) *Redactor {
	r := &Redactor{}
	for _, k := range known {
		if len(k) >= shortest {
			r.known = append(r.known, k)
		}
	}
	slices.SortFunc(r.known, func(a, b string) int { return len(b) - len(a) }) // one may hold another
	for _, p := range []string{
		`()-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)`,
		`((?i)\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}`,
		`()\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`, // a JSON web token
		`([a-z][a-z0-9+.-]*://[^/\s:@"]*:)[^/\s@"]+@`,           // user:password@ of a URL
		`((?i)[\w.-]*(?:secret|token|passw(?:or)?d|passphrase|psk|private[_-]?key|credential|api[_-]?key)[\w.-]*[\\"']*\s*[:=]\s*)(?:\\*"[^"\\]*\\*"|'[^']*'|[^\s",;}\])]+)`,
	} {
		r.text = append(r.text, regexp.MustCompile(p))
	}
	return r
}

// Text returns text without secrets.
func (r *Redactor) Text(s string) string {
	for _, k := range r.known {
		s = strings.ReplaceAll(s, k, Removed)
	}
	for _, p := range r.text {
		s = p.ReplaceAllString(s, "${1}"+Removed)
	}
	return s
}

// Map returns a map, as external_ids is one, without secrets.
func (r *Redactor) Map(m map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	clean := make(map[string]string, len(m))
	for k, v := range m {
		clean[r.Text(k)] = r.value(k, v)
	}
	return clean
}

// value returns what goes by a name.
func (r *Redactor) value(name, v string) string {
	if v != "" && secretName(name) && !harmless(v) {
		return Removed
	}
	return r.Text(v)
}

// JSON returns a document without secrets; its numbers and the order of its
// lists are as they were.
func (r *Redactor) JSON(doc []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("redact: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("redact: more than one document")
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r.walk("", v)); err != nil {
		return nil, fmt.Errorf("redact: %w", err)
	}
	return b.Bytes(), nil
}

func (r *Redactor) walk(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		clean := make(map[string]any, len(v))
		for k, x := range v {
			clean[r.Text(k)] = r.walk(k, x)
		}
		return clean
	case []any:
		for i := range v {
			v[i] = r.walk(name, v[i])
		}
		return v
	case string:
		return r.value(name, v)
	case json.Number:
		if secretName(name) && !harmless(v.String()) {
			return Removed
		}
	}
	return v
}

// secretName reports whether what goes by a name is most likely secret.
func secretName(name string) bool {
	ws := words(name)
	for i, w := range ws {
		switch w {
		case "secret", "secrets", "token", "tokens", "password", "passwords", "passwd", "passphrase", "pass", "pwd", "psk",
			"credential", "credentials", "auth", "authorization", "apikey", "ssl", "privkey", "private":
			return true
		case "key":
			// "key" by itself, in and out, are those of tunnels.
			if i > 0 && !slices.Contains([]string{"in", "out"}, ws[i-1]) {
				return true
			}
		}
		for _, part := range []string{"secret", "password", "passphrase", "privatekey"} {
			if strings.Contains(w, part) {
				return true
			}
		}
	}
	return false
}

// harmless reports whether a value can be no secret.
func harmless(v string) bool {
	switch v {
	case "true", "false", "none", "flow", Removed:
		return true
	}
	return len(v) < 4
}

// words splits a name at what is no letter or digit, and where a capital begins
// a word, in lower case.
func words(name string) []string {
	var list []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			list = append(list, strings.ToLower(string(word)))
			word = nil
		}
	}
	lower := false
	for _, c := range name {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			end()
			lower = false
			continue
		case unicode.IsUpper(c) && lower:
			end()
		}
		word = append(word, c)
		lower = !unicode.IsUpper(c)
	}
	end()
	return list
}
