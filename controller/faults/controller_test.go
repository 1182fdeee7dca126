package faults

import "testing"

func TestControllerKilled(t *testing.T) {
	m := startMesh(t, 4)
	runFault(t, m, "controller-kill", 1)
}
