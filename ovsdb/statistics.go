package ovsdb

import (
	"context"

	"ovsmesh/ovsdb/schema"
)

// maxSelects is how many rows Statistics asks for in one transaction.
const maxSelects = 500

// Statistics reads the column of that name of Interface rows, by their UUIDs, as
// it is now. It is not monitored: every port of a host has it changed every few
// seconds. Rows that are no longer there are missing from the result.
func (s *Session) Statistics(ctx context.Context, interfaces []string) (map[string]map[string]int64, error) {
	all := make(map[string]map[string]int64, len(interfaces))
	for len(interfaces) > 0 {
		n := min(len(interfaces), maxSelects)
		ops := make([]Operation, n)
		for i, id := range interfaces[:n] {
			// A row by its UUID is found at once; by anything else the database
			// would go through all of them.
			ops[i] = Operation{
				Op: "select", Table: schema.TableInterface, Columns: []string{"_uuid", "statistics"},
				Where: []Condition{{Column: "_uuid", Function: "==", Value: UUID{GoUUID: id}}},
			}
		}
		results, err := s.Select(ctx, ops...)
		if err != nil {
			return nil, err
		}
		for i, id := range interfaces[:n] {
			for _, row := range results[i].Rows {
				all[id] = numbers(row["statistics"])
			}
		}
		interfaces = interfaces[n:]
	}
	return all, nil
}

// numbers returns a map of text to integers, without what is none.
func numbers(v any) map[string]int64 {
	m, _ := v.(OvsMap)
	out := make(map[string]int64, len(m.GoMap))
	for k, v := range m.GoMap {
		name, isText := k.(string)
		n, isNumber := v.(int)
		if isText && isNumber {
			out[name] = int64(n)
		}
	}
	return out
}
