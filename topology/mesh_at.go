package topology

import "net/netip"

// HostAt returns the host whose tunnels begin at an address, by the spec or by
// what it reports, as the Mesh was told last; false if there is none.
func (m *Mesh) HostAt(a netip.Addr) (string, bool) {
	a = a.Unmap()
	var claimants []*hostState
	for _, h := range m.claimants[a] {
		if _, dirty := m.dirtyHosts[h]; !dirty {
			claimants = append(claimants, h)
		}
	}
	for h := range m.dirtyHosts {
		if h.rec == nil {
			continue
		}
		if c := claimOf(h.rec, h.reported()); c.addr == a && c.err == "" {
			now := *h // settled with the next Flush
			now.claim = c
			claimants = append(claimants, &now)
		}
	}
	if !a.IsValid() || len(claimants) == 0 {
		return "", false
	}
	return holderOf(claimants).name, true
}
