package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Value is what a column of a row holds, in words: its atoms, sorted and none
// for what is not set, or the pairs of a map.
type Value struct {
	Atoms []string
	Pairs map[string]string
}

// Columned is a row whose columns can be had by their names.
type Columned interface{ column(name string) any }

// Get returns a column of a row; ok is false for a column that the row type has
// not.
func Get(row Columned, column string) (v Value, ok bool) {
	switch p := row.column(column).(type) {
	case *string:
		v.Atoms = present(*p, *p != "")
	case *bool:
		v.Atoms = []string{strconv.FormatBool(*p)}
	case *int64:
		v.Atoms = present(strconv.FormatInt(*p, 10), *p != unset(row, column))
	case *[]string:
		v.Atoms = slices.Clone(*p)
	case refs:
		v.Atoms = slices.Clone(*p.to)
	case *[]int64:
		for _, n := range *p {
			v.Atoms = append(v.Atoms, strconv.FormatInt(n, 10))
		}
	case *map[string]string:
		v.Pairs = maps.Clone(*p)
	default:
		return Value{}, false
	}
	slices.Sort(v.Atoms)
	return v, true
}

// Set writes a column of a row, which must be one that nobody else has: rows of a
// DB are immutable, see Copy.
func Set(row Columned, column string, v Value) error {
	one := ""
	if len(v.Atoms) > 0 {
		one = v.Atoms[0]
	}
	var err error
	switch p := row.column(column).(type) {
	case *string:
		*p = one
	case *bool:
		*p = one == "true"
	case *int64:
		*p = unset(row, column)
		if one != "" {
			*p, err = strconv.ParseInt(one, 10, 64)
		}
	case *[]string:
		*p = slices.Clone(v.Atoms)
	case refs:
		*p.to = slices.Clone(v.Atoms)
	case *[]int64:
		*p = nil
		for _, a := range v.Atoms {
			n, e := strconv.ParseInt(a, 10, 64)
			if e != nil {
				err = e
			}
			*p = append(*p, n)
		}
	case *map[string]string:
		*p = maps.Clone(v.Pairs)
	default:
		return fmt.Errorf("no column %s", column)
	}
	if err != nil {
		return fmt.Errorf("column %s: %w", column, err)
	}
	return nil
}

// unset is what a number says of a column that is not set.
func unset(row Columned, column string) int64 {
	if _, port := row.(*Port); port && column == "tag" {
		return -1
	}
	return 0
}

func present(text string, is bool) []string {
	if !is {
		return nil
	}
	return []string{text}
}

// Columns returns the names of the columns of a table that a DB holds, save
// _uuid, in the order in which they are told.
func Columns(table string) []string { return used()[table] }

// Copy returns a copy of a row that Set may write: no other row shares its
// slices or maps once they have been set.
func Copy[R Row](row *R) *R {
	c := *row
	return &c
}

// Clone returns a copy of the DB whose rows may be replaced without the other
// noticing.
func (db *DB) Clone() *DB {
	n := NewDB(db.schema)
	t := tally{db: n}
	n.Open = db.Open
	for id, row := range db.Bridges {
		n.putBridge(&t, id, row)
	}
	for id, row := range db.Ports {
		n.putPort(&t, id, row)
	}
	for id, row := range db.Interfaces {
		n.putInterface(&t, id, row)
	}
	for id, row := range db.Controllers {
		n.putController(&t, id, row)
	}
	return n
}
