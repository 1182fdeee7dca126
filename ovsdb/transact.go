package ovsdb

import (
	"context"
	"fmt"
	"time"

	"ovsmesh/ovsdb/notation"
	"ovsmesh/ovsdb/schema"
)

// TransactLocked runs operations as one transaction, all or nothing, and returns
// their results in order (RFC 7047 §4.1.3), on the condition that this session
// holds the lock: the first operation of every transaction is an assert of it, so
// that it is the database that judges, at the moment when it would write. Without
// the lock the error is ErrNotLocked and nothing is changed. If an operation is
// refused, the error is an *Error that says which. After it has returned, Take
// includes its effects. If the error is that of ctx or of the session, whether it
// took place is unknown. Integers in result rows are int, other numbers float64.
//
// There is no transaction without the assert but for reading; see Select.
func (s *Session) TransactLocked(ctx context.Context, ops ...Operation) ([]OperationResult, error) {
	if s.Lock() != LockHeld {
		s.count.transactionErrors.Add(1)
		return nil, &Error{Op: "transact", Index: -1, Err: ErrNotLocked}
	}
	return s.transact(ctx, ops, true)
}

// Select is TransactLocked for reading, which needs no lock. An operation that
// is not a select is refused before anything is sent.
func (s *Session) Select(ctx context.Context, ops ...Operation) ([]OperationResult, error) {
	for i, op := range ops {
		if op.Op != "select" {
			s.count.transactionErrors.Add(1)
			return nil, &Error{Op: "select", Index: i, Err: fmt.Errorf("%q needs the lock", op.Op)}
		}
	}
	return s.transact(ctx, ops, false)
}

// transact is the one place where a transaction of given operations is made.
func (s *Session) transact(ctx context.Context, ops []Operation, locked bool) (results []OperationResult, err error) {
	asked := time.Since(s.start)
	s.count.transactions.Add(1)
	defer func() {
		if err != nil {
			s.count.transactionErrors.Add(1)
		}
	}()
	if ctx.Err() != nil { // before the work of writing it down
		return nil, &Error{Op: "transact", Index: -1, Err: context.Cause(ctx)}
	}
	params := make([]any, 0, len(ops)+2)
	params = append(params, schema.Database)
	if locked {
		params = append(params, map[string]string{"op": "assert", "lock": LockName})
	}
	for i, op := range ops {
		body, err := operation(op)
		if err != nil {
			return nil, &Error{Op: "transact", Index: i, Err: err}
		}
		params = append(params, body)
	}
	var got []OperationResult
	err = s.call(ctx, "transact", params, func(result []byte) error {
		all, err := parseResults(result, len(params)-1)
		if err != nil {
			return errShape{err}
		}
		for i, res := range all {
			if res.Error == "" {
				continue
			}
			if locked && i == 0 {
				return &Error{Op: "transact", Index: -1, Err: ErrNotLocked}
			}
			if locked {
				i--
			}
			return &Error{Op: "transact", Index: i, Code: clip(res.Error), Details: clip(res.Details)}
		}
		if len(all) < len(params)-1 {
			return errShape{fmt.Errorf("%d results of %d operations", len(all), len(params)-1)}
		}
		if locked {
			all = all[1:]
			// Here, on the reader's goroutine, no "stolen" can have come first.
			s.proven.Store(int64(asked))
		}
		got = all
		return nil
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// SelectDB reads all that a DB holds as it is now, in one transaction. The copy
// that updates keep lags behind by what is on its way.
func (s *Session) SelectDB(ctx context.Context) (*schema.DB, error) {
	s.count.transactions.Add(1)
	columns := s.db.Schema().Columns()
	params := []any{schema.Database}
	for _, table := range schema.Tables() {
		params = append(params, map[string]any{
			"op": "select", "table": table, "where": []any{}, "columns": append([]string{"_uuid"}, columns[table]...),
		})
	}
	db := schema.NewDB(s.db.Schema())
	err := s.call(ctx, "transact", params, func(result []byte) error {
		var rows []schema.RowUpdate
		r := notation.NewReader(result)
		err := r.Array(func(n int) error {
			if n >= len(schema.Tables()) {
				return fmt.Errorf("more results than operations")
			}
			table := schema.Tables()[n]
			return r.Object(func(key []byte) error {
				if string(key) != "rows" {
					_, err := r.Raw()
					return err
				}
				return s.decoder.Rows(r, table, func(u schema.RowUpdate) error {
					if rows = append(rows, u); len(rows) > schema.MaxRows {
						return fmt.Errorf("more than %d rows", schema.MaxRows)
					}
					return nil
				})
			})
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
		s.count.transactionErrors.Add(1)
		return nil, err
	}
	return db, nil
}
