package topology

// NetworkRecord is a Network as it stands in the intent: defaults filled in,
// key and ID allocated.
type NetworkRecord struct {
	Network
	ID      uint32 `json:"id"`      // never reused while the store lives
	AutoKey bool   `json:"autoKey"` // Key came from a pool
}

// HostRecord is a Host as it stands in the intent, its ID allocated.
type HostRecord struct {
	Host
	AutoID     bool `json:"autoID"`     // ID was chosen for it; yields to a spec that names the same
	Registered bool `json:"registered"` // it dialled in and no spec names it
}
