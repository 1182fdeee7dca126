package topology

import (
	"strconv"
	"strings"
)

// PortIDs returns the IDs of the two hosts in the name of a tunnel port, see
// TunnelName and carrierPort; false where the name has none to be read, because
// it leads to all peers or was too long.
func PortIDs(name string) (local, peer int, ok bool) {
	head, ids, found := strings.Cut(name, "-")
	if !found {
		return 0, 0, false
	}
	switch {
	case head == "sg" || head == "sv":
	case len(head) > 1 && (head[0] == 't' || head[0] == 'v') && plainNumber(head[1:]) > 0:
	default:
		return 0, 0, false
	}
	first, second, found := strings.Cut(ids, "-")
	local, peer = plainNumber(first), plainNumber(second)
	return local, peer, found && local > 0 && peer > 0
}

// plainNumber reads a number as strconv writes it, 0 if it is none.
func plainNumber(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 || strconv.Itoa(n) != text {
		return 0
	}
	return n
}

// idsTried is how far HashedPeerID counts: some 20 ms of work.
const idsTried = 1 << 16

// HashedPeerID returns the ID of the peer in the name of a network's own port
// that was too long for a device, so that a hash stands for it; 0 if none is
// found.
func HashedPeerID(name string, encap Encap, key uint32, local int) int {
	for peer := 1; peer < idsTried; peer++ {
		if TunnelName(encap, key, local, peer) == name {
			return peer
		}
	}
	return 0
}
