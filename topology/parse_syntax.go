package topology

import "strings"

// syntaxReason says in a sentence of ours what is wrong with a file that can't
// be read. The parser speaks of its own tokens, and of where it gave up.
func syntaxReason(message string) string {
	for _, s := range []struct{ said, reason string }{
		{"found character '\t'", "the line is indented by a tab: YAML wants spaces"},
		{"flow mapping end token '}' not found", "this { has no } of its own"},
		{"could not find flow mapping end token '}'", "this { has no } of its own"},
		{"sequence end token ']' not found", "this [ has no ] of its own"},
		{"could not find '{' character", "there is no { that this } could close"},
		{"could not find '[' character", "there is no [ that this ] could close"},
		{"',' or '}' must be specified", "want a comma or a } before this"},
		{"',' or ']' must be specified", "want a comma or a ] before this"},
		{"mapping value is not allowed", "a second field begins here: put text that holds a colon in quotes, or look at the indentation"},
		{"value is not allowed in this context", "this belongs to nothing: look at the indentation, and at what stands before it"},
		{"end character of single-quoted text", "the quote ' is not closed"},
		{"end character of double-quoted text", "the quote \" is not closed, or what it holds has a \\ that stands for nothing"},
		{"is a reserved character", "text that begins with this character has to stand in quotes"},
		{"could not find flow map content", "want FIELD: VALUE here"},
		{"non-map value is specified", "want FIELD: VALUE here"},
		{"invalid key", "want FIELD: VALUE here"},
		{"unexpected scalar value", "want a value here"},
	} {
		if strings.Contains(message, s.said) {
			return s.reason
		}
	}
	return "is neither YAML nor JSON: " + message
}
