package topology

// NetworkRecord is a Network as it stands in the intent: defaults filled in,
// key and ID allocated.
type NetworkRecord struct {
	Network
	ID      uint32 `json:"id"`      // never reused while the store lives
	AutoKey bool   `json:"autoKey"` // Key came from a pool

	// Plugin says that calls of CloudStack's ovstunnel plugin made the network
	// and that no spec names it: it goes once it has neither pins nor members.
	Plugin bool  `json:"plugin,omitempty"`
	Pins   []Pin `json:"pins,omitempty"` // sorted by From and To, each pair once
}

// HostRecord is a Host as it stands in the intent, its ID allocated.
type HostRecord struct {
	Host
	AutoID     bool `json:"autoID"`     // ID was chosen for it; yields to a spec that names the same
	Registered bool `json:"registered"` // it dialled in and no spec names it

	// Assumed marks an external host of which no spec but the plugin's calls, or
	// what they have left, told: ID and Endpoint are as told. It goes with the
	// last pin that names it, and becomes the host that dials in from Endpoint.
	Assumed bool `json:"assumed,omitempty"`

	// PluginID says that ID is the one by which the plugin's calls name the
	// host: it yields to nothing else than another such call or a spec that
	// names this host's.
	PluginID bool `json:"pluginID,omitempty"`
}
