package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"ovsmesh/controller/api"
)

// maxSpec bounds the files of one apply together, in bytes; the server takes
// no more either.
const maxSpec = 16 << 20

// readFiles reads what -f names: files, directories (their *.yaml, *.yml and
// *.json, not those of directories below) and "-" for stdin.
func readFiles(args []string, stdin io.Reader) ([]api.File, error) {
	var out []api.File
	left := int64(maxSpec)
	for i, arg := range args {
		if arg == "" {
			return nil, errors.New("-f names no file: is a variable empty?")
		}
		if arg == "-" && slices.Contains(args[:i], arg) {
			return nil, errors.New("-f - is given twice: stdin can be read only once")
		}
		files, err := readArgument(arg, stdin, &left)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	if blank(out) {
		// What made them has failed, most likely; with --prune it would
		// delete everything.
		return nil, fmt.Errorf("%s: there is nothing in it; a spec without objects is {}", out[0].Name)
	}
	return out, nil
}

// blank reports whether files hold no more than comments.
func blank(files []api.File) bool {
	for _, f := range files {
		for line := range strings.Lines(f.Data) {
			line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
			if line != "" && line != "---" && line != "..." && line[0] != '#' {
				return false
			}
		}
	}
	return true
}

func readArgument(arg string, stdin io.Reader, left *int64) ([]api.File, error) {
	if arg == "-" {
		f, err := readFile("stdin", stdin, left)
		return []api.File{f}, err
	}
	st, err := os.Stat(arg)
	if err != nil {
		return nil, err
	}
	paths := []string{arg}
	if st.IsDir() {
		if paths, err = specsIn(arg); err != nil {
			return nil, err
		}
	}
	var out []api.File
	for _, path := range paths {
		r, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		f, err := readFile(path, r, left)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// specsIn returns the spec files of a directory, sorted.
func specsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		if !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no *.yaml, *.yml or *.json in this directory", dir)
	}
	return out, nil
}

// readFile reads a file to its end and takes its size off left.
func readFile(name string, r io.Reader, left *int64) (api.File, error) {
	b, err := io.ReadAll(io.LimitReader(r, *left+1))
	if err != nil {
		return api.File{}, fmt.Errorf("read %s: %w", name, err)
	}
	if *left -= int64(len(b)); *left < 0 {
		return api.File{}, fmt.Errorf("%s: the files of one apply are more than %d MiB together", name, maxSpec>>20)
	}
	if line := notUTF8(b); line > 0 {
		return api.File{}, fmt.Errorf("%s:%d: is not text in UTF-8", name, line)
	}
	return api.File{Name: name, Data: string(b)}, nil
}

// notUTF8 returns the first line that is no text in UTF-8, or 0.
func notUTF8(b []byte) int {
	n := 0
	for line := range bytes.Lines(b) {
		n++
		if !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
			return n
		}
	}
	return 0
}
