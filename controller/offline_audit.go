package controller

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
	"ovsmesh/topology"
)

// BridgeDump is what a file says that a bridge holds.
type BridgeDump struct {
	Flows []flow.Flow
	Old   bool  // in the words of OpenFlow 1.0; see flow.Actions.Old
	Cut   bool  // there may be more flows than were read
	Err   error // what of the file can't be read, each thing joined; the flows are all the rest
}

// Dumps are the dumps of bridges, by host and bridge.
type Dumps map[string]map[string]BridgeDump

// Audit compares dumps with what the bridges should hold, and the inventory's
// rows with what they should be, as Controller.Audit does with what it reads
// from the hosts. What is not there to look at, a bridge without a dump, a line
// that makes no sense, makes the report incomplete. The error is
// topology.ErrNotFound for a network or host that there is not; Repair must not
// be set.
func (o *Offline) Audit(r api.AuditRequest, dumps Dumps) (api.AuditReport, error) {
	if r.Host != "" && o.hosts[r.Host] == nil {
		return api.AuditReport{}, fmt.Errorf("host %q: %w", r.Host, topology.ErrNotFound)
	}
	if r.Network != "" && !slices.Contains(o.networks, r.Network) {
		return api.AuditReport{}, fmt.Errorf("network %q: %w", r.Network, topology.ErrNotFound)
	}
	var checked audit.Checked
	var findings []audit.Finding
	for _, h := range o.Hosts() {
		if r.Host != "" && h.Name != r.Host || r.Network != "" && h.loop.on[r.Network] == nil {
			continue
		}
		l := hostLook{request: r, host: h.Name}
		h.audit(&l, dumps[h.Name])
		checked.Hosts += l.checked.Hosts
		checked.Bridges += l.checked.Bridges
		checked.Tunnels += l.checked.Tunnels
		checked.Flows += l.checked.Flows
		findings = append(findings, l.findings...)
	}
	return audit.NewReport(checked, findings), nil
}

func (h *OfflineHost) audit(l *hostLook, dumps map[string]BridgeDump) {
	if h.Missing != "" {
		l.unreachable(h.Missing)
		return
	}
	db := h.loop.att.db
	l.checked.Hosts++
	l.tunnels(h.loop, db)
	var without []string
	for _, name := range h.Bridges() {
		b := h.loop.bridges[name]
		id, on := onBridge(h.loop, b, l.request.Network)
		if !on {
			continue
		}
		if id == 0 {
			l.settings(h.loop, db, b)
		}
		d, ok := dumps[name]
		if !ok {
			without = append(without, name)
			continue
		}
		for _, err := range unjoined(d.Err) {
			l.unseen(name, err.Error())
		}
		if d.Err == nil || len(d.Flows) > 0 { // else it is not known what is missing
			h.compare(l, b, id, d)
		}
	}
	if len(without) > 0 {
		l.unreachable(bridgesText(without) + ": not looked at, for there is no dump (--dump " + h.Name + "/" + without[0] + "=FILE)")
	}
}

// unseen notes that something of a bridge is not known.
func (l *hostLook) unseen(bridge, why string) {
	f := audit.UnreachableHostFinding(l.host, why)
	f.Bridge, f.Effect = bridge, "not all of what "+bridge+" holds is known"
	l.findings = append(l.findings, f)
}

// notOldEnough is what there is to say of a dump that modern returns nil for.
const notOldEnough = "it was dumped over OpenFlow 1.0, by which ovs-ofctl can't print all flows that ovsmesh puts there: dump it with -O OpenFlow13"

// compare compares a dump with what its bridge should hold.
func (h *OfflineHost) compare(l *hostLook, b *bridge, only uint32, d BridgeDump) {
	got := slices.Clone(d.Flows) // which the comparison takes for its own
	if d.Old {
		if got = h.modern(b, got); got == nil {
			l.unseen(b.name, notOldEnough)
			return
		}
	}
	before := len(l.findings)
	if why := l.compare(h.loop, h.loop.att.db, b, only, got); why != "" {
		l.unreachable("bridge " + b.name + ": " + why)
		return
	}
	if !d.Cut {
		return
	}
	// What is not there may be behind the end.
	found := l.findings[:before]
	missing := 0
	for _, f := range l.findings[before:] {
		if f.Kind == audit.MissingFlow {
			missing++
			continue
		}
		found = append(found, f)
	}
	l.findings = found
	if missing > 0 {
		l.unseen(b.name, fmt.Sprintf("%d of the flows that it should hold are not in the part of the dump that is there", missing))
	}
}

// unjoined returns the errors that errors.Join has made one of.
func unjoined(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	if err != nil {
		return []error{err}
	}
	return nil
}

// modern returns flows of a dump over OpenFlow 1.0 with the actions that are
// wanted in place of other words for the same. It returns nil where there are
// flows wanted for which that version has no words: ovs-ofctl breaks off then.
func (h *OfflineHost) modern(b *bridge, got []flow.Flow) []flow.Flow {
	want := map[flow.Key]flow.Actions{}
	for id := range b.wantIDs() {
		flows, err := h.loop.wanted(b, id)
		if err != nil {
			continue // the comparison says so
		}
		for i := range flows {
			want[flows[i].Key()] = flows[i].Actions
			for _, a := range flows[i].Actions {
				if _, is := a.(flow.WriteMetadata); is {
					return nil
				}
			}
		}
	}
	got = append([]flow.Flow{}, got...)
	for i := range got {
		if w, ok := want[got[i].Key()]; ok && w.Old().String() == got[i].Actions.String() {
			got[i].Actions = w
		}
	}
	return got
}

// Check returns an error that names every dump of a host or bridge that there
// is not, and what there is.
func (o *Offline) Check(dumps Dumps) error {
	var errs []error
	for _, host := range slices.Sorted(maps.Keys(dumps)) {
		h := o.hosts[host]
		if h == nil {
			errs = append(errs, fmt.Errorf("dump of %s: there is no such host; there are %s", host, listed(slices.Sorted(maps.Keys(o.hosts)))))
			continue
		}
		if h.Missing != "" {
			errs = append(errs, fmt.Errorf("dump of %s: %s", host, h.Missing))
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(dumps[host])) {
			if h.loop.bridges[name] == nil {
				errs = append(errs, fmt.Errorf("dump of %s/%s: ovsmesh manages no such bridge there; it manages %s", host, name, listed(h.Bridges())))
			}
		}
	}
	return errors.Join(errs...)
}

// listed returns the first of some names.
func listed(names []string) string {
	const most = 10
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Names returns what the names of ports in a dump of a bridge stand for.
func (h *OfflineHost) Names(bridge string) flow.Names {
	if h == nil || h.Missing != "" {
		return flow.Names{}
	}
	numbers := map[string]uint32{}
	db := h.loop.att.db
	if r := db.BridgeByName(bridge); r != nil {
		for _, id := range r.Ports {
			p := db.Ports[id]
			if p == nil {
				continue
			}
			for _, id := range p.Interfaces {
				if i := db.Interfaces[id]; i != nil && i.OFPort > 0 {
					numbers[i.Name] = hostPort(i.OFPort)
				}
			}
		}
	}
	return flow.Names{Port: func(name string) (uint32, bool) {
		n, ok := numbers[name]
		return n, ok
	}}
}
