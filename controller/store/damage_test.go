package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/topology"
)

const pageBytes = 4096

// filledStore makes a store with branches, overflowing pages, small buckets
// and free pages, and returns the bytes of its file and what it holds.
func filledStore(t *testing.T) ([]byte, State) {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, dir)
	for i := range 6 {
		c := &topology.Change{NextNetworkID: 200}
		for n := range uint32(60) {
			c.PutNetworks = append(c.PutNetworks, network(fmt.Sprintf("net-%d-%d", i%4, n), n+1))
		}
		commit(t, s, &Batch{
			Changes: []*topology.Change{c},
			Facts:   map[string]topology.HostFacts{"h": {SystemID: "s", Hostname: strings.Repeat("x", 9000+i)}},
			Left:    map[string]*Left{"gone": {Name: "gone"}},
		})
	}
	st := load(t, s)
	closeStore(t, s)
	return read(t, filepath.Join(dir, FileName)), st
}

// attempt opens a store of these bytes, which must be refused as damaged and
// left alone, or hold all that it held. It reports whether it was refused.
func attempt(t *testing.T, dir string, file []byte, want State, what string) bool {
	t.Helper()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err == nil {
		got := load(t, s)
		closeStore(t, s)
		if d := cmp.Diff(want, got, compareAddr); d != "" {
			t.Errorf("%s: opened with other contents", what)
		}
	} else if !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: %v", what, err)
	}
	if string(read(t, path)) != string(file) {
		t.Errorf("%s: the file was changed", what)
	}
	return err != nil
}

func TestDamagedWhole(t *testing.T) {
	file, _ := filledStore(t)
	noise := make([]byte, len(file))
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	other := append([]byte{}, file...)
	copy(other[2*pageBytes:], noise)
	tests := map[string][]byte{
		"empty":            {},
		"one byte":         {0},
		"text":             []byte("networks:\n  - name: blue\n"),
		"long text":        []byte(strings.Repeat("networks:\n  - name: blue\n", 2000)),
		"zeros":            make([]byte, len(file)),
		"noise":            noise,
		"noise after meta": other,
		"all ones":         []byte(strings.Repeat("\xff", len(file))),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, FileName), b, 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, dir, ErrCorrupt)
		})
	}
}

func TestTruncated(t *testing.T) {
	file, want := filledStore(t)
	dir := t.TempDir()
	refusals := 0
	for n := 0; n < len(file); n += pageBytes {
		for _, cut := range []int{n, n + 1, n + pageBytes - 1} {
			if attempt(t, dir, file[:cut], want, fmt.Sprintf("%d bytes", cut)) {
				refusals++
			}
		}
	}
	if refusals < 10 {
		t.Errorf("only %d were refused", refusals)
	}
}

// Every page is zeroed, filled with noise, replaced by another page, and has
// single bytes flipped, among them all those of its header.
func TestDamagedPages(t *testing.T) {
	file, want := filledStore(t)
	dir := t.TempDir()
	refusals := 0
	damage := func(what string, at, n int, change func(page []byte)) {
		t.Helper()
		b := append([]byte{}, file...)
		change(b[at : at+n])
		if attempt(t, dir, b, want, fmt.Sprintf("byte %d: %s", at, what)) {
			refusals++
		}
	}
	for at := 0; at < len(file); at += pageBytes {
		damage("zeroed", at, pageBytes, func(p []byte) { clear(p) })
		damage("noise", at, pageBytes, func(p []byte) {
			for i := range p {
				p[i] = byte(rand.Uint32())
			}
		})
		damage("another page", at, pageBytes, func(p []byte) { copy(p, file[(at+2*pageBytes)%len(file):]) })
		for i := range 36 {
			damage("flipped", at+i, 1, func(p []byte) { p[0] ^= byte(1 + rand.IntN(255)) })
		}
		for range 10 {
			damage("flipped", at+rand.IntN(pageBytes), 1, func(p []byte) { p[0] ^= byte(1 + rand.IntN(255)) })
		}
	}
	if refusals < 100 {
		t.Errorf("only %d were refused", refusals)
	}
}
