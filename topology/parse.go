package topology

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// What Parse takes at most. A spec of 10,000 networks has some 1 MB.
const (
	maxFile      = 16 << 20 // bytes of all files together
	maxDocuments = 256      // in a file; the parser's time grows with their square
	maxDepth     = 16       // nested mappings and lists; a spec has 5
	maxKeyPools  = 256
)

// Parse reads the files of a spec: YAML or JSON, any number of documents, each
// with any of the lists keyPools, networks, hosts, ports. The Spec holds what
// is written, defaults not filled in; the Source says where. A spec with
// anything wrong is refused as a whole with SpecErrors.
func Parse(files ...File) (*Spec, *Source, error) {
	var found problems
	d := &decoder{spec: &Spec{}, src: &Source{objects: map[objectRef]object{}}, problems: &found}
	total := 0
	for _, f := range files {
		if total += len(f.Data); total > maxFile {
			found.add(SpecError{File: f.Name, Reason: fmt.Sprintf("the spec is larger than %d MiB", maxFile>>20)})
			break
		}
		d.file, d.counts = f.Name, map[string]int{}
		docs, err := parseTree(bytes.TrimPrefix(f.Data, []byte("\ufeff")))
		if err != nil {
			found.add(SpecError{File: f.Name, Line: err.at.line, Column: err.at.column, Reason: err.reason})
			continue
		}
		for _, doc := range docs {
			d.document(doc)
		}
	}
	if len(d.spec.KeyPools) > maxKeyPools {
		found.add(SpecError{Field: listKeyPools, Reason: fmt.Sprintf("has more than %d pools", maxKeyPools)})
	} else {
		checkSpec(d.spec, d.src, &found)
	}
	order := map[string]int{}
	for i, f := range files {
		order[f.Name] = i
	}
	slices.SortStableFunc(found.list, func(a, b SpecError) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if err := found.err(); err != nil {
		return nil, nil, err
	}
	return d.spec, d.src, nil
}
