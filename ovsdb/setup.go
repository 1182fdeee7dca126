package ovsdb

import (
	"context"
	"fmt"

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
// kept; the differences that monitor_cond sends can't be merged like that.
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
	db := schema.NewDB(host)
	err = s.call(ctx, "monitor", []any{schema.Database, monitorID, monitorRequests(host)}, func(result []byte) error {
		r := notation.NewReader(result)
		var rows []schema.RowUpdate
		err := s.decoder.TableUpdates(r, func(u schema.RowUpdate) error {
			if rows = append(rows, u); len(rows) > schema.MaxRows {
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
	return s.requestLock(ctx)
}

func monitorRequests(host *schema.Schema) map[string]any {
	m := map[string]any{}
	for table, columns := range host.Columns() {
		m[table] = map[string]any{"columns": columns}
	}
	return m
}
