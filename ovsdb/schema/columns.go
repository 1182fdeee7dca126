package schema

import (
	"fmt"
	"slices"

	"ovsmesh/ovsdb/notation"
)

// Database is the name of the database that a host is asked for.
const Database = "Open_vSwitch"

// The tables that ovsmesh uses.
const (
	TableOpen       = "Open_vSwitch"
	TableBridge     = "Bridge"
	TablePort       = "Port"
	TableInterface  = "Interface"
	TableController = "Controller"
)

// used returns the columns that a DB holds, by table.
func used() map[string][]string {
	return map[string][]string{
		TableOpen: {"bridges", "next_cfg", "cur_cfg", "ovs_version", "datapath_types", "iface_types",
			"external_ids", "other_config"},
		TableBridge: {"name", "datapath_id", "datapath_type", "ports", "controller", "fail_mode", "protocols",
			"stp_enable", "rstp_enable", "external_ids", "other_config"},
		TablePort: {"name", "interfaces", "vlan_mode", "tag", "trunks", "cvlans", "fake_bridge", "protected",
			"external_ids"},
		TableInterface: {"name", "type", "ofport", "ofport_request", "error", "link_state", "mtu", "bfd", "bfd_status",
			"options", "external_ids", "status"},
		TableController: {"target", "type", "connection_mode", "external_ids"},
	}
}

// Tables returns the names of the tables that a DB holds, sorted.
func Tables() []string {
	return []string{TableBridge, TableController, TableInterface, TableOpen, TablePort}
}

// Schema is what a host's database can hold: which columns the tables that
// ovsmesh uses have there. Versions differ, and naming one column that is
// missing fails a whole request. It is immutable.
type Schema struct {
	columns map[string]map[string]struct{}
}

// Full returns the schema that has all columns that ovsmesh knows of, as that
// of a new Open vSwitch.
func Full() *Schema {
	s := &Schema{columns: map[string]map[string]struct{}{}}
	for table, columns := range used() {
		s.columns[table] = map[string]struct{}{}
		for _, c := range columns {
			s.columns[table][c] = struct{}{}
		}
	}
	return s
}

// Without returns a copy of s that lacks a column.
func (s *Schema) Without(table, column string) *Schema {
	n := &Schema{columns: map[string]map[string]struct{}{}}
	for t, columns := range s.columns {
		n.columns[t] = map[string]struct{}{}
		for c := range columns {
			if t != table || c != column {
				n.columns[t][c] = struct{}{}
			}
		}
	}
	return n
}

// ParseSchema reads a <database-schema>, RFC 7047 §3.2. A schema that lacks one
// of the tables that every Open vSwitch has is an error.
func ParseSchema(raw []byte) (*Schema, error) {
	s := &Schema{columns: map[string]map[string]struct{}{}}
	known := used()
	r := notation.NewReader(raw)
	err := members(r, "tables", func() error {
		return r.Object(func(key []byte) error {
			table := string(key)
			if _, ok := known[table]; !ok {
				_, err := r.Raw()
				return err
			}
			columns := map[string]struct{}{}
			s.columns[table] = columns
			return members(r, "columns", func() error {
				return r.Object(func(column []byte) error {
					columns[string(column)] = struct{}{}
					_, err := r.Raw()
					return err
				})
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("database schema: %w", err)
	}
	for _, t := range Tables() {
		if len(s.columns[t]) == 0 {
			return nil, fmt.Errorf("database schema: no table %s", t)
		}
	}
	return s, nil
}

// members reads an object, calls read at the member of that name and skips all
// others.
func members(r *notation.Reader, name string, read func() error) error {
	return r.Object(func(key []byte) error {
		if string(key) == name {
			return read()
		}
		_, err := r.Raw()
		return err
	})
}

// Has reports whether the host's schema has a column of one of the tables that
// ovsmesh uses.
func (s *Schema) Has(table, column string) bool {
	_, ok := s.columns[table][column]
	return ok
}

// Columns returns, by table, the columns that a DB holds and the host has,
// sorted: what to monitor and to select.
func (s *Schema) Columns() map[string][]string {
	m := used()
	for table, columns := range m {
		columns = slices.DeleteFunc(columns, func(c string) bool { return !s.Has(table, c) })
		slices.Sort(columns)
		m[table] = columns
	}
	return m
}
