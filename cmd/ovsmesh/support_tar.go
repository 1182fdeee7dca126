package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ovsmesh/controller/redact"
)

// bundleDir is the directory in a bundle that all is in.
const bundleDir = "ovsmesh-support/"

// tarBundle writes the parts that are there, and what is not.
func tarBundle(w io.Writer, parts []*piece, missing []string, secrets *redact.Redactor) error {
	zip := gzip.NewWriter(w)
	bundle := tar.NewWriter(zip)
	now := time.Now()
	add := func(name string, body []byte) error {
		err := bundle.WriteHeader(&tar.Header{Name: bundleDir + name, Mode: 0o600, Size: int64(len(body)), ModTime: now, Format: tar.FormatPAX})
		if err == nil {
			_, err = bundle.Write(body)
		}
		return err
	}
	err := add("README.txt", []byte(readme(parts, missing, secrets)))
	for _, p := range parts {
		if p.err != nil || err != nil {
			continue
		}
		if p.name == "controller.json" {
			err = addLong(p.body, add)
		} else {
			err = add(p.name, p.body)
		}
	}
	return errors.Join(err, bundle.Close(), zip.Close())
}

// addLong adds what the controller says of itself, with what is long text there
// in files of its own.
func addLong(body []byte, add func(string, []byte) error) error {
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return fmt.Errorf("controller.json: %w", err)
	}
	for _, field := range []string{"goroutines", "heap", "log"} {
		text, _ := doc[field].(string)
		if lines, ok := doc[field].([]any); ok {
			var b strings.Builder
			for _, l := range lines {
				fmt.Fprintln(&b, l)
			}
			text = b.String()
		}
		delete(doc, field)
		if err := add(field+".txt", []byte(text)); err != nil {
			return err
		}
	}
	short, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	return add("controller.json", append(short, '\n'))
}

// readme says what a bundle has and has not.
func readme(parts []*piece, missing []string, secrets *redact.Redactor) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Written by ovsmesh support. Secrets were taken out; where one was, it says %s.\n\n", redact.Removed)
	for _, p := range parts {
		if p.err == nil {
			fmt.Fprintf(&b, "%-18s %8d bytes, in %v\n", p.name, len(p.body), p.took.Round(time.Millisecond))
		}
	}
	if len(missing) > 0 {
		fmt.Fprintln(&b, "\nNOT IN IT:")
		for _, m := range missing {
			fmt.Fprintf(&b, "  %s\n", secrets.Text(m))
		}
	}
	return b.String()
}
