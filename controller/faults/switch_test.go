package faults

import (
	"slices"
	"testing"
)

// Whatever happens to the daemons, hosts, links and VMs of a mesh, and whatever
// somebody does by hand to what is ours, ends well.
func TestSwitchFaults(t *testing.T) {
	m := startMesh(t, 4)
	for i, f := range slices.Concat(handFaults(), moveFaults(), linkFaults(), switchFaults(), hostFaults()) {
		if !t.Run(f.Name, func(t *testing.T) { runFault(t, m, f.Name, uint64(i)) }) {
			m = startMesh(t, 4) // one fault is not to spoil the next
		}
	}
}
