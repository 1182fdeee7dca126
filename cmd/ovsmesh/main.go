// Command ovsmesh keeps meshes of GRE and VXLAN tunnels between the Open
// vSwitch bridges of many hosts, one mesh a tenant network: serve is the
// controller, all other commands talk to it, save host, which runs on the
// hypervisor itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"ovsmesh/controller/api"
)

// The exit codes that scripts rely on.
const (
	exitOK          = 0 // as wanted
	exitError       = 1 // also where the look was not complete
	exitDifferences = 2 // a complete look found differences
)

// codeError ends the process with a code. Err is printed where it is not nil.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code. Results go to
// stdout, all else to stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var code *codeError
	if !errors.As(err, &code) {
		code = &codeError{exitError, err}
	}
	if code.err != nil {
		printError(forPeople(stderr), code.err)
	}
	return code.code
}

// printError writes an error as people and editors read it: each problem of a
// refused spec as FILE:LINE:COLUMN: FIELD: REASON.
func printError(w io.Writer, err error) {
	var status *api.StatusError
	if errors.As(err, &status) && len(status.Body.Problems) > 0 {
		for _, p := range status.Body.Problems {
			fmt.Fprintln(w, problemText(p))
		}
	}
	fmt.Fprintf(w, "ovsmesh: %v\n", err)
}

func problemText(p api.Problem) string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
			if p.Column > 0 {
				fmt.Fprintf(&b, ":%d", p.Column)
			}
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Reason)
	return b.String()
}
