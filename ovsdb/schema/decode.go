package schema

import (
	"fmt"

	"ovsmesh/ovsdb/notation"
)

// Decoder turns the rows that a host sends into Go values. Equal short strings
// and equal maps of the rows that it decodes share their memory, so that
// thousands of tunnel ports stay small. It belongs to one goroutine; the zero
// value is ready.
type Decoder struct {
	texts map[string]string
	maps  map[string]map[string]string
}

// What a Decoder remembers for sharing; when full, it starts anew.
const (
	maxTexts   = 2048
	maxTextLen = 64
	maxMaps    = 256
	maxMapLen  = 512
)

// TableUpdates reads a <table-updates>, RFC 7047 §4.1.6, which is also the
// reply to a monitor request, and calls emit with each row. Tables and columns
// that it does not know are skipped. An error names table and column.
func (d *Decoder) TableUpdates(r *notation.Reader, emit func(RowUpdate) error) error {
	return r.Object(func(key []byte) error {
		table, ok := tableName(key)
		if !ok {
			_, err := r.Raw()
			return err
		}
		err := r.Object(func(key []byte) error {
			u := RowUpdate{Table: table, UUID: string(key), Delete: true}
			if len(u.UUID) != 36 {
				return fmt.Errorf("%.40q is not a uuid", u.UUID)
			}
			err := members(r, "new", func() (err error) {
				if r.Null() {
					return nil
				}
				u.Delete = false
				u.row, err = d.row(r, table, u.UUID)
				return err
			})
			if err != nil {
				return err
			}
			return emit(u)
		})
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
		return nil
	})
}

// Rows reads an array of rows as select returns them, RFC 7047 §5.2.2, each
// with its _uuid, and calls emit with each.
func (d *Decoder) Rows(r *notation.Reader, table string, emit func(RowUpdate) error) error {
	err := r.Array(func(int) error {
		row, err := d.row(r, table, "")
		if err != nil {
			return err
		}
		u := RowUpdate{Table: table, row: row}
		switch row := row.(type) {
		case *OpenvSwitch:
			u.UUID = row.UUID
		case *Bridge:
			u.UUID = row.UUID
		case *Port:
			u.UUID = row.UUID
		case *Interface:
			u.UUID = row.UUID
		case *Controller:
			u.UUID = row.UUID
		}
		if len(u.UUID) != 36 {
			return fmt.Errorf("a row without _uuid")
		}
		return emit(u)
	})
	if err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	return nil
}

func tableName(b []byte) (string, bool) {
	switch string(b) {
	case TableOpen:
		return TableOpen, true
	case TableBridge:
		return TableBridge, true
	case TablePort:
		return TablePort, true
	case TableInterface:
		return TableInterface, true
	case TableController:
		return TableController, true
	}
	return "", false
}

// row reads one <row>.
func (d *Decoder) row(r *notation.Reader, table, uuid string) (any, error) {
	switch table {
	case TableOpen:
		o := &OpenvSwitch{UUID: uuid}
		return o, d.columns(r, func(c string) any { return o.column(c) })
	case TableBridge:
		b := &Bridge{UUID: uuid}
		return b, d.columns(r, func(c string) any { return b.column(c) })
	case TablePort:
		p := &Port{UUID: uuid, Tag: -1}
		return p, d.columns(r, func(c string) any { return p.column(c) })
	case TableInterface:
		i := &Interface{UUID: uuid}
		return i, d.columns(r, func(c string) any { return i.column(c) })
	case TableController:
		c := &Controller{UUID: uuid}
		return c, d.columns(r, func(n string) any { return c.column(n) })
	}
	return nil, fmt.Errorf("unknown table")
}

// columns reads the columns of a row into what field returns for each: a
// *string, *int64, *bool, *refs, *[]int64, *[]string, *map[string]string, a *rowID for
// _uuid, or nil for a column to skip.
func (d *Decoder) columns(r *notation.Reader, field func(column string) any) error {
	return r.Object(func(key []byte) error {
		column := d.text(key)
		err := d.value(r, field(column))
		if err != nil {
			return fmt.Errorf("column %.40s: %w", column, err)
		}
		return nil
	})
}

// refs and rowID point at fields whose atoms are uuids.
type (
	refs  struct{ to *[]string }
	rowID struct{ to *string }
)

func (d *Decoder) value(r *notation.Reader, to any) (err error) {
	switch to := to.(type) {
	case *string:
		return atMostOne(r, func() error {
			b, err := r.Text()
			*to = d.text(b)
			return err
		})
	case *int64:
		return atMostOne(r, func() error {
			*to, err = r.Int()
			return err
		})
	case *bool:
		return atMostOne(r, func() error {
			*to, err = r.Bool()
			return err
		})
	case *[]int64:
		return r.Set(func() error {
			n, err := r.Int()
			*to = append(*to, n)
			return err
		})
	case *[]string:
		return r.Set(func() error {
			b, err := r.Text()
			*to = append(*to, d.text(b))
			return err
		})
	case refs:
		return r.Set(func() error {
			id, err := r.UUID()
			*to.to = append(*to.to, id)
			return err
		})
	case rowID:
		*to.to, err = r.UUID()
		return err
	case *map[string]string:
		*to, err = d.textMap(r)
		return err
	}
	_, err = r.Raw()
	return err
}

// atMostOne reads a column of type "string", or of a set of at most one, which
// is how the database writes an optional value.
func atMostOne(r *notation.Reader, atom func() error) error {
	n := 0
	return r.Set(func() error {
		if n++; n > 1 {
			return fmt.Errorf("more than one value")
		}
		return atom()
	})
}

func (d *Decoder) textMap(r *notation.Reader) (map[string]string, error) {
	probe := *r
	raw, err := probe.Raw()
	if err != nil {
		return nil, err
	}
	if m, ok := d.maps[string(raw)]; ok {
		*r = probe
		return m, nil
	}
	var m map[string]string
	err = r.Map(func(then func() error) error {
		k, err := r.Text()
		if err != nil {
			return err
		}
		key := d.text(k)
		if err := then(); err != nil {
			return err
		}
		v, err := r.Text()
		if err != nil {
			return err
		}
		if m == nil {
			m = map[string]string{}
		}
		m[key] = d.text(v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(raw) <= maxMapLen {
		if d.maps == nil || len(d.maps) >= maxMaps {
			d.maps = map[string]map[string]string{}
		}
		d.maps[string(raw)] = m
	}
	return m, nil
}

// text returns b as a string that equal ones share.
func (d *Decoder) text(b []byte) string {
	if s, ok := d.texts[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(s) <= maxTextLen {
		if d.texts == nil || len(d.texts) >= maxTexts {
			d.texts = map[string]string{}
		}
		d.texts[s] = s
	}
	return s
}
