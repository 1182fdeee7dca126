package schema

// EachPortOfNetwork calls f with the ports that PortsOfNetwork returns, in no
// order and without putting them into one.
func (db *DB) EachPortOfNetwork(network string, f func(*Port)) {
	for _, p := range db.ofNetwork[network] {
		f(p)
	}
}
