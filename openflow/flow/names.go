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
	var b strings.Builder
	var inside []string // what the parentheses belong to that enclose at, and how far their lists are
	key := ""           // what stands before at: the end of "output:", "table=", …
	for at := 0; at < len(actions); {
		end := at
		for end < len(actions) && strings.IndexByte(`(),=:`, actions[end]) < 0 {
			if actions[end] == '"' {
				end = quoted(actions, end)
			}
			if strings.HasPrefix(actions[end:], "->") {
				break
			}
			end++
		}
		text := actions[at:end]
		place := key
		if len(inside) > 0 && place == "" {
			place = inside[len(inside)-1]
		}
		switch place {
		case "output:", "resubmit:", "enqueue:", "port=", "in_port=", "sampling_port=", "actset_output=", "resubmit(", "members:":
			text = n.portText(text)
		case "set_field:":
			if strings.HasPrefix(actions[end:], "->in_port") {
				text = n.portText(text)
			}
		case "table=", "goto_table:", "resubmit(,":
			if t, ok := n.table(text); ok {
				text = strconv.Itoa(int(t))
			}
		}
		b.WriteString(text)
		if end == len(actions) {
			break
		}
		separator := actions[end]
		if separator == '-' {
			b.WriteString("->")
			at, key = end+2, "->"
			continue
		}
		b.WriteByte(separator)
		at = end + 1
		switch separator {
		case '(':
			inside, key = append(inside, text+"("), ""
		case ')':
			if len(inside) > 0 {
				inside = inside[:len(inside)-1]
			}
			key = ""
		case ',':
			if key = ""; place == "members:" {
				key = place
			} else if len(inside) > 0 && inside[len(inside)-1] == "resubmit(" {
				inside[len(inside)-1] = "resubmit(,"
			}
		default:
			key = text + string(separator)
		}
	}
	return b.String()
}
