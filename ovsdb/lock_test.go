package ovsdb_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/ovstest"
)

// params reads one request, which must be a transaction, answers that every
// operation went well, and returns what was asked.
func (p *peer) params() []map[string]any {
	p.t.Helper()
	var m struct {
		Method string
		ID     json.RawMessage
		Params []json.RawMessage
	}
	p.SetReadDeadline(time.Now().Add(10 * time.Second))
	for m.Method != "transact" {
		if err := p.dec.Decode(&m); err != nil {
			p.t.Fatalf("reading a request: %v", err)
		}
		if m.Method == "echo" {
			p.say(`{"id":%s,"error":null,"result":[]}`, m.ID)
		}
	}
	var ops []map[string]any
	for _, raw := range m.Params[1:] {
		var op map[string]any
		if err := json.Unmarshal(raw, &op); err != nil {
			p.t.Fatal(err)
		}
		ops = append(ops, op)
	}
	p.say(`{"id":%s,"error":null,"result":[%s]}`, m.ID, strings.TrimSuffix(strings.Repeat("{},", len(ops)), ","))
	return ops
}

// Whatever can write begins with an assert of the lock; what can't sends nothing
// but selects. Without the lock nothing is sent.
func TestEveryTransactionAssertsTheLock(t *testing.T) {
	m := startManager(t, calm())
	p := dialPeer(t, m)
	p.settle()
	s := m.next(t)
	for name, run := range map[string]func() error{
		"TransactLocked": func() error { _, err := s.TransactLocked(t.Context(), touch("x"), touch("y")); return err },
		"Prove":          func() error { return s.Prove(t.Context()) },
	} {
		failed := make(chan error, 1)
		go func() { failed <- run() }()
		ops := p.params()
		if ops[0]["op"] != "assert" || ops[0]["lock"] != ovsdb.LockName || (len(ops) == 3) != (name == "TransactLocked") {
			t.Errorf("%s sends %v", name, ops)
		}
		if err := <-failed; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	read := ovsdb.Operation{Op: "select", Table: "Open_vSwitch", Columns: []string{"_uuid"}}
	for _, op := range []string{"insert", "update", "mutate", "delete", "wait", "commit", "abort", "comment", "assert", ""} {
		before := m.server.Stats().Transactions
		if _, err := s.Select(t.Context(), read, ovsdb.Operation{Op: op, Table: "Open_vSwitch"}); err == nil || m.server.Stats().Transactions != before {
			t.Errorf("Select with %q: %v", op, err)
		}
	}
	failed := make(chan error, 1)
	go func() { _, err := s.Select(t.Context(), read); failed <- err }()
	if ops := p.params(); len(ops) != 1 || ops[0]["op"] != "select" {
		t.Errorf("Select sends %v", ops)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}

	p.say(`{"id":null,"method":"stolen","params":["ovsmesh"]}`)
	for deadline := time.Now().Add(patience); s.Lock() != ovsdb.LockLost; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the lock is not lost")
		}
	}
	before := m.server.Stats().Transactions
	if _, err := s.TransactLocked(t.Context(), touch("x")); !errors.Is(err, ovsdb.ErrNotLocked) || m.server.Stats().Transactions != before {
		t.Errorf("without the lock: %v", err)
	}
	if _, ok := s.Proven(); ok {
		t.Error("the lock passes for proven after it was stolen")
	}
}

// Transactions are made in one file of the module, by two functions: one gets the
// operations and puts the assert before them unless Select calls it, the other
// makes its own, which are selects.
func TestTransactionsAreMadeInOnePlace(t *testing.T) {
	makers, unlocked := map[string]int{}, map[string]int{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			if d != nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 {
				return fs.SkipDir
			}
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return nil // whoever builds it says so better
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name := ""
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
					name = sel.Sel.Name
				}
				for _, arg := range call.Args {
					if l, ok := arg.(*ast.BasicLit); ok && l.Value == `"transact"` {
						makers[path+" "+f.Name.Name]++
					}
				}
				if name == "transact" && filepath.Dir(path) == filepath.Join("..", "ovsdb") {
					last, ok := call.Args[len(call.Args)-1].(*ast.Ident)
					if !ok || last.Name != "true" {
						unlocked[f.Name.Name]++
					}
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join("..", "ovsdb", "transact.go")
	if len(makers) != 2 || makers[place+" transact"] != 1 || makers[place+" SelectDB"] != 1 {
		t.Errorf("transactions are made by %v", makers)
	}
	if len(unlocked) != 1 || unlocked["Select"] != 1 {
		t.Errorf("without the lock by %v", unlocked)
	}
}

// The lock can be asked for later, given back and asked for again; the next in
// line gets it at once.
func TestLockLater(t *testing.T) {
	sw := ovstest.StartSwitch(t)
	dial := func(cfg ovsdb.Config) *ovsdb.Session {
		s, err := ovsdb.Dial(t.Context(), "unix:"+sw.DBSocket(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	first, second := dial(ovsdb.Config{LockLater: true}), dial(ovsdb.Config{})
	if first.Lock() != ovsdb.LockUnasked || second.Lock() != ovsdb.LockHeld {
		t.Fatalf("first %v, second %v", first.Lock(), second.Lock())
	}
	if err := first.Prove(t.Context()); !errors.Is(err, ovsdb.ErrNotLocked) {
		t.Errorf("Prove without asking: %v", err)
	}
	if err := first.Unlock(t.Context()); err != nil {
		t.Errorf("Unlock without asking: %v", err)
	}
	for range 2 { // the second time it is in line already
		if err := first.AskLock(t.Context()); err != nil || first.Lock() != ovsdb.LockWaiting {
			t.Fatalf("in line: %v, %v", first.Lock(), err)
		}
	}
	if err := second.Prove(t.Context()); err != nil {
		t.Error(err)
	}
	if age, ok := second.Proven(); !ok || age <= 0 || age > 10*time.Second {
		t.Errorf("proven %v ago, %v", age, ok)
	}
	for i := range 20 {
		from, to := second, first
		if i%2 == 1 {
			from, to = first, second
		}
		if err := from.Unlock(t.Context()); err != nil || from.Lock() != ovsdb.LockUnasked {
			t.Fatalf("given back: %v, %v", from.Lock(), err)
		}
		if _, ok := from.Proven(); ok {
			t.Error("proven after it was given back")
		}
		until(t, to, to.DB(), "the next in line", func() bool { return to.Lock() == ovsdb.LockHeld })
		if _, ok := to.Proven(); ok {
			t.Error("a notification, which may be old, passes for a proof")
		}
		if err := to.Prove(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := from.AskLock(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// Out of line and in again while nobody has it.
	if err := errors.Join(first.Unlock(t.Context()), second.Unlock(t.Context()), first.AskLock(t.Context())); err != nil || first.Lock() != ovsdb.LockHeld {
		t.Errorf("alone: %v, %v", first.Lock(), err)
	}
	if _, ok := first.Proven(); !ok {
		t.Error("the answer to lock is no proof")
	}
}
