package faults

import "testing"

// Whatever happens to the daemons, hosts, links and VMs of a mesh, and whatever
// somebody does by hand to what is ours, ends well.
func TestSwitchFaults(t *testing.T) {
	for name, list := range map[string][]Fault{
		"daemons": switchFaults(),
		"hosts":   hostFaults(),
		"hand":    handFaults(),
		"moves":   append(moveFaults(), linkFaults()...),
	} {
		t.Run(name, func(t *testing.T) {
			m := startMesh(t, 4)
			for i, f := range list {
				t.Run(f.Name, func(t *testing.T) { runFault(t, m, f.Name, uint64(i)) })
			}
		})
	}
}
