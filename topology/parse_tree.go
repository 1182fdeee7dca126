package topology

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// shape is what a node of a document is.
type shape uint8

const (
	isNull shape = iota
	isBool
	isNumber
	isText
	isMap
	isList
)

func (s shape) String() string {
	return [...]string{"nothing", "true or false", "a number", "text", "a mapping", "a list"}[s]
}

// node is a document as far as specs need one: no anchors, tags or merges.
type node struct {
	shape   shape
	at      place
	text    string  // of scalars, unquoted
	plain   bool    // isText that stands without quotes
	yes     bool    // isBool
	entries []entry // isMap
	items   []*node // isList
}

type entry struct {
	key   string
	at    place // of the key
	value *node
}

// parseError is why a file could not be read at all.
type parseError struct {
	at     place
	reason string
}

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{}
	}
	return place{t.Position.Line, t.Position.Column}
}

// parseTree reads a file's documents. What the parser could be made to spend
// too much on is refused by its tokens before.
func parseTree(data []byte) (docs []*node, failed *parseError) {
	// The parser is not ours, and has been seen to panic on odd input.
	defer func() {
		if r := recover(); r != nil {
			docs, failed = nil, &parseError{reason: "is neither YAML nor JSON"}
		}
	}()
	tokens := lexer.Tokenize(string(untabbed(data)))
	if err := checkTokens(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var e yaml.Error
		if errors.As(err, &e) {
			return nil, &parseError{placeOf(e.GetToken()), syntaxReason(e.GetMessage())}
		}
		return nil, &parseError{reason: "is neither YAML nor JSON"}
	}
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		n, err := convert(d.Body, 0)
		if err != nil {
			return nil, err
		}
		docs = append(docs, n)
	}
	return docs, nil
}

// untabbed returns a JSON file with its lines indented by spaces, one for a tab:
// the lexer takes tabs there and then counts columns wrongly. YAML's own blocks
// may not be indented by tabs, which is for the lexer to say.
func untabbed(data []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return data
	}
	out := bytes.Clone(data)
	indent := true
	for i, b := range out {
		switch {
		case b == '\n':
			indent = true
		case b == '\t' && indent:
			out[i] = ' '
		case b != ' ':
			indent = false
		}
	}
	return out
}

// checkTokens refuses what specs don't need and what nests too deep: flow
// collections in each other, and block ones that begin on one line.
func checkTokens(tokens token.Tokens) *parseError {
	depth, documents, line, onLine := 0, 1, 0, 0
	for _, t := range tokens {
		at := placeOf(t)
		if at.line != line {
			line, onLine = at.line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return &parseError{at, "anchors, aliases and merge keys are not allowed in a spec"}
		case token.TagType, token.DirectiveType:
			return &parseError{at, "tags and directives are not allowed in a spec"}
		case token.MappingKeyType:
			return &parseError{at, "complex keys are not allowed in a spec"}
		case token.DocumentHeaderType:
			documents++
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth = max(0, depth-1)
		case token.SequenceEntryType, token.MappingValueType:
			if depth == 0 {
				onLine++
			}
		}
		switch {
		case depth > maxDepth || onLine > maxDepth:
			return &parseError{at, fmt.Sprintf("nested deeper than %d", maxDepth)}
		case documents > maxDocuments+1:
			return &parseError{at, fmt.Sprintf("more than %d documents", maxDocuments)}
		}
	}
	return nil
}

func convert(n ast.Node, depth int) (*node, *parseError) {
	at := placeOf(n.GetToken())
	if depth > maxDepth {
		return nil, &parseError{at, fmt.Sprintf("nested deeper than %d", maxDepth)}
	}
	out := &node{at: at, text: n.GetToken().Value}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		out.shape, out.yes = isBool, n.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.shape = isNumber
	case *ast.StringNode:
		out.shape, out.text, out.plain = isText, n.Value, n.Token.Type == token.StringType
	case *ast.LiteralNode:
		out.shape, out.text = isText, n.Value.Value
	case *ast.SequenceNode:
		out.shape = isList
		for _, v := range n.Values {
			if text, ok := colonText(v); ok {
				out.items = append(out.items, text)
				continue
			}
			item, err := convert(v, depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
	case *ast.MappingNode:
		return convertMap(out, n.Values, depth)
	case *ast.MappingValueNode:
		return convertMap(out, []*ast.MappingValueNode{n}, depth)
	default:
		return nil, &parseError{at, fmt.Sprintf("a %s is not allowed in a spec", n.Type())}
	}
	return out, nil
}

func convertMap(out *node, values []*ast.MappingValueNode, depth int) (*node, *parseError) {
	out.shape = isMap
	if len(values) > 0 {
		out.at = placeOf(values[0].Key.GetToken()) // the token of a block mapping is its colon
	}
	for _, v := range values {
		t := v.Key.GetToken()
		value, err := convert(v.Value, depth+1)
		if err != nil {
			return nil, err
		}
		out.entries = append(out.entries, entry{key: t.Value, at: placeOf(t), value: value})
	}
	return out, nil
}
