package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ovsmesh/ovsdb/notation"
	"ovsmesh/ovsdb/schema"
)

// monitorID names our one monitor in update notifications.
const monitorID = "ovsmesh"

// setUp makes a connection a session: we speak first, since a host that has
// dialled in says nothing until it is asked.
//
// The monitor is the plain one of RFC 7047 on every version. It sends a changed
// row whole, so that of any number of changes to a row only the last has to be
// kept; the differences that monitor_cond sends can't be merged like that, save
// for a set of references, see bridgePorts.
//
// A dump may take as long as the whole set-up: when all hosts of a cloud dial in
// at once each has to wait for the others, and one that were given up would only
// dial in again. A host that hangs is silent, and let go for that.
func (s *Session) setUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.SetupTimeout)
	defer cancel()
	var host *schema.Schema
	err := s.call(ctx, "get_schema", []string{schema.Database}, func(result []byte) (err error) {
		if host, err = schema.ParseSchema(result); err != nil {
			return errShape{err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	requests := monitorRequests(host)
	if err := s.monitorPorts(ctx); err == nil {
		requests[schema.TableBridge] = columns(slices.DeleteFunc(host.Columns()[schema.TableBridge], func(c string) bool { return c == "ports" }))
	} else if e := (*Error)(nil); !errors.As(err, &e) || !e.Refused() {
		return err // a host that does not know the method says so
	}
	db := schema.NewDB(host)
	err = s.ask(ctx, "monitor", []any{schema.Database, monitorID, requests}, func(result []byte) error {
		r := notation.NewReader(result)
		var rows []schema.RowUpdate
		err := s.decoder.TableUpdates(r, func(u schema.RowUpdate) error {
			if rows = append(rows, s.bridges.whole(u)); len(rows) > schema.MaxRows {
				return fmt.Errorf("more than %d rows", schema.MaxRows)
			}
			return nil
		})
		if err == nil {
			_, err = db.Apply(rows)
		}
		if err == nil && db.Open.UUID == "" {
			err = fmt.Errorf("no row in table %s", schema.TableOpen)
		}
		if err != nil {
			return errShape{err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.db = db
	if s.cfg.LockLater {
		return nil
	}
	return s.AskLock(ctx)
}

// monitorPorts starts the monitor of Bridge.ports, ovsdb-server(7) §4.1.12.
func (s *Session) monitorPorts(ctx context.Context) error {
	request := map[string]any{schema.TableBridge: []any{columns([]string{"ports"})}}
	return s.ask(ctx, "monitor_cond", []any{schema.Database, portsID, request}, func(result []byte) error {
		s.bridges.split()
		err := s.decoder.PortsUpdates(notation.NewReader(result), func(p schema.PortsUpdate) error {
			_, _, err := s.bridges.change(p)
			return err
		})
		if err != nil {
			return errShape{err}
		}
		return nil
	})
}

func monitorRequests(host *schema.Schema) map[string]any {
	m := map[string]any{}
	for table, names := range host.Columns() {
		m[table] = columns(names)
	}
	return m
}

// columns is a <monitor-request> of RFC 7047 §4.1.5.
func columns(names []string) map[string]any { return map[string]any{"columns": names} }
