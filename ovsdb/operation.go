package ovsdb

import "fmt"

// operation returns an operation as the object that RFC 7047 §5.2 wants. The
// library's own encoding leaves empty members out, though an empty where means
// every row, an empty rows none, and a missing one is a syntax error.
func operation(op Operation) (map[string]any, error) {
	m := map[string]any{"op": op.Op}
	where := op.Where
	if where == nil {
		where = []Condition{}
	}
	row := op.Row
	if row == nil {
		row = Row{}
	}
	switch op.Op {
	case "insert":
		m["row"] = plainRow(row)
		if op.UUIDName != "" {
			m["uuid-name"] = op.UUIDName
		}
		if op.UUID != "" {
			m["uuid"] = op.UUID
		}
	case "select":
		m["where"] = where
		if op.Columns != nil {
			m["columns"] = op.Columns
		}
	case "update":
		m["where"], m["row"] = where, plainRow(row)
	case "mutate":
		m["where"], m["mutations"] = where, plainMutations(op.Mutations)
	case "delete":
		m["where"] = where
	case "wait":
		m["where"], m["until"] = where, op.Until
		rows, columns := op.Rows, op.Columns
		if rows == nil {
			rows = []Row{}
		}
		if columns == nil {
			columns = []string{}
		}
		m["rows"], m["columns"] = rows, columns
		if op.Timeout != nil {
			m["timeout"] = *op.Timeout
		}
	case "commit":
		m["durable"] = op.Durable != nil && *op.Durable
		return m, nil
	case "abort":
		return m, nil
	case "comment":
		if op.Comment == nil {
			return nil, fmt.Errorf("comment without text")
		}
		m["comment"] = *op.Comment
		return m, nil
	case "assert":
		if op.Lock == nil {
			return nil, fmt.Errorf("assert without lock")
		}
		m["lock"] = *op.Lock
		return m, nil
	default:
		return nil, fmt.Errorf("unknown operation %q", op.Op)
	}
	if op.Table == "" {
		return nil, fmt.Errorf("%s without table", op.Op)
	}
	m["table"] = op.Table
	return m, nil
}
