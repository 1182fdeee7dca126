package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
	"ovsmesh/topology"
)

// someBackup is a backup of a store with one network.
func someBackup(t *testing.T) []byte {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Commit(&store.Batch{Changes: []*topology.Change{{NextNetworkID: 2, PutNetworks: []topology.NetworkRecord{
		{Network: topology.Network{Name: "blue", Encap: topology.GRE, Key: 103, Bridge: "xapi1"}, ID: 1},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Backup(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return b
}

// serveBackup serves bytes at /v1/backup, and breaks off after so many.
func serveBackup(t *testing.T, b []byte, cut int) (env []string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/backup", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(b[:cut]) // a client that has gone is no matter
		if cut < len(b) {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	mux.HandleFunc("POST /v1/accept", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusInsufficientStorage, api.Error{Message: "nothing has changed: store /d/ovsmesh.db can't be written: no space left on device: make room on its file system"})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return []string{"OVSMESH_SERVER=" + s.URL}
}

// A backup that does not come whole leaves nothing that looks like one.
func TestBackupCutOff(t *testing.T) {
	whole := someBackup(t)
	changed := bytes.Replace(whole, []byte("blue"), []byte("glue"), 1)
	tests := []struct {
		name string
		file []byte
		cut  int
		want string
	}{
		{"nothing", whole, 0, "unexpected EOF"},
		{"in the first line", whole, 7, "unexpected EOF"},
		{"amid the store", whole, 9000, "unexpected EOF"},
		{"before the checksum", whole, len(whole) - 72, "unexpected EOF"},
		{"at its last byte", whole, len(whole) - 1, "unexpected EOF"},
		{"by a proxy that tells nobody", whole[:9000], 9000, "it was cut off"},
		{"changed on the way", changed, len(changed), "checksum does not match"},
		{"something else", []byte("<html>"), 6, "no whole backup"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := serveBackup(t, tt.file, tt.cut)
			dir := t.TempDir()
			file := filepath.Join(dir, "b")
			if err := os.WriteFile(file, []byte("the last one"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"backup", file + "2"}, {"backup", "--force", file}, {"backup", "-"}} {
				got := command(t, env, "", args...)
				if got.code != exitError || !strings.Contains(got.stderr, tt.want) {
					t.Errorf("%v: exit code %d, stderr %q, want %q", args, got.code, got.stderr, tt.want)
				}
			}
			left, err := filepath.Glob(filepath.Join(dir, "*"))
			if b, e := os.ReadFile(file); err != nil || len(left) != 1 || string(b) != "the last one" {
				t.Errorf("left are %v (%v), and %q (%v)", left, err, b, e)
			}
		})
	}
}

func TestBackupAndRestore(t *testing.T) {
	whole := someBackup(t)
	env := serveBackup(t, whole, len(whole))
	dir := t.TempDir()
	file, data := filepath.Join(dir, "b"), filepath.Join(dir, "data")
	run := func(code int, want string, args ...string) ran {
		t.Helper()
		got := command(t, env, "", args...)
		if got.code != code || !strings.Contains(got.stdout+got.stderr, want) {
			t.Fatalf("%v: %+v, want exit code %d with %q", args, got, code, want)
		}
		return got
	}
	run(exitOK, "1 network, 0 hosts and 0 ports as of 2026-01-02T03:04:05Z", "backup", file)
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("the file is not the backup: %v", err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file: %v, %v", st.Mode(), err)
	}
	if got := run(exitOK, "", "backup", "-"); got.stdout != string(whole) || !strings.Contains(got.stderr, "1 network") {
		t.Error("what went to standard output is not the backup")
	}
	run(exitError, "is there already", "backup", file)
	run(exitError, "name one FILE", "backup")
	run(exitOK, `"networks": 1`, "backup", "--force", file, "-o", "json")
	run(exitError, "not a file", "backup", "--force", dir)

	run(exitError, "which backup", "restore")
	run(exitError, "are for a FILE", "restore", "--accept", "--force")
	run(exitError, "no such file", "restore", filepath.Join(dir, "nosuch"))
	run(exitError, "not an absolute path", "restore", file, "--data-dir", "data")
	run(exitOK, "it would be restored", "restore", file, "--data-dir", data, "--dry-run")
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("a dry run has made %s: %v", data, err)
	}
	run(exitOK, "ovsmesh serve only looks", "restore", file, "--data-dir", data)
	run(exitError, "--force replaces it", "restore", file, "--data-dir", data)
	got := run(exitOK, "", "restore", file, "--data-dir", data, "--force", "--accept", "-o", "json")
	var res restoreResult
	if err := json.Unmarshal([]byte(got.stdout), &res); err != nil {
		t.Fatal(err)
	}
	if res.File != file || res.Path != filepath.Join(data, store.FileName) || !strings.HasPrefix(res.Kept, res.Path+".before-") || !res.Accepted || res.Networks != 1 {
		t.Errorf("%+v", res)
	}
	piped := command(t, env, string(whole), "restore", "-", "--data-dir", filepath.Join(dir, "piped"))
	if piped.code != exitOK || !strings.Contains(piped.stdout, "-: restored to ") {
		t.Errorf("from standard input: %+v", piped)
	}
	s, err := store.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	run(exitError, "stop ovsmesh serve first", "restore", file, "--data-dir", data, "--force")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	run(exitError, "make room on its file system", "restore", "--accept")
}
