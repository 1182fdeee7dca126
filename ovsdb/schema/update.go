package schema

// RowUpdate is what one row has become. The row itself is decoded and
// immutable: whoever gets it may keep it and must not change it.
type RowUpdate struct {
	Table  string
	UUID   string
	Delete bool
	row    any // *OpenvSwitch, *Bridge, *Port, *Interface or *Controller; nil with Delete
}

// Row is one of the row types.
type Row interface {
	OpenvSwitch | Bridge | Port | Interface | Controller
}

// Put returns the update that inserts a row, or replaces the one with its UUID.
func Put[R Row](row *R) RowUpdate {
	switch r := any(row).(type) {
	case *OpenvSwitch:
		return RowUpdate{Table: TableOpen, UUID: r.UUID, row: r}
	case *Bridge:
		return RowUpdate{Table: TableBridge, UUID: r.UUID, row: r}
	case *Port:
		return RowUpdate{Table: TablePort, UUID: r.UUID, row: r}
	case *Interface:
		return RowUpdate{Table: TableInterface, UUID: r.UUID, row: r}
	case *Controller:
		return RowUpdate{Table: TableController, UUID: r.UUID, row: r}
	}
	return RowUpdate{}
}

// Drop returns the update that deletes a row. To delete one that is not there
// changes nothing.
func Drop(table, uuid string) RowUpdate {
	return RowUpdate{Table: table, UUID: uuid, Delete: true}
}
