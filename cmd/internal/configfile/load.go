package configfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// fileError points into a configuration file.
type fileError struct {
	file string
	line int
	err  error
}

func (e *fileError) Error() string { return fmt.Sprintf("%s:%d: %v", e.file, e.line, e.err) }

func (e *fileError) Unwrap() error { return e.err }

// Load sets what the text of a configuration file says, and reports all that is
// wrong with it, as NAME:LINE: KEY: REASON.
func Load(name string, text []byte, keys []Key) error {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return syntaxError(name, err)
	}
	l := &loader{name: name, keys: keys, seen: map[string]bool{}}
	for i, doc := range f.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType {
			continue // nothing but comments
		}
		if i > 0 {
			l.fail(doc.Body, errors.New("a configuration file is one document"))
			break
		}
		l.walk(doc.Body, "")
	}
	return errors.Join(l.errs...)
}

func syntaxError(name string, err error) error {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		reason := y.GetMessage()
		if strings.Contains(reason, "\t") {
			reason = "a tab: YAML is indented with spaces"
		}
		return &fileError{name, y.GetToken().Position.Line, errors.New(reason)}
	}
	return fmt.Errorf("%s: %w", name, err)
}

type loader struct {
	name string
	keys []Key
	seen map[string]bool // those that have a value
	errs []error
}

func (l *loader) fail(n ast.Node, err error) { l.failAt(n.GetToken(), err) }

func (l *loader) failAt(t *token.Token, err error) {
	line := 0
	if t != nil && t.Position != nil {
		line = t.Position.Line
	}
	l.errs = append(l.errs, &fileError{l.name, line, err})
}

// walk reads a mapping; prefix is "" or the section's key with a dot.
func (l *loader) walk(n ast.Node, prefix string) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return // a section whose keys are all commented out
	default:
		where := "the file"
		if prefix != "" {
			where = strings.TrimSuffix(prefix, ".")
		}
		l.fail(n, fmt.Errorf("%s: want keys with values, not %s", where, nodeWord(n)))
		return
	}
	for _, p := range pairs {
		key := prefix + p.Key.GetToken().Value
		if i := slices.IndexFunc(l.keys, func(k Key) bool { return k.Name == key }); i >= 0 {
			l.value(l.keys[i], p)
			continue
		}
		if slices.Contains(l.sections(), key) {
			l.walk(p.Value, key+".")
			continue
		}
		l.failAt(p.Key.GetToken(), l.unknown(key))
	}
}

func (l *loader) value(k Key, p *ast.MappingValueNode) {
	if l.seen[k.Name] {
		l.failAt(p.Key.GetToken(), fmt.Errorf("%s: given twice", k.Name))
		return
	}
	l.seen[k.Name] = true
	values, ok := nodeValues(k.Kind, p.Value)
	if !ok {
		got := nodeWord(p.Value)
		if list, ok := p.Value.(*ast.SequenceNode); ok && k.Kind == List {
			odd := slices.IndexFunc(list.Values, func(v ast.Node) bool { _, ok := v.(*ast.StringNode); return !ok })
			got = "one with " + nodeWord(list.Values[odd])
		}
		if _, scalar := p.Value.(ast.ScalarNode); scalar && k.Secret {
			got = "a number or another word that YAML knows: put it in quotes"
		}
		l.fail(p.Value, fmt.Errorf("%s: want %s, not %s", k.Name, k.Kind.want(), got))
		return
	}
	if err := k.Set(values); err != nil {
		l.fail(p.Value, fmt.Errorf("%s: %w", k.Name, err))
	}
}

// sections are the keys that hold others.
func (l *loader) sections() []string {
	var out []string
	for _, k := range l.keys {
		if section, _, ok := strings.Cut(k.Name, "."); ok {
			out = append(out, section)
		}
	}
	return slices.Compact(out)
}

func (l *loader) unknown(key string) error {
	candidates := l.sections()
	for _, k := range l.keys {
		candidates = append(candidates, k.Name)
	}
	if near := Nearest(key, candidates); near != "" {
		return fmt.Errorf("unknown key %s (did you mean %s?)", key, near)
	}
	return fmt.Errorf("unknown key %s", key)
}

// nodeValues returns what a node holds where it is of the kind.
func nodeValues(kind Kind, n ast.Node) ([]string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return []string{n.Value}, kind != Bool
	case *ast.BoolNode:
		return []string{n.GetToken().Value}, kind == Bool
	case *ast.SequenceNode:
		var out []string
		for _, v := range n.Values {
			s, ok := v.(*ast.StringNode)
			if !ok {
				return nil, false
			}
			out = append(out, s.Value)
		}
		return out, kind == List
	}
	return nil, false
}

// nodeWord names a node in an error.
func nodeWord(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + n.GetToken().Value
	}
	return fmt.Sprintf("%q", n.GetToken().Value)
}
