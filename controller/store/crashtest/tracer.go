//go:build linux && amd64

// Package crashtest finds out what a program's files are like when the machine
// fails at any moment. It runs the program under ptrace(2), records in which
// order it writes to the files of one directory, syncs and names them, and can
// have any of these calls fail; a Disk plays such a record back up to any step,
// and loses or tears what was not synced by then.
//
//	program ──syscalls──► Trace ──Op──► Disk ──Crash──► files to open again
//
// It is for tests. Trace runs on the calling goroutine's thread; nothing else
// is started.
package crashtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Kind is what an Op does.
type Kind string

// The kinds of operations.
const (
	Create   Kind = "create"   // Name is made, or emptied
	Write    Kind = "write"    // Data at Offset
	Truncate Kind = "truncate" // to Offset bytes
	Sync     Kind = "sync"     // Name, or with Name "" the directory
	Rename   Kind = "rename"   // Name becomes To
	Link     Kind = "link"     // To is another name of Name
	Remove   Kind = "remove"
	Print    Kind = "print" // Data on standard output
)

// Op is one call that was made, or is about to be. Names are relative to the
// directory.
type Op struct {
	Kind     Kind
	Name, To string
	Offset   int64
	Data     []byte
}

// String returns the operation as one line.
func (o Op) String() string {
	return fmt.Sprintf("%s %s %s %d+%d", o.Kind, o.Name, o.To, o.Offset, len(o.Data))
}

// Verdict is what becomes of a call.
type Verdict struct {
	Errno syscall.Errno // it fails with this; 0: it is made
	After bool          // it is made, and fails nevertheless
	Kill  bool          // the program is killed before it is made
}

// Program is what to run.
type Program struct {
	Args []string // the first is the file
	Env  []string
	Dir  string // whose files are looked at; no link is in its path
	Log  *os.File

	// Judge is asked before each call. A nil one lets all pass.
	Judge func(Op) Verdict
	// Done is told of each call that succeeded, and of those that failed After.
	Done func(Op)
	// Started is told the process's number once it runs; may be nil.
	Started func(pid int)
}

// Trace runs a program to its end. A program that was killed is no error.
func Trace(p Program) error {
	runtime.LockOSThread() // ptrace(2) knows the thread, not the process
	defer runtime.UnlockOSThread()
	out := p.Log
	if out == nil {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer null.Close() // nothing is in it
		out = null
	}
	process, err := os.StartProcess(p.Args[0], p.Args, &os.ProcAttr{
		Env: p.Env, Files: []*os.File{nil, out, out}, Sys: &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return err
	}
	t := &tracer{Program: p, pid: process.Pid, threads: map[int]*thread{}}
	if err := process.Release(); err != nil { // it is waited for here
		return err
	}
	return t.run()
}

// tracer is the state of one Trace.
type tracer struct {
	Program
	pid     int
	threads map[int]*thread
}

// thread is a thread of the program; inside is that it is in a call.
type thread struct {
	inside  bool
	op      *Op // that the call makes; nil: none that is looked at
	verdict Verdict
}

const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL

func (t *tracer) run() error {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(t.pid, &ws, syscall.WALL, nil); err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	if err := syscall.PtraceSetOptions(t.pid, traceOptions); err != nil {
		return fmt.Errorf("ptrace options: %w", err)
	}
	if t.Started != nil {
		t.Started(t.pid)
	}
	if err := t.resume(t.pid, 0); err != nil {
		return err
	}
	for {
		// Of this thread's children alone: others are somebody else's to wait for.
		pid, err := syscall.Wait4(-1, &ws, syscall.WALL|syscall.WNOTHREAD, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		case ws.Exited() || ws.Signaled():
			delete(t.threads, pid)
			if pid != t.pid {
				continue
			}
			if ws.Exited() && ws.ExitStatus() != 0 {
				return fmt.Errorf("%s: exit code %d", t.Args[0], ws.ExitStatus())
			}
			return nil
		}
		signal := 0
		switch s := ws.StopSignal(); {
		case s == syscall.SIGTRAP|0x80:
			if err := t.call(pid); err != nil {
				return err
			}
		case s == syscall.SIGTRAP: // of the tracing itself
		case s == syscall.SIGSTOP && t.threads[pid] == nil: // a new thread
		default:
			signal = int(s)
		}
		if err := t.resume(pid, signal); err != nil {
			return err
		}
	}
}

func (t *tracer) thread(pid int) *thread {
	th := t.threads[pid]
	if th == nil {
		th = &thread{}
		t.threads[pid] = th
	}
	return th
}

func (t *tracer) resume(pid, signal int) error {
	t.thread(pid)
	if err := syscall.PtraceSyscall(pid, signal); err != nil && err != syscall.ESRCH { // ESRCH: it was killed
		return fmt.Errorf("resume %d: %w", pid, err)
	}
	return nil
}

// call deals with a thread at the beginning or at the end of a call.
func (t *tracer) call(pid int) error {
	th := t.thread(pid)
	th.inside = !th.inside
	var regs syscall.PtraceRegs
	if !th.inside && th.op == nil {
		return nil
	}
	if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
		return gone(err)
	}
	if th.inside {
		th.op, th.verdict = t.read(pid, &regs), Verdict{}
		if th.op == nil {
			return nil
		}
		if t.Judge != nil {
			th.verdict = t.Judge(*th.op)
		}
		switch {
		case th.verdict.Kill:
			th.op = nil
			return gone(syscall.Kill(t.pid, syscall.SIGKILL))
		case th.verdict.Errno != 0 && !th.verdict.After:
			regs.Orig_rax = ^uint64(0) // no such call
			return gone(syscall.PtraceSetRegs(pid, &regs))
		}
		return nil
	}
	op := th.op
	th.op = nil
	failed := int64(regs.Rax) < 0
	if th.verdict.Errno != 0 {
		regs.Rax = uint64(-int64(th.verdict.Errno))
		if err := syscall.PtraceSetRegs(pid, &regs); err != nil {
			return gone(err)
		}
	}
	if !failed && (th.verdict.Errno == 0 || th.verdict.After) && t.Done != nil {
		if op.Kind == Write && int64(regs.Rax) < int64(len(op.Data)) && th.verdict.Errno == 0 {
			op.Data = op.Data[:regs.Rax]
		}
		t.Done(*op)
	}
	return nil
}

// gone makes nothing of a thread that was killed meanwhile.
func gone(err error) error {
	if err == syscall.ESRCH {
		return nil
	}
	return err
}

// read returns what a call is about to do; nil for what is not looked at.
func (t *tracer) read(pid int, r *syscall.PtraceRegs) *Op {
	switch r.Orig_rax {
	case unix.SYS_WRITE:
		if r.Rdi == 1 {
			return &Op{Kind: Print, Data: t.memory(pid, r.Rsi, int(r.Rdx))}
		}
		if name, ok := t.file(pid, r.Rdi); ok {
			return &Op{Kind: Write, Name: name, Offset: t.position(pid, r.Rdi), Data: t.memory(pid, r.Rsi, int(r.Rdx))}
		}
	case unix.SYS_PWRITE64:
		if name, ok := t.file(pid, r.Rdi); ok {
			return &Op{Kind: Write, Name: name, Offset: int64(r.R10), Data: t.memory(pid, r.Rsi, int(r.Rdx))}
		}
	case unix.SYS_FTRUNCATE:
		if name, ok := t.file(pid, r.Rdi); ok {
			return &Op{Kind: Truncate, Name: name, Offset: int64(r.Rsi)}
		}
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		if name, ok := t.file(pid, r.Rdi); ok {
			return &Op{Kind: Sync, Name: name}
		}
	case unix.SYS_OPENAT:
		if r.Rdx&(unix.O_CREAT|unix.O_TRUNC) != 0 {
			name, ok := t.path(pid, r.Rsi)
			if _, err := os.Stat(filepath.Join(t.Dir, name)); ok && (err != nil || r.Rdx&unix.O_TRUNC != 0) {
				return &Op{Kind: Create, Name: name}
			}
		}
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return t.pair(pid, Rename, r.Rsi, r.R10)
	case unix.SYS_LINKAT:
		return t.pair(pid, Link, r.Rsi, r.R10)
	case unix.SYS_UNLINKAT:
		name, ok := t.path(pid, r.Rsi)
		if _, err := os.Lstat(filepath.Join(t.Dir, name)); ok && err == nil {
			return &Op{Kind: Remove, Name: name}
		}
	}
	return nil
}

func (t *tracer) pair(pid int, k Kind, from, to uint64) *Op {
	a, ok := t.path(pid, from)
	b, too := t.path(pid, to)
	if !ok || !too {
		return nil
	}
	return &Op{Kind: k, Name: a, To: b}
}

// file returns the name of an open file in the directory, "" for the directory
// itself.
func (t *tracer) file(pid int, fd uint64) (string, bool) {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, int32(fd)))
	if err != nil {
		return "", false
	}
	return t.inside(path)
}

func (t *tracer) inside(path string) (string, bool) {
	if path == t.Dir {
		return "", true
	}
	return strings.CutPrefix(path, t.Dir+"/")
}

func (t *tracer) position(pid int, fd uint64) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, int32(fd)))
	if err != nil {
		return 0
	}
	var pos int64
	if _, err := fmt.Sscanf(string(b), "pos: %d", &pos); err != nil {
		return 0
	}
	return pos
}

// path reads a path from the program's memory.
func (t *tracer) path(pid int, at uint64) (string, bool) {
	b := t.memory(pid, at, 4096)
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return "", false
	}
	return t.inside(string(b[:n]))
}

// memory reads up to n bytes of the program's memory; fewer where it has none.
func (t *tracer) memory(pid int, at uint64, n int) []byte {
	b := make([]byte, n)
	got := 0
	for got < n {
		// Not beyond a page at once: the next may not be there.
		part := min(n-got, 4096-int((at+uint64(got))%4096))
		if n > 4096 {
			part = n - got
		}
		remote := []unix.RemoteIovec{{Base: uintptr(at) + uintptr(got), Len: part}}
		local := []unix.Iovec{{Base: &b[got], Len: uint64(part)}}
		k, err := unix.ProcessVMReadv(pid, local, remote, 0)
		if err != nil || k <= 0 {
			break
		}
		got += k
	}
	return b[:got]
}
