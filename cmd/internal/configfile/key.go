// Package configfile reads the configuration files of the commands: YAML that
// says nothing but values for keys which the command knows. What is wrong is
// refused with file, line and a suggestion. It reads text and gives it to the
// setters of the keys; files, the environment and flags are the commands'.
package configfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is what a key's value looks like in a file.
type Kind int

const (
	Text Kind = iota
	Bool
	List // of text
)

// want says in an error what a value of the kind is.
func (k Kind) want() string {
	switch k {
	case Bool:
		return "true or false"
	case List:
		return "a list of strings"
	}
	return "a string"
}

// Key is something that a file may set.
type Key struct {
	Name   string // "server", or "api.listen" for one in a section
	Kind   Kind
	Set    func(values []string) error // is given one value, save for List
	Secret bool                        // its value stands in no error
}

// ToText sets text that passes check; nil takes all, and none is asked about
// empty text.
func ToText(to *string, check func(string) error) func([]string) error {
	return func(values []string) error {
		if check != nil && values[0] != "" {
			if err := check(values[0]); err != nil {
				return err
			}
		}
		*to = values[0]
		return nil
	}
}

// ToBool sets true or false, or another word that strconv.ParseBool knows.
func ToBool(to *bool) func([]string) error {
	return func(values []string) error {
		b, err := strconv.ParseBool(values[0])
		if err != nil {
			return fmt.Errorf("%q is not true or false", values[0])
		}
		*to = b
		return nil
	}
}

// ToWord sets one of some words.
func ToWord(to *string, words ...string) func([]string) error {
	return func(values []string) error {
		if !slices.Contains(words, values[0]) {
			hint := ""
			if near := Nearest(values[0], words); near != "" {
				hint = fmt.Sprintf(" (did you mean %s?)", near)
			}
			return fmt.Errorf("%q is not one of %s%s", values[0], strings.Join(words, ", "), hint)
		}
		*to = values[0]
		return nil
	}
}
