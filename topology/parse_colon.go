package topology

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// colonText returns the text that an item of a list is where the parser took it
// apart at a colon, like fd00::1 in {ips: [fd00::1]}. In YAML a colon in plain
// text ends a key only if a space follows it (YAML 1.2.2 §7.3.3).
func colonText(n ast.Node) (*node, bool) {
	m, ok := n.(*ast.MappingNode)
	if !ok || len(m.Values) != 1 || m.Start.Type == token.MappingStartType {
		return nil, false
	}
	v := m.Values[0]
	key, colon, value := v.Key.GetToken(), v.GetToken(), v.Value.GetToken()
	if colon.Type != token.MappingValueType || !isPlain(key) || !isPlain(value) ||
		!follows(key, colon) || !follows(colon, value) {
		return nil, false
	}
	return &node{shape: isText, at: placeOf(key), text: key.Value + ":" + value.Value, plain: true}, true
}

func isPlain(t *token.Token) bool {
	return t.Type == token.StringType || t.Type == token.IntegerType || t.Type == token.FloatType
}

// follows reports whether nothing stands between two tokens, of which the first
// is ASCII.
func follows(a, b *token.Token) bool {
	at, next := placeOf(a), placeOf(b)
	return at.line > 0 && at.line == next.line && at.column+len(a.Value) == next.column
}
