package verify

import "ovsmesh/openflow/flow"

// Passages returns those flows of a bridge's base that frames of networks may
// meet and that don't just drop them: what Network.Base wants to know. There
// are few, however many ports the bridge has.
func Passages(base []flow.Flow) []flow.Flow {
	var list []flow.Flow
	for _, f := range base {
		if len(f.Actions) > 0 && read(f.Match).port == 0 {
			list = append(list, f)
		}
	}
	return list
}

// CheckBase returns what of the flows that belong to no network could break
// isolation or make a loop. They may drop, pass frames on unchanged, and leave
// the host's own ports to NORMAL, as which host reports a port; and on a bridge
// that is of one learning network alone, everything that nothing else takes.
func CheckBase(base []flow.Flow, host func(port uint32) bool, learning bool) []Breach {
	var g Gate
	for i := range base {
		f := &base[i]
		r := read(f.Match)
		for _, a := range f.Actions {
			switch next, goes := a.(flow.GotoTable); {
			case goes && next.Table > f.Table && f.Table > 0: // marked as its network's since table 0
			case a != flow.Action(flow.Output{Port: flow.PortNormal}):
				g.breach(Isolation, f, "%s is not for flows of no network", a)
			case f.Table == 0 && r.port != 0 && host(r.port):
			case f.Table == 0 && learning:
			default:
				g.breach(Isolation, f, "frames of networks go NORMAL, which knows none")
			}
		}
	}
	return g.breaches
}
