package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadFilesLimit(t *testing.T) {
	big := "networks: [] #" + strings.Repeat("#", maxSpec/2)
	path := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(path, []byte(big), 0o600); err != nil {
		t.Fatal(err)
	}
	if files, err := readFiles([]string{path}, nil); err != nil || len(files) != 1 || len(files[0].Data) != len(big) {
		t.Errorf("one file: %d, %v", len(files), err)
	}
	if _, err := readFiles([]string{path, "-"}, strings.NewReader(big)); err == nil || !strings.Contains(err.Error(), "stdin: the files of one apply are more than 16 MiB together") {
		t.Errorf("two files: %v", err)
	}
}

// What is no spec at all is refused before a server is asked: an empty one
// would delete everything with --prune.
func TestReadFilesRefuses(t *testing.T) {
	tests := []struct {
		name, text, want string // want "" where it is taken
	}{
		{"empty", "", "stdin: there is nothing in it; a spec without objects is {}"},
		{"comments only", "# blue\n\n---\n  # red\n...\n", "stdin: there is nothing in it; a spec without objects is {}"},
		{"byte order mark only", "\ufeff\n", "stdin: there is nothing in it; a spec without objects is {}"},
		{"UTF-16", "\xff\xfen\x00e\x00", "stdin:1: is not text in UTF-8"},
		{"binary", "networks: []\n\x00\x01\n", "stdin:2: is not text in UTF-8"},
		{"Latin-1", "# blue\n# gr\xfcn\n", "stdin:2: is not text in UTF-8"},
		{"nothing on purpose", "{}\n", ""},
		{"byte order mark", "\ufeffnetworks: []\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readFiles([]string{"-"}, strings.NewReader(tt.text))
			if err == nil && tt.want == "" {
				return
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("err = %v, want %s", err, tt.want)
			}
		})
	}
	for _, args := range [][]string{{""}, {"-", "-"}} {
		if _, err := readFiles(args, strings.NewReader("{}")); err == nil {
			t.Errorf("-f %q is taken", args)
		}
	}
}
