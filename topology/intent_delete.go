package topology

import (
	"fmt"
	"slices"
	"strings"
)

// PlanDelete returns what it takes to delete one object. It is ErrNotFound if
// there is no such kind or object, and ErrConflict if others name it: nothing
// is deleted along with something else. Deleting a key pool leaves the keys
// that came from it with their networks. Pins of CloudStack's calls are nobody's
// entry: they go with the network or host that they name.
func (in *Intent) PlanDelete(kind, name string) (*Change, error) {
	c := in.newChange()
	c.item(kind, name, VerbDeleted)
	switch kind {
	case KindNetworks:
		if _, ok := in.networks[name]; !ok {
			return nil, fmt.Errorf("network %.64q: %w", name, ErrNotFound)
		}
		if err := inUse("network", name, users{"ports", in.portsOf[name]}); err != nil {
			return nil, err
		}
		c.DeleteNetworks = []string{name}
	case KindHosts:
		if _, ok := in.hosts[name]; !ok {
			return nil, fmt.Errorf("host %.64q: %w", name, ErrNotFound)
		}
		if err := inUse("host", name, users{"networks", in.networksOn[name]}, users{"ports", in.portsOn[name]}); err != nil {
			return nil, err
		}
		c.DeleteHosts = []string{name}
		in.unpinHosts(c, nil)
	case KindPorts:
		if _, ok := in.ports[name]; !ok {
			return nil, fmt.Errorf("port %.64q: %w", name, ErrNotFound)
		}
		c.DeletePorts = []string{name}
	case KindKeyPools:
		left := slices.DeleteFunc(slices.Clone(in.pools), func(p KeyPool) bool { return p.Name() == name })
		if len(left) == len(in.pools) {
			return nil, fmt.Errorf("key pool %.64q: %w", name, ErrNotFound)
		}
		c.SetKeyPools = &left
	default:
		return nil, fmt.Errorf("kind %.64q: %w (there are networks, hosts, ports, keypools)", kind, ErrNotFound)
	}
	return c, nil
}

// users are objects that name another one.
type users struct {
	kind  string
	names []string
}

// inUse returns an ErrConflict that names who names an object, nil if nobody does.
func inUse(kind, name string, by ...users) error {
	const shown = 5
	var parts []string
	for _, u := range by {
		if len(u.names) == 0 {
			continue
		}
		names := slices.Sorted(slices.Values(u.names))
		more := ""
		if n := len(names) - shown; n > 0 {
			names, more = names[:shown], fmt.Sprintf(" and %d more", n)
		}
		parts = append(parts, u.kind+" "+strings.Join(names, ", ")+more)
	}
	if len(parts) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s %s is named by %s", ErrConflict, kind, name, strings.Join(parts, " and "))
}
