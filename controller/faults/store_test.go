package faults

import "testing"

// A store that can't be written keeps what was acknowledged, and nobody's
// packets notice.
func TestStore(t *testing.T) {
	m := startMesh(t, 4)
	for _, name := range []string{"store-limit", "store-full", "store-readonly"} {
		runFault(t, m, name, 1)
	}
}
