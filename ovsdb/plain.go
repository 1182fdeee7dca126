package ovsdb

import "github.com/ovn-org/libovsdb/ovsdb"

// plainRow returns a row for encoding/json with the sets, maps and UUIDs of the
// library as the lists that they are on the wire (RFC 7047 §5.1). The library's
// own marshalling comes to the same, but has every value encoded and checked
// once more: of a transaction of a thousand tunnels that was the longest part
// of our own.
func plainRow(row Row) map[string]any {
	plain := make(map[string]any, len(row))
	for column, v := range row {
		plain[column] = plainValue(v)
	}
	return plain
}

func plainValue(v any) any {
	switch v := v.(type) {
	case OvsSet:
		list := make([]any, len(v.GoSet))
		for i, e := range v.GoSet {
			list[i] = plainValue(e)
		}
		return [2]any{"set", list}
	case OvsMap:
		pairs := make([][2]any, 0, len(v.GoMap))
		for k, e := range v.GoMap {
			pairs = append(pairs, [2]any{plainValue(k), plainValue(e)})
		}
		return [2]any{"map", pairs}
	case UUID:
		if ovsdb.IsValidUUID(v.GoUUID) {
			return [2]string{"uuid", v.GoUUID}
		}
		return [2]string{"named-uuid", v.GoUUID}
	}
	return v
}

// plainMutations does the same for what mutations put in and take out.
func plainMutations(ms []Mutation) [][3]any {
	plain := make([][3]any, len(ms))
	for i, m := range ms {
		plain[i] = [3]any{m.Column, m.Mutator, plainValue(m.Value)}
	}
	return plain
}
