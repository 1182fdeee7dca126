package topology

import (
	"bytes"
	"slices"
)

// RemoteMAC is an address that hosts of a network have.
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
	table := make([]RemoteMAC, 0, len(on.Net.MACs))
	for _, r := range on.Net.MACs {
		if at := slices.Index(r.Peers, on.Self.Host); at >= 0 {
			if len(r.Peers) == 1 {
				continue
			}
			r.Peers = slices.Concat(r.Peers[:at], r.Peers[at+1:])
		}
		table = append(table, r)
	}
	return table
}

// macsOf works out NetworkView.MACs, once for all hosts.
func macsOf(members []Member) []RemoteMAC {
	n := 0
	for i := range members {
		n += len(members[i].Stations)
	}
	at := make(map[MAC]int, n)
	var table []RemoteMAC
	for i := range members {
		m := &members[i]
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
