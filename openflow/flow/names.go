package flow

import (
	"strconv"
	"strings"
)

// Names says which numbers the names in a dump stand for. A function that is
// nil knows none.
type Names struct {
	Port  func(name string) (uint32, bool)
	Table func(name string) (uint8, bool)
}

// table returns the table of a name.
func (n Names) table(text string) (uint8, bool) {
	name, isName := word(text)
	if !isName || n.Table == nil {
		return 0, false
	}
	return n.Table(name)
}

// portText returns a port by its number; as it stands, if it is no name or
// nobody knows it.
func (n Names) portText(text string) string {
	name, isName := word(text)
	if !isName || n.Port == nil {
		return text
	}
	if _, reserved := namedPort(text); reserved {
		return text // a port of such a name stands in quotes
	}
	if port, ok := n.Port(name); ok {
		return strconv.FormatUint(uint64(port), 10)
	}
	return text
}

// word returns the name that a text is, in quotes or without; false for a
// number and for nothing.
func word(text string) (name string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		name, err := strconv.Unquote(text)
		return name, err == nil
	}
	return text, text != "" && (text[0] < '0' || text[0] > '9')
}

// numbers replaces the names of ports and tables in actions by their numbers.
func (n Names) numbers(actions string) string {
	if n.Port == nil && n.Table == nil {
		return actions
	}
	r := renamer{names: n}
	for actions != "" {
		actions = r.step(actions)
	}
	return r.out.String()
}

// renamer goes through actions word by word. Whether a word names a port or a
// table follows from what stands before it.
type renamer struct {
	names  Names
	out    strings.Builder
	before string   // word and separator, like "output:" or "table="; "" after a comma
	inside []string // what the parentheses belong to that are open, like "resubmit("
}

// step takes the first word and the separator after it, and returns the rest.
func (r *renamer) step(text string) string {
	end := 0
	for end < len(text) && strings.IndexByte("(),=:", text[end]) < 0 && !strings.HasPrefix(text[end:], "->") {
		if text[end] == '"' {
			end = quoted(text, end)
		}
		end++
	}
	word, place := text[:end], r.place()
	r.out.WriteString(r.number(place, word, text[end:]))
	if end == len(text) {
		return ""
	}
	separator := text[end : end+1]
	if separator == "-" {
		separator = "->"
	}
	r.out.WriteString(separator)
	r.before = word + separator
	last := len(r.inside) - 1
	switch separator {
	case "(":
		r.inside, r.before = append(r.inside, r.before), ""
	case ")":
		r.inside, r.before = r.inside[:max(last, 0)], ""
	case ",":
		r.before = ""
		if place == "members:" { // a list to the end of its parentheses
			r.before = place
		} else if last >= 0 && r.inside[last] == "resubmit(" { // a port, then a table
			r.inside[last] = "resubmit(,"
		}
	}
	return text[end+len(separator):]
}

// place says what the next word stands behind.
func (r *renamer) place() string {
	if r.before == "" && len(r.inside) > 0 {
		return r.inside[len(r.inside)-1]
	}
	return r.before
}

// number returns a word, or the number that it stands for at a place; after is
// what follows it.
func (r *renamer) number(place, word, after string) string {
	switch place {
	case "output:", "resubmit:", "enqueue:", "port=", "in_port=", "sampling_port=", "actset_output=", "resubmit(", "members:":
		return r.names.portText(word)
	case "set_field:":
		if strings.HasPrefix(after, "->in_port") {
			return r.names.portText(word)
		}
	case "table=", "goto_table:", "resubmit(,":
		if t, ok := r.names.table(word); ok {
			return strconv.Itoa(int(t))
		}
	}
	return word
}
