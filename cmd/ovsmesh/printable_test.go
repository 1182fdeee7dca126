package main

import (
	"errors"
	"strings"
	"testing"

	"ovsmesh/controller/api"
)

// What a host calls itself gets as text to an operator's terminal, never as a
// command to it.
func TestForPeople(t *testing.T) {
	const evil = "9.9\x1b]0;owned\a\x1b[2J\r\u009b31m\x7f\xff ü"
	for in, want := range map[string]string{
		evil:                  "9.9]0;owned[2J31m\uFFFD ü",
		"a\tb\nc":             "a\tb\nc",
		"":                    "",
		"plain text, ü and →": "plain text, ü and →",
	} {
		var b strings.Builder
		if n, err := forPeople(&b).Write([]byte(in)); n != len(in) || err != nil || b.String() != want {
			t.Errorf("%q: %q, %d, %v; want %q", in, b.String(), n, err, want)
		}
	}
	if _, err := forPeople(failing{}).Write([]byte("x")); err == nil {
		t.Error("an error is lost")
	}
	top := api.Topology{Hosts: []api.TopologyHost{{Name: "xen1", Connected: true, OVSVersion: evil, Problems: []string{evil}}}}
	var b strings.Builder
	if err := writeTopology(forPeople(&b), top, tables{}); err != nil || strings.ContainsAny(b.String(), "\x1b\a\r\x7f\u009b") {
		t.Errorf("%q, %v", b.String(), err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("closed") }
