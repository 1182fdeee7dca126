package topology

import (
	"net/netip"
	"slices"
)

// seeAll adds what a host's peers need to know of its VIFs.
func (m *Member) seeAll(vifs []joined) {
	for i := range vifs {
		v := &vifs[i].LocalVIF
		for _, mac := range v.MACs {
			m.Stations = append(m.Stations, Station{MAC: mac, IPs: v.IPs})
		}
		for _, a := range v.Allowed {
			m.Floating = append(m.Floating, a.IP)
		}
		m.DHCPServer = m.DHCPServer || v.DHCPServer
		m.Router = m.Router || v.Router
	}
	m.Stations = mergeStations(m.Stations)
	slices.SortFunc(m.Floating, netip.Addr.Compare)
	m.Floating = slices.Compact(m.Floating)
}

// mergeStations sorts stations and makes one of those with the same MAC.
func mergeStations(list []Station) []Station {
	slices.SortStableFunc(list, func(a, b Station) int { return compareMAC(a.MAC, b.MAC) })
	merged := list[:0]
	for _, s := range list {
		last := len(merged) - 1
		if last < 0 || merged[last].MAC != s.MAC {
			merged = append(merged, s)
			continue
		}
		if len(s.IPs) > 0 {
			merged[last].IPs = plainAddrs(slices.Concat(merged[last].IPs, s.IPs))
		}
	}
	return merged
}
