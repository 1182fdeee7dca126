package schema

import (
	"fmt"

	"ovsmesh/ovsdb/notation"
)

// PortsUpdate is what became of Bridge.ports of one bridge.
type PortsUpdate struct {
	Bridge string   // UUID
	Whole  bool     // Ports are all there are; else those that came or went
	Ports  []string // Port UUIDs
}

// PortsUpdates reads a <table-updates2> of ovsdb-server(7) §4.1.14 about
// Bridge.ports, which is also the reply to such a monitor_cond request, and
// calls emit with each bridge.
func (d *Decoder) PortsUpdates(r *notation.Reader, emit func(PortsUpdate) error) error {
	return r.Object(func(table []byte) error {
		if string(table) != TableBridge {
			_, err := r.Raw()
			return err
		}
		return r.Object(func(key []byte) error {
			u := PortsUpdate{Bridge: string(key)}
			if len(u.Bridge) != 36 {
				return fmt.Errorf("%.40q is not a uuid", u.Bridge)
			}
			err := r.Object(func(kind []byte) error {
				switch string(kind) {
				case "initial", "insert", "modify":
					u.Whole = string(kind) != "modify"
					return d.columns(r, func(column string) any {
						if column == "ports" {
							return refs{&u.Ports}
						}
						return nil
					})
				case "delete":
					u.Whole, u.Ports = true, nil
				}
				_, err := r.Raw()
				return err
			})
			if err != nil {
				return fmt.Errorf("table %s: %w", TableBridge, err)
			}
			return emit(u)
		})
	})
}

// Bridge returns the row of an update of a bridge; nil if it is of another
// table or deletes one.
func (u RowUpdate) Bridge() *Bridge {
	row, _ := u.row.(*Bridge)
	return row
}
