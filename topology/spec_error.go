package topology

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels of the intent's errors.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict") // what is asked for does not go with what there is
)

// SpecError is one thing that is wrong with a spec. Line and Column count from
// 1 and are 0 where there is no place to point to.
type SpecError struct {
	File   string
	Line   int
	Column int
	Field  string // like networks[1].key; "" if it concerns the file as a whole
	Reason string
}

// Error returns FILE:LINE:COLUMN: FIELD: REASON, without what is not known.
func (e SpecError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	return b.String() + e.Reason
}

// SpecErrors is all that is wrong with a spec, in the order of the files, 50
// at most.
type SpecErrors []SpecError

// maxProblems bounds SpecErrors: nobody reads more at once.
const maxProblems = 50

// Error returns one line for each.
func (e SpecErrors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong.
type problems struct {
	list    SpecErrors
	seen    map[SpecError]bool // without their reasons
	dropped int                // beyond maxProblems
}

// add adds a problem, unless another one of the same field is there: what
// could not be read is not also said to be missing.
func (p *problems) add(e SpecError) {
	at := e
	at.Reason = ""
	if p.seen[at] {
		return
	}
	if p.seen == nil {
		p.seen = map[SpecError]bool{}
	}
	p.seen[at] = true
	if len(p.list) >= maxProblems {
		p.dropped++
		return
	}
	p.list = append(p.list, e)
}

func (p *problems) full() bool { return p.dropped > 0 }

// err returns what was collected, nil if that is nothing.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	if p.dropped > 0 {
		p.list[maxProblems-1] = SpecError{Reason: fmt.Sprintf("and at least %d more problems", p.dropped+1)}
		p.dropped = 0
	}
	return p.list
}
