package topology

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// maxPortName is the longest name of a network device that Linux and Open
// vSwitch take (IFNAMSIZ - 1).
const maxPortName = 15

// TunnelName returns the name of the port that host localID has for its tunnel
// to host peerID: t<key>-<localID>-<peerID> for GRE, v… for VXLAN. A name that
// would be longer than 15 characters becomes the letter and the first 14 hex
// digits of the SHA-256 of the long name; having no dash, it is never equal to
// a short one. The name depends on nothing else and so is the same after a
// restart, and no two tunnels of a host share one as long as keys are unique
// per encapsulation and host IDs are unique.
func TunnelName(encap Encap, key uint32, localID, peerID int) string {
	letter := "t"
	if encap == VXLAN {
		letter = "v"
	}
	var room [32]byte // for each of a host's tunnels at every change of a network: fmt would be felt
	name := strconv.AppendUint(append(room[:0], letter...), uint64(key), 10)
	name = strconv.AppendInt(append(name, '-'), int64(localID), 10)
	name = strconv.AppendInt(append(name, '-'), int64(peerID), 10)
	return shortName(letter, string(name))
}

// shortName returns a name, or what stands for it where it is too long.
func shortName(letters, name string) string {
	if len(name) <= maxPortName {
		return name
	}
	return hashName(letters, name)
}

// hashName returns 15 characters that stand for a name: the letters and as
// many hex digits of its SHA-256 as fit.
func hashName(letters, name string) string {
	sum := sha256.Sum256([]byte(name))
	return letters + hex.EncodeToString(sum[:])[:maxPortName-len(letters)]
}
