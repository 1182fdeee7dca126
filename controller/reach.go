package controller

import (
	"slices"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// findable warns of VMs whose MAC nobody knows: frames to them are flooded or,
// where the network wants that, dropped. In a network that learns addresses
// they are as good as any other.
func (v *view) findable(n *networkNow, t *api.TopologyNetwork) {
	if n.rec.Profile == topology.ProfileLearning {
		return
	}
	var unknown []string
	for _, p := range n.vifs {
		if len(p.vif.MACs) == 0 {
			unknown = append(unknown, p.vif.Port)
		}
	}
	if len(unknown) == 0 {
		return
	}
	slices.Sort(unknown)
	fate := "are flooded to all hosts"
	if n.rec.UnknownUnicast == topology.UnknownUnicastDrop {
		fate = "are dropped (unknownUnicast: drop): these VMs can't be reached"
	}
	t.Warnings = append(t.Warnings, "interfaces whose MAC is not known: "+someOf(unknown)+"; frames to them "+fate+
		"; set external_ids:attached-mac, or name the mac in a ports entry")
}
