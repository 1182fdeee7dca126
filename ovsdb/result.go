package ovsdb

import (
	"fmt"

	"ovsmesh/ovsdb/notation"
)

// parseResults reads the results of n operations: an array of one object each,
// null for those that were not tried, and one more where the commit failed.
func parseResults(raw []byte, n int) ([]OperationResult, error) {
	var all []OperationResult
	r := notation.NewReader(raw)
	err := r.Array(func(i int) error {
		if i > n {
			return fmt.Errorf("more results than operations")
		}
		var res OperationResult
		var err error
		if !r.Null() {
			res, err = parseResult(r)
		}
		all = append(all, res)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("result %d: %w", max(len(all)-1, 0), err)
	}
	return all, nil
}

func parseResult(r *notation.Reader) (res OperationResult, err error) {
	err = r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "count":
			var n int64
			n, err = r.Int()
			res.Count = int(n)
		case "uuid":
			res.UUID.GoUUID, err = r.UUID()
		case "error":
			if r.Null() {
				return nil
			}
			if res.Error, err = r.String(); err == nil && res.Error == "" {
				res.Error = "unspecified error"
			}
		case "details":
			res.Details, err = r.String()
		case "rows":
			res.Rows = []Row{}
			err = r.Array(func(int) error {
				row := Row{}
				err := r.Object(func(key []byte) (err error) {
					column := string(key)
					row[column], err = value(r)
					return err
				})
				res.Rows = append(res.Rows, row)
				return err
			})
		default:
			_, err = r.Raw()
		}
		return err
	})
	return res, err
}

// value reads any <value> as what the library has for it: string, int, float64,
// bool, UUID, OvsSet or OvsMap.
func value(r *notation.Reader) (any, error) {
	switch r.Tagged() {
	case "set":
		set := OvsSet{GoSet: []any{}}
		err := r.Set(func() error {
			v, err := atom(r)
			set.GoSet = append(set.GoSet, v)
			return err
		})
		return set, err
	case "map":
		m := OvsMap{GoMap: map[any]any{}}
		err := r.Map(func(then func() error) error {
			k, err := atom(r)
			if err != nil {
				return err
			}
			if err := then(); err != nil {
				return err
			}
			m.GoMap[k], err = atom(r)
			return err
		})
		return m, err
	}
	return atom(r)
}

func atom(r *notation.Reader) (any, error) {
	switch r.Peek() {
	case '"':
		return r.String()
	case '[':
		id, err := r.UUID()
		return UUID{GoUUID: id}, err
	case 't', 'f':
		return r.Bool()
	}
	f, err := r.Float()
	if err != nil {
		return nil, err
	}
	if n := int(f); float64(n) == f {
		return n, nil
	}
	return f, nil
}
