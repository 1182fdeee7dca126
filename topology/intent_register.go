package topology

import (
	"fmt"
	"strings"
)

// PlanRegister returns which host it is that dialled in with these facts, and
// what it takes to have it in the intent (nothing, mostly). It is the host
// with that system-id; else the host of the spec without system-id that is
// called like it, which is tied to the system-id from then on; else a new one,
// registered by its short lower-case host name, or by its system-id where that
// is no name or belongs to another. An external host is never it: the error is
// ErrConflict.
func (in *Intent) PlanRegister(f HostFacts) (*Change, HostRecord, error) {
	c := in.newChange()
	if why := badSystemID(f.SystemID); why != "" {
		return nil, HostRecord{}, fmt.Errorf("external_ids:system-id %.64q %s", f.SystemID, why)
	}
	if r, ok := in.HostBySystemID(f.SystemID); ok {
		return c, r, nil
	}
	name := shortHostname(f.Hostname)
	for _, n := range []string{f.Hostname, name} {
		if in.hosts[n].Kind == KindExternal {
			return nil, HostRecord{}, notExternal(n)
		}
	}
	if r, ok := in.specHost(f.Hostname, name); ok {
		old := r
		r.SystemID = f.SystemID
		c.PutHosts = []HostRecord{r}
		c.item(KindHosts, r.Name, VerbUpdated, diffHosts(&old, &r)...)
		return c, r, nil
	}
	if _, taken := in.hosts[name]; taken || badName(name) != "" {
		name = strings.ToLower(f.SystemID)
	}
	if why := badName(name); why != "" {
		return nil, HostRecord{}, fmt.Errorf("neither its host name %.64q nor its system-id %.64q can name the host: %s; name it in a spec", f.Hostname, f.SystemID, why)
	}
	if other, taken := in.hosts[name]; taken && other.Kind == KindExternal {
		return nil, HostRecord{}, notExternal(name)
	} else if taken {
		return nil, HostRecord{}, fmt.Errorf("%w: host %s has system-id %s, not %s", ErrConflict, name, other.SystemID, f.SystemID)
	}
	id := in.hostIDBound
	for in.hostIDs[id] != "" {
		id++
	}
	r := HostRecord{Host: Host{Name: name, ID: id, SystemID: f.SystemID}.Defaults(), AutoID: true, Registered: true}
	c.PutHosts = []HostRecord{r}
	c.item(KindHosts, name, VerbCreated)
	return c, r, nil
}

// notExternal is the answer to a host that dials in by an external one's name.
func notExternal(name string) error {
	return fmt.Errorf("%w: a host that dials in can't be host %s, which is external in the spec: "+
		"make that one kind: managed, or add a host of another name with this one's system-id", ErrConflict, name)
}

// specHost returns the host of the spec that waits for a host of this name:
// the whole one or the short one.
func (in *Intent) specHost(hostname, short string) (HostRecord, bool) {
	for _, name := range []string{hostname, short} {
		if r, ok := in.hosts[name]; ok && r.SystemID == "" {
			return r, true
		}
	}
	return HostRecord{}, false
}

// shortHostname returns a host name in lower case up to its first dot.
func shortHostname(hostname string) string {
	short, _, _ := strings.Cut(hostname, ".")
	return strings.ToLower(short)
}
