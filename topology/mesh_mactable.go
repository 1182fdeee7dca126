package topology

import (
	"bytes"
	"slices"
)

// RemoteMAC is an address that other hosts of a network have.
type RemoteMAC struct {
	MAC   MAC
	Peers []string // host names in the order of the members; several while a VM migrates
}

// MACTable returns the addresses that a network's other members have, sorted
// by address. An address of the host itself is in it too where a peer has it
// as well: during a migration frames go to both.
func MACTable(on *OnHost) []RemoteMAC {
	if on == nil {
		return nil
	}
	at := map[MAC]int{}
	var table []RemoteMAC
	for i := range on.Net.Members {
		m := &on.Net.Members[i]
		if m.Host == on.Self.Host {
			continue
		}
		for j := range m.Stations {
			mac := m.Stations[j].MAC
			n, ok := at[mac]
			if !ok {
				n = len(table)
				at[mac] = n
				table = append(table, RemoteMAC{MAC: mac})
			}
			table[n].Peers = append(table[n].Peers, m.Host)
		}
	}
	slices.SortFunc(table, func(a, b RemoteMAC) int { return bytes.Compare(a.MAC[:], b.MAC[:]) })
	return table
}
