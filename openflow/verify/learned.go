package verify

import "ovsmesh/openflow/forward"

// Learned returns what the bridge of a member of a learning network knows once
// all machines have spoken: what Check's frames are to meet. Toward returns the
// port to another member, 0 where there is none.
func Learned(o *Overlay, host string, toward func(host string) uint32) []forward.Station {
	p := newProber(newModel(o))
	var list []forward.Station
	for _, at := range p.all {
		port := at.OFPort
		if at.member.Host != host {
			port = toward(at.member.Host)
		}
		for _, mac := range append([][6]byte{p.sends[at.Machine].mac}, at.MACs...) {
			if port != 0 && !p.ambiguous(mac) {
				list = append(list, forward.Station{MAC: mac, Port: port})
			}
		}
	}
	return list
}
