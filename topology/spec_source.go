package topology

import (
	"fmt"
	"strings"
)

// File is one file of a spec; Name is what its errors call it.
type File struct {
	Name string
	Data []byte
}

// Names of the spec's lists, and of the kinds of objects.
const (
	listKeyPools = "keyPools"
	listNetworks = "networks"
	listHosts    = "hosts"
	listPorts    = "ports"
)

// Source says where in its files each object of a Spec and each of its fields
// stands. It is immutable; nil knows no place.
type Source struct {
	objects map[objectRef]object
}

// objectRef names an object by its list and its index in the Spec's list.
type objectRef struct {
	list  string
	index int
}

type object struct {
	file   string
	path   string // networks[1], the index being that in the file's list
	at     place
	fields map[string]place // by name below the object: key, match.host, hosts[2]
}

type place struct{ line, column int }

// at returns an error without a reason that points to a field of an object, or
// to the object where the field does not stand in the file; name stands in for
// the position where nothing is known.
func (s *Source) at(list string, index int, name, field string) SpecError {
	if s == nil {
		return SpecError{Field: joinPath(fmt.Sprintf("%s[%s]", list, name), field)}
	}
	o, ok := s.objects[objectRef{list, index}]
	if !ok {
		return SpecError{Field: joinPath(fmt.Sprintf("%s[%s]", list, name), field)}
	}
	p, ok := o.fields[field]
	if !ok {
		p = o.at
	}
	return SpecError{File: o.file, Line: p.line, Column: p.column, Field: joinPath(o.path, field)}
}

// has reports whether a field of an object stands in its file.
func (s *Source) has(list string, index int, field string) bool {
	if s == nil {
		return false
	}
	_, ok := s.objects[objectRef{list, index}].fields[field]
	return ok
}

// where returns FILE:LINE of an object for the text of an error elsewhere.
func (s *Source) where(list string, index int) string {
	if s != nil {
		if o, ok := s.objects[objectRef{list, index}]; ok {
			return fmt.Sprintf("%s:%d", o.file, o.at.line)
		}
	}
	return fmt.Sprintf("%s[%d]", list, index)
}

func joinPath(path, field string) string {
	switch {
	case field == "":
		return path
	case path == "" || strings.HasPrefix(field, "["):
		return path + field
	}
	return path + "." + field
}
