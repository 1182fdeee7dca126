package flow

import "strings"

// outside goes through the bytes of text that no quotes and no parentheses
// enclose, until stop says so at one of them. It returns where, or -1.
func outside(text string, stop func(at int) bool) int {
	depth := 0
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			at = quoted(text, at)
			continue
		case '(':
			depth++
			continue
		case ')':
			depth--
			continue
		}
		if depth <= 0 && stop(at) {
			return at
		}
	}
	return -1
}

// quoted returns the index of the quote that ends a string which begins at
// text[at], or of the last byte if nothing ends it.
func quoted(text string, at int) int {
	for at++; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case '"':
			return at
		}
	}
	return len(text) - 1
}

// indexOutside finds a word.
func indexOutside(text, word string) int {
	return outside(text, func(at int) bool { return text[at] == word[0] && strings.HasPrefix(text[at:], word) })
}

// cutOutside cuts at the first of some separators.
func cutOutside(text, separators string) (before, after string, found bool) {
	at := outside(text, func(at int) bool { return strings.IndexByte(separators, text[at]) >= 0 })
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+1:], true
}

// identifier reports whether a name is one that Open vSwitch might give to a
// field or an action.
func identifier(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// balanced reports whether the parentheses and quotes in text match.
func balanced(text string) bool {
	depth := 0
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			end := quoted(text, at)
			if end == at || text[end] != '"' {
				return false
			}
			at = end
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0
}
