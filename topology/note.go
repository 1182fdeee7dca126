package topology

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Notes are what a store knows of a network and of a host, written beside what
// it makes there, so that a store that is lost can be told anew by the switches
// themselves. Ports, key pools and MTUs that a spec names are in none:
// a host is not written to for what is nothing to it.
//
// A NetworkNote is the network as it stood when the note was written, and its
// external members, of which no host of their own tells.
type NetworkNote struct {
	Version int     `json:"version"`
	Listed  bool    `json:"listed,omitempty"` // the network lists the host that has the note
	ID      uint32  `json:"id"`               // in the cookies of its flows
	AutoKey bool    `json:"autoKey,omitempty"`
	Network Network `json:"network"` // without fields that hold their default, and without Hosts and MTU

	External []Host `json:"external,omitempty"` // sorted by ID
}

// A HostNote is a host as it stood when the note was written. Its system-id is
// not in it: that the host tells itself, and a copied database would lie. Nor is
// its MTU, or whether a spec names it.
type HostNote struct {
	Version int  `json:"version"`
	AutoID  bool `json:"autoID,omitempty"`
	Host    Host `json:"host"`
}

// Named reports whether a spec must have named the host: nobody else fixes an ID
// or an endpoint.
func (n HostNote) Named() bool { return !n.AutoID || n.Host.Endpoint.IsValid() }

// noteVersion is what this code writes and reads.
const noteVersion = 1

// maxNote bounds what is read of a note, in bytes.
const maxNote = 64 << 10

func encodeNote(note any) string {
	text, _ := json.Marshal(note) // of these types everything marshals
	return string(text)
}

// ParseNetworkNote reads the note of a network of that name. What it says still
// has to be checked as a spec's word is.
func ParseNetworkNote(name, text string) (NetworkNote, error) {
	var n NetworkNote
	if err := parseNote(text, &n); err != nil {
		return NetworkNote{}, err
	}
	switch {
	case n.Version != noteVersion:
		return NetworkNote{}, fmt.Errorf("version %d, not %d", n.Version, noteVersion)
	case n.Network.Name != name:
		return NetworkNote{}, fmt.Errorf("it is of a network %.64q", n.Network.Name)
	case n.ID == 0 || n.Network.Key == 0:
		return NetworkNote{}, fmt.Errorf("it has no ID or no key")
	}
	return n, nil
}

// ParseHostNote reads the note of a host.
func ParseHostNote(text string) (HostNote, error) {
	var n HostNote
	if err := parseNote(text, &n); err != nil {
		return HostNote{}, err
	}
	if n.Version != noteVersion {
		return HostNote{}, fmt.Errorf("version %d, not %d", n.Version, noteVersion)
	}
	if why := badName(n.Host.Name); why != "" {
		return HostNote{}, fmt.Errorf("name %.64q %s", n.Host.Name, why)
	}
	if n.Host.ID <= 0 {
		return HostNote{}, fmt.Errorf("ID %d is not positive", n.Host.ID)
	}
	return n, nil
}

func parseNote(text string, note any) error {
	if len(text) > maxNote {
		return fmt.Errorf("%d bytes, more than %d", len(text), maxNote)
	}
	return json.Unmarshal([]byte(text), note)
}

// Note returns the network's note as it belongs on this host.
func (on *OnHost) Note() string {
	if !on.Listed {
		return on.Net.Note
	}
	// Each host has its own word for its being listed, and the network one for
	// all else, so that a host that is listed is no news to the others.
	return noteListed + strings.TrimPrefix(on.Net.Note, noteHead)
}

const (
	noteHead   = `{"version":1,`
	noteListed = `{"version":1,"listed":true,`
)

// note returns the host's note. It is made once for each record.
func (h *hostState) note() string {
	if h.noted != h.rec {
		host := h.rec.Host.short()
		host.SystemID, host.UnderlayMTU = "", 0
		h.noted, h.noteText = h.rec, encodeNote(HostNote{Version: noteVersion, AutoID: h.rec.AutoID, Host: host})
	}
	return h.noteText
}

// note returns the network's note. It is made once for each record and set of
// external members, since members come and go far more often than these.
func (n *netState) note(members []Member) string {
	var external []Host
	for i := range members {
		if m := &members[i]; m.External {
			external = append(external, Host{Name: m.Host, ID: m.HostID, Endpoint: m.Endpoint})
		}
	}
	if n.noted != n.rec || !slices.Equal(n.notedExternal, external) {
		n.noted, n.notedExternal = n.rec, external
		network := n.rec.Network.short()
		network.Hosts, network.MTU = nil, 0
		n.noteText = encodeNote(NetworkNote{Version: noteVersion, ID: n.rec.ID, AutoKey: n.rec.AutoKey, Network: network, External: external})
	}
	return n.noteText
}

// Differ says in which fields two notes of a network say different things; the
// order of networks' lists counts, that of hosts does not come into it.
func (n NetworkNote) Differ(o NetworkNote) []string {
	d := diff(diffNetworks(&NetworkRecord{Network: n.Network}, &NetworkRecord{Network: o.Network}))
	field(&d, "ID", n.ID, o.ID)
	field(&d, "autoKey", n.AutoKey, o.AutoKey)
	if !slices.Equal(n.External, o.External) {
		d = append(d, "external hosts")
	}
	return d
}
