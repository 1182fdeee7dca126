package main

import (
	"io"
	"strings"
)

// forPeople returns a writer that leaves out what a terminal would not print but
// obey. Much of what is shown comes from hosts, names and errors of interfaces
// say, and who can set those must not get at the operator's terminal. Each write
// is of whole characters.
func forPeople(w io.Writer) io.Writer { return peopleWriter{w} }

type peopleWriter struct{ w io.Writer }

func (p peopleWriter) Write(text []byte) (int, error) {
	clean := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return printableRune(r)
	}, string(text))
	if _, err := io.WriteString(p.w, clean); err != nil {
		return 0, err
	}
	return len(text), nil
}

// printable takes out of a line what a terminal would not print but obey.
func printable(line string) string { return strings.Map(printableRune, line) }

// printableRune returns -1 for a control character.
func printableRune(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return -1
	}
	return r
}
