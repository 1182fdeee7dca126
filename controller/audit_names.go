package controller

import "ovsmesh/ovsdb/schema"

// portNames returns a function that names a bridge's ports for people: a VIF
// by its port's name, a tunnel by the host that it leads to.
func (h *host) portNames(db *schema.DB, b *bridge) func(uint32) string {
	names := map[uint32]string{}
	for _, network := range b.nets {
		on := h.on[network]
		if on == nil {
			continue
		}
		for _, v := range on.VIFs {
			if i := db.InterfaceByName(v.Interface); i != nil && i.OFPort > 0 {
				names[uint32(i.OFPort)] = v.Port
			}
		}
		tunnels, _ := h.tunnels(db, on)
		for _, t := range tunnels {
			switch {
			case t.row == nil || t.row.OFPort <= 0:
			case t.row.Options["remote_ip"] == "flow":
				names[uint32(t.row.OFPort)] = "other hosts"
			default:
				names[uint32(t.row.OFPort)] = t.Peer
			}
		}
	}
	return func(ofport uint32) string { return names[ofport] }
}

// macNames returns a function that says whose a MAC address is, as far as the
// networks of a bridge agree on it.
func (h *host) macNames(b *bridge) func([6]byte) string {
	names := map[[6]byte]string{}
	note := func(mac [6]byte, name string) {
		if was, ok := names[mac]; ok && was != name {
			name = ""
		}
		names[mac] = name
	}
	for _, network := range b.nets {
		on := h.on[network]
		if on == nil {
			continue
		}
		for _, v := range on.VIFs {
			for _, m := range v.MACs {
				note(m, v.Port)
			}
		}
	}
	return func(mac [6]byte) string { return names[mac] }
}
