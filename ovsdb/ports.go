package ovsdb

import (
	"fmt"
	"slices"

	"ovsmesh/ovsdb/notation"
	"ovsmesh/ovsdb/schema"
)

// portsID names the monitor of Bridge.ports alone.
const portsID = "ovsmesh-ports"

// bridgePorts makes whole Bridge rows of two monitors. A plain monitor sends
// all ports of a bridge whenever one comes or goes, which at 1,000 of them
// costs ovsdb-server more than the port itself; so where the host knows
// monitor_cond, which sends what differs, that column has such a monitor of its
// own. It belongs to the reader's goroutine; the zero value takes rows as they
// come.
type bridgePorts struct {
	apart bool                      // the ports come by themselves
	rows  map[string]*schema.Bridge // by UUID, as the plain monitor last sent them
	ports map[string][]string       // Port UUIDs by Bridge UUID
}

// split makes ports come by themselves from now on.
func (b *bridgePorts) split() {
	*b = bridgePorts{apart: true, rows: map[string]*schema.Bridge{}, ports: map[string][]string{}}
}

// whole gives the row of a bridge its ports. Other rows it leaves as they are.
func (b *bridgePorts) whole(u schema.RowUpdate) schema.RowUpdate {
	if !b.apart || u.Table != schema.TableBridge {
		return u
	}
	row := u.Bridge()
	if row == nil {
		delete(b.rows, u.UUID)
		return u
	}
	b.rows[u.UUID] = row
	return b.join(u.UUID)
}

func (b *bridgePorts) join(uuid string) schema.RowUpdate {
	row := *b.rows[uuid]
	row.Ports = b.ports[uuid]
	return schema.Put(&row)
}

// change takes over what became of a bridge's ports. It reports false while
// the bridge itself has not been heard of, or no longer is there.
func (b *bridgePorts) change(p schema.PortsUpdate) (schema.RowUpdate, bool, error) {
	switch {
	case p.Whole && p.Ports == nil:
		delete(b.ports, p.Bridge)
	case p.Whole:
		b.ports[p.Bridge] = p.Ports
	default:
		b.ports[p.Bridge] = symmetricDifference(b.ports[p.Bridge], p.Ports)
	}
	if len(b.ports[p.Bridge]) > schema.MaxRows || len(b.ports) > schema.MaxRows {
		return schema.RowUpdate{}, false, fmt.Errorf("more than %d ports", schema.MaxRows)
	}
	if b.rows[p.Bridge] == nil {
		return schema.RowUpdate{}, false, nil
	}
	return b.join(p.Bridge), true, nil
}

// symmetricDifference returns what is in one of the two sets, not in both.
func symmetricDifference(have, changed []string) []string {
	left := make(map[string]struct{}, len(changed))
	for _, id := range changed {
		left[id] = struct{}{}
	}
	out := make([]string, 0, len(have)+len(changed))
	for _, id := range have {
		if _, gone := left[id]; gone {
			delete(left, id)
			continue
		}
		out = append(out, id)
	}
	for _, id := range changed {
		if _, come := left[id]; come {
			delete(left, id)
			out = append(out, id)
		}
	}
	return slices.Clip(out)
}

// update2 takes an "update2" notification, ovsdb-server(7) §4.1.14, of the
// monitor of ports: [<id>, <table-updates2>].
func (s *Session) update2(params []byte) error {
	var rows []schema.RowUpdate
	r := notation.NewReader(params)
	err := r.Array(func(n int) error {
		switch n {
		case 0:
			return wantMonitor(r, portsID)
		case 1:
			return s.decoder.PortsUpdates(r, func(p schema.PortsUpdate) error {
				u, known, err := s.bridges.change(p)
				if known {
					rows = append(rows, u)
				}
				return err
			})
		}
		return fmt.Errorf("more than two parameters")
	})
	return s.changedRows(rows, err)
}

func wantMonitor(r *notation.Reader, want string) error {
	id, err := r.Raw()
	if err == nil && string(id) != `"`+want+`"` {
		return fmt.Errorf("unknown monitor %.40q", id)
	}
	return err
}
