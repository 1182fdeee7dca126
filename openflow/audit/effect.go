package audit

import (
	"encoding/binary"
	"fmt"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// effect says in plain words what follows from a finding about f: for a flow
// that is not wanted what it may do, else what its lack does.
func (b *Bridge) effect(kind string, f *flow.Flow) string {
	if kind == UnexpectedFlow {
		return "frames may go where they should not"
	}
	port := b.port(f)
	switch pipeline.ReasonOf(f.Cookie) {
	case pipeline.Miss:
		if f.Table == pipeline.TableClassify {
			return "frames from unknown ports are not told to be dropped"
		}
		return fmt.Sprintf("frames that table %d does not know are not told to be dropped", f.Table)
	case pipeline.ClassifyVIF:
		return port + " can send nothing"
	case pipeline.ClassifyTunnel:
		return "nothing from " + port + " arrives"
	case pipeline.BroadcastDrop:
		return "broadcast from " + port + " loops"
	case pipeline.Security:
		if mac := b.mac(f, flow.EthSrc); mac != "" {
			return fmt.Sprintf("%s can't send as %s", port, mac)
		}
		return port + " can send nothing"
	case pipeline.GroupSource:
		return "VMs may send from group addresses"
	case pipeline.UnicastLocal, pipeline.UnicastRemote, pipeline.UnicastBoth:
		return fmt.Sprintf("%s can't be reached directly from %s", b.mac(f, flow.EthDst), b.Host)
	case pipeline.GroupToFlood:
		return "broadcast and multicast are lost on " + b.Host
	case pipeline.UnknownToFlood:
		return "unicast to unknown addresses is lost on " + b.Host
	case pipeline.FloodFromVIF:
		return "broadcast from VMs on " + b.Host + " does not arrive everywhere"
	case pipeline.FloodFromTunnel:
		return "broadcast from other hosts does not arrive at all VMs on " + b.Host
	}
	return ""
}

// port names the port that f matches.
func (b *Bridge) port(f *flow.Flow) string {
	x, ok := f.Match.Get(flow.InPort.Field())
	if !ok || len(x.Value) != 4 {
		return "any port"
	}
	n := binary.BigEndian.Uint32([]byte(x.Value))
	if b.Port != nil {
		if name := b.Port(n); name != "" {
			return name
		}
	}
	return fmt.Sprintf("port %d", n)
}

// mac names the owner of the address that f matches in field, or the address.
func (b *Bridge) mac(f *flow.Flow, field flow.Name) string {
	x, ok := f.Match.Get(field.Field())
	if !ok || len(x.Value) != 6 {
		return ""
	}
	mac := [6]byte([]byte(x.Value))
	if b.MAC != nil {
		if name := b.MAC(mac); name != "" {
			return name
		}
	}
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
}
