package ofctl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"ovsmesh/openflow/flow"
)

// maxLine bounds a line of a dump, in bytes: a flow has 64 KiB on the wire and
// some times that as text.
const maxLine = 1 << 20

// maxLineErrors is how many bad lines of a dump are told.
const maxLineErrors = 20

// Dump is what a file with the output of ovs-ofctl dump-flows holds.
type Dump struct {
	Flows []flow.Flow
	Lines []int // of Flows, counted from 1

	// Old says that the switch was asked over OpenFlow 1.0, where it has other
	// words for the same actions: see flow.Actions.Old. Where no reply line says
	// it, the words do.
	Old bool

	// Cut says that the file ends too early: there may be flows behind its end.
	Cut bool
}

// LineError is a line of a dump that can't be read.
type LineError struct {
	File string
	Line int // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// ReadDump reads a dump in any form that ovs-ofctl prints: of all versions of
// OpenFlow, with or without statistics, numbers, colours and order. Reply
// lines, empty ones and those that begin with # are passed by.
//
// Bad lines don't keep the others from being read: the error joins a LineError
// for each of the first, and the dump has the rest. What r says against reading
// is an error too, as is a file that ends within a line, and one with nothing
// in it: ovs-ofctl prints nothing where it fails. A dump says nowhere how many
// flows it has; where what ovs-ofctl dump-aggregate prints follows it, fewer
// flows than that counts are an error.
func ReadDump(r io.Reader, file string, names flow.Names) (*Dump, error) {
	d := &Dump{}
	var errs []error
	bad := 0
	fail := func(line int, err error) {
		if bad++; bad <= maxLineErrors {
			errs = append(errs, &LineError{file, line, err})
		}
	}
	said := false // there was a reply line
	in := lineReader{r: bufio.NewReaderSize(r, 64<<10)}
	for {
		text, err := in.next()
		switch {
		case errors.Is(err, errLongLine):
			fail(in.number, err)
			continue
		case errors.Is(err, io.ErrUnexpectedEOF):
			d.Cut = true
			fail(in.number, errors.New("the file ends within this line: the dump has been cut"))
		case err != nil && !errors.Is(err, io.EOF):
			d.Cut = true
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		}
		if err != nil {
			break
		}
		if old, reply := replyLine(text); reply {
			said, d.Old = true, old
			continue
		}
		if text == "" || text[0] == '#' {
			continue
		}
		if count, ok := aggregateLine(text); ok {
			if here := len(d.Flows) + bad; here < count {
				d.Cut = true
				fail(in.number, fmt.Errorf("the switch counts %d flows, and before this line there are %d: the dump has been cut", count, here))
			}
			continue
		}
		f, err := flow.ParseNamed(text, names)
		if err != nil {
			fail(in.number, errors.Unwrap(err))
			continue
		}
		d.Flows = append(d.Flows, f)
		d.Lines = append(d.Lines, in.number)
	}
	if !said {
		d.Old = oldWords(d.Flows)
	}
	if bad > maxLineErrors {
		errs = append(errs, fmt.Errorf("%s: %d more lines that can't be read", file, bad-maxLineErrors))
	}
	if len(d.Flows) == 0 && !said && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s: nothing in it: ovs-ofctl prints nothing where it fails "+
			"(a bridge that ovsmesh programs is dumped with -O OpenFlow13)", file))
	}
	return d, errors.Join(errs...)
}

// replyLine reports whether a line is the one that ovs-ofctl prints before
// flows with statistics, and then whether they came over OpenFlow 1.0.
func replyLine(line string) (old, ok bool) {
	kind, rest, ok := strings.Cut(line, " reply")
	switch kind {
	case "NXST_FLOW":
		return true, ok
	case "OFPST_FLOW", "OFPST_FLOW_DESC":
		return !strings.Contains(rest, "(OF1."), ok
	}
	return false, false
}

// aggregateLine reports how many flows the switch holds, where a line is what
// ovs-ofctl dump-aggregate prints.
func aggregateLine(line string) (count int, ok bool) {
	kind, rest, _ := strings.Cut(line, " reply ")
	if kind != "NXST_AGGREGATE" && kind != "OFPST_AGGREGATE" {
		return 0, false
	}
	_, number, _ := strings.Cut(rest, "flow_count=")
	count, err := strconv.Atoi(number)
	return count, err == nil
}

// oldWords reports whether actions are in words that OpenFlow 1.0 alone has, and
// none in those that it has not.
func oldWords(flows []flow.Flow) bool {
	old := false
	for i := range flows {
		for _, a := range flows[i].Actions {
			switch a := a.(type) {
			case flow.SetField, flow.GotoTable, flow.WriteMetadata, flow.WriteActions, flow.ClearActions, flow.Meter:
				return false
			case flow.Text:
				for _, word := range []string{"mod_", "load:", "resubmit(,", "strip_vlan", "enqueue:"} {
					old = old || strings.HasPrefix(a.Text, word)
				}
			}
		}
	}
	return old
}

var errLongLine = fmt.Errorf("longer than %d bytes", maxLine)

// lineReader gives lines without white space and colours around them.
type lineReader struct {
	r      *bufio.Reader
	number int    // of the last line, counted from 1
	buf    []byte // where lines longer than r's buffer are put together
}

// next returns the next line. io.ErrUnexpectedEOF comes with one that the file
// ends in, errLongLine instead of one that is too long.
func (l *lineReader) next() (string, error) {
	l.number++
	l.buf = l.buf[:0]
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		if !long {
			l.buf = append(l.buf, part...)
			long = len(l.buf) > maxLine
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case long && (err == nil || errors.Is(err, io.EOF)):
			return "", errLongLine
		case errors.Is(err, io.EOF) && len(bytes.TrimSpace(l.buf)) > 0:
			return "", io.ErrUnexpectedEOF
		}
		return strings.TrimSpace(plain(l.buf)), err
	}
}

// plain returns a line without the escape sequences that ovs-ofctl colours it
// with (ESC, a bracket, anything up to a letter) and the commas that it then
// forgets to take away before a parenthesis.
func plain(line []byte) string {
	if bytes.IndexByte(line, '\x1b') < 0 {
		return string(line)
	}
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		if line[i] != '\x1b' || i+1 == len(line) || line[i+1] != '[' {
			b.WriteByte(line[i])
			continue
		}
		for i += 2; i < len(line) && (line[i] < 'A' || line[i] > 'z'); i++ {
		}
	}
	return strings.ReplaceAll(b.String(), ",)", ")")
}
