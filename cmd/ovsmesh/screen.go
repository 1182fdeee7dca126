package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// screen is a terminal that is drawn on as a whole, in its alternate buffer
// (xterm's control sequences, which all terminals of today know).
type screen struct {
	out    *os.File
	before *unix.Termios // nil where the input is no terminal
	input  int
}

// The size of a terminal that does not tell its own.
const (
	usualColumns = 80
	usualRows    = 24
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// newScreen returns nil where w is no terminal.
func newScreen(w io.Writer) *screen {
	if !isTerminal(w) {
		return nil
	}
	return &screen{out: w.(*os.File), input: int(os.Stdin.Fd())}
}

// open switches to the alternate buffer, and off the echo of keys, which would
// run across what is drawn; each key comes at once. Ctrl-C works as ever.
func (s *screen) open() error {
	if was, err := unix.IoctlGetTermios(s.input, unix.TCGETS); err == nil {
		quiet := *was
		quiet.Lflag &^= unix.ECHO | unix.ICANON
		quiet.Cc[unix.VMIN], quiet.Cc[unix.VTIME] = 1, 0
		if unix.IoctlSetTermios(s.input, unix.TCSETS, &quiet) == nil && s.before == nil {
			s.before = was
		}
	}
	return s.write("\x1b[?1049h\x1b[?25l")
}

// close puts everything back. A terminal that is gone needs it no longer.
func (s *screen) close() {
	_ = s.write("\x1b[?25h\x1b[?1049l")
	if s.before != nil {
		_ = unix.IoctlSetTermios(s.input, unix.TCSETSF, s.before) // what was typed meanwhile is for nobody
		s.before = nil
	}
}

// size returns the columns and rows of the terminal as it is now.
func (s *screen) size() (columns, rows int) {
	w, err := unix.IoctlGetWinsize(int(s.out.Fd()), unix.TIOCGWINSZ)
	if err != nil || w.Col == 0 || w.Row == 0 {
		return usualColumns, usualRows
	}
	return int(w.Col), int(w.Row)
}

// draw replaces what is shown, in one write so that it does not flicker.
func (s *screen) draw(lines []string) error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	return s.write(b.String())
}

func (s *screen) write(text string) error {
	if _, err := io.WriteString(s.out, text); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	return nil
}

// frame is the text of a screen that is being composed.
type frame struct {
	columns, rows int
	head          int // lines that stay where they are while others scroll
	lines         []string
}

// clipped adds a line, cut where it is too long.
func (f *frame) clipped(line string) {
	line = printable(line)
	if utf8.RuneCountInString(line) > f.columns {
		line = string([]rune(line)[:f.columns-1]) + "…"
	}
	f.lines = append(f.lines, line)
}

func (f *frame) eachClipped(text string) {
	for line := range strings.Lines(text) {
		f.clipped(strings.TrimSuffix(line, "\n"))
	}
}

// eachWrapped adds lines, those that are too long on several, indented.
func (f *frame) eachWrapped(text string) {
	for line := range strings.Lines(text) {
		rest := []rune(printable(strings.TrimSuffix(line, "\n")))
		indent := ""
		for len(rest) > f.columns && f.columns > 20 {
			cut := f.columns
			for i := cut; i > f.columns/2; i-- {
				if rest[i] == ' ' {
					cut = i
					break
				}
			}
			f.lines = append(f.lines, string(rest[:cut]))
			indent = "    "
			rest = []rune(indent + strings.TrimLeft(string(rest[cut:]), " "))
		}
		f.clipped(string(rest))
	}
}

// text returns what fits the screen: the head, what comes from a line on, and a
// last line that says what keys there are, if any, and what is not shown. It also
// returns the first line as it is shown: no further than to the last screen.
func (f *frame) text(from int, help string) (lines []string, first int) {
	head := min(f.head, max(f.rows-3, 0)) // a screen of a few lines is for what matters
	room := max(f.rows-head-1, 0)
	body := f.lines[f.head:]
	first = max(min(from, len(body)-room), 0)
	if len(f.lines) <= f.rows && help == "" && head == f.head {
		return f.lines, 0
	}
	shown := body[first:min(first+room, len(body))]
	foot := frame{columns: f.columns}
	switch {
	case len(shown) == len(body):
		foot.clipped(help)
	case help == "":
		foot.clipped(fmt.Sprintf("(%d more lines: a taller terminal, or --network, --host, --tenant)", len(body)-len(shown)))
	default:
		foot.clipped(fmt.Sprintf("lines %d-%d of %d  %s", first+1, first+len(shown), len(body), help))
	}
	lines = append(append(lines, f.lines[:head]...), shown...)
	if f.rows > head {
		lines = append(lines, foot.lines...)
	}
	return lines, first
}
