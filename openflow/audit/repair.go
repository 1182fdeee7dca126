package audit

// Repair is what was changed on a host to put things right, or would be.
type Repair struct {
	Host   string   `json:"host"`
	Bridge string   `json:"bridge"` // whose flows; empty where it is about the host's rows
	Rows   []string `json:"rows"`   // of one transaction, in plain words
	Flows  []string `json:"flows"`  // of one bundle: "+ " puts a flow in, in place of one of its key, "- " takes one out
}

// same is what makes a finding the same in a second look.
type same struct {
	host, bridge, network, kind, want, got string
}

func (f *Finding) same() same {
	return same{f.Host, f.Bridge, f.Network, f.Kind, f.Want, f.Got}
}

// Mend joins two looks at the same hosts, one before and one after a repair:
// what was found before and is no longer counts as repaired, and what is found
// after it is as it is. A host that could not be looked at again has nothing
// repaired. The findings are sorted.
func Mend(before, after []Finding) []Finding {
	left, unseen := map[same]bool{}, map[string]bool{}
	for i := range after {
		f := &after[i]
		left[f.same()] = true
		unseen[f.Host] = unseen[f.Host] || f.Kind == UnreachableHost
	}
	out := append([]Finding{}, after...)
	for _, f := range before {
		if left[f.same()] {
			continue
		}
		f.Repaired = !unseen[f.Host] && f.Kind != UnreachableHost && f.Kind != ForeignFlow
		switch {
		case f.Repaired:
			f.Note = ""
		case unseen[f.Host] && f.Kind != UnreachableHost:
			f.Note = "its host could not be looked at again after the repair"
		default:
			continue // it is reachable again, or the foreign flow has gone
		}
		out = append(out, f)
	}
	Sort(out)
	return out
}

// Mendable reports whether a repair can do anything about a finding: others'
// flows are never touched, and who does not answer can't be written to.
func (f *Finding) Mendable() bool {
	return f.Kind != ShadowedFlow && f.Kind != ForeignFlow && f.Kind != UnreachableHost
}
