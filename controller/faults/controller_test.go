package faults

import "testing"

// The controller may end at any moment, and nobody notices but who asks it.
func TestController(t *testing.T) {
	m := startMesh(t, 4)
	for _, name := range []string{"controller-kill", "controller-freeze", "controller-restart", "controller-kills"} {
		runFault(t, m, name, 1)
	}
}
