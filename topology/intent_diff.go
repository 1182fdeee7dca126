package topology

import (
	"fmt"
	"reflect"
)

// diff collects the fields that changed, for people.
type diff []string

func field[T any](d *diff, name string, was, is T) {
	if !reflect.DeepEqual(was, is) {
		*d = append(*d, fmt.Sprintf("%s: %s → %s", name, show(was), show(is)))
	}
}

func show(v any) string {
	switch v := v.(type) {
	case *bool:
		if v == nil {
			return "none"
		}
		return fmt.Sprint(*v)
	case []string:
		if len(v) == 0 {
			return "none"
		}
	}
	if rv := reflect.ValueOf(v); rv.IsZero() && rv.Kind() != reflect.Bool {
		return "none"
	}
	return fmt.Sprint(v)
}

func diffNetworks(was, is *NetworkRecord) []string {
	var d diff
	field(&d, "tenant", was.Tenant, is.Tenant)
	field(&d, "encap", was.Encap, is.Encap)
	field(&d, "key", was.Key, is.Key)
	field(&d, "bridge", was.Bridge, is.Bridge)
	field(&d, "xsNetworkUUIDs", was.XSNetworkUUIDs, is.XSNetworkUUIDs)
	field(&d, "createBridge", was.CreateBridge, is.CreateBridge)
	field(&d, "datapathType", was.DatapathType, is.DatapathType)
	field(&d, "takeBridge", was.TakeBridge, is.TakeBridge)
	field(&d, "hosts", was.Hosts, is.Hosts)
	field(&d, "profile", was.Profile, is.Profile)
	field(&d, "broadcast", was.Broadcast, is.Broadcast)
	field(&d, "unknownUnicast", was.UnknownUnicast, is.UnknownUnicast)
	field(&d, "portSecurity", was.PortSecurity, is.PortSecurity)
	field(&d, "tunnelPorts", was.TunnelPorts, is.TunnelPorts)
	field(&d, "bfd", was.BFD, is.BFD)
	field(&d, "mtu", was.MTU, is.MTU)
	field(&d, "dstPort", was.DstPort, is.DstPort)
	switch {
	case was.Plugin && !is.Plugin:
		d = append(d, "named by the spec from now on")
	case is.Plugin && !was.Plugin:
		d = append(d, "named by no spec any longer; it stays for as long as CloudStack's calls pin it")
	}
	return append(d, diffPins(was.Pins, is.Pins)...)
}

func diffHosts(was, is *HostRecord) []string {
	var d diff
	switch {
	case was.ID != is.ID:
		field(&d, "id", showID(was), showID(is))
	case is.PluginID && !was.PluginID:
		d = append(d, fmt.Sprintf("id: %d, by which CloudStack's calls name it", is.ID))
	case was.AutoID && !is.AutoID || was.PluginID && !is.PluginID && !is.AutoID:
		d = append(d, fmt.Sprintf("id: %d, which is fixed by the spec from now on", is.ID))
	case is.AutoID && !was.AutoID:
		d = append(d, fmt.Sprintf("id: %d, which the spec fixes no longer", is.ID))
	}
	field(&d, "systemID", was.SystemID, is.SystemID)
	field(&d, "endpoint", was.Endpoint, is.Endpoint)
	field(&d, "kind", was.Kind, is.Kind)
	field(&d, "underlayMTU", was.UnderlayMTU, is.UnderlayMTU)
	if is.Assumed && !was.Assumed {
		d = append(d, "named by no spec any longer; it stays for as long as CloudStack's calls pin it")
	}
	if was.Registered && !is.Registered || was.Assumed && !is.Assumed && !is.Registered {
		d = append(d, "named by the spec from now on")
	}
	return d
}

// showID tells an ID that was chosen from one that a spec names, as only the
// latter never yields.
func showID(r *HostRecord) string {
	if r.AutoID {
		return fmt.Sprintf("%d (automatic)", r.ID)
	}
	return fmt.Sprint(r.ID)
}

func diffPorts(was, is *Port) []string {
	var d diff
	field(&d, "network", was.Network, is.Network)
	field(&d, "match", was.Match, is.Match)
	field(&d, "mac", was.MAC, is.MAC)
	field(&d, "ips", was.IPs, is.IPs)
	field(&d, "allowedAddresses", was.AllowedAddresses, is.AllowedAddresses)
	field(&d, "dhcpServer", was.DHCPServer, is.DHCPServer)
	field(&d, "router", was.Router, is.Router)
	return d
}

// String returns the one way in which the match is made.
func (m PortMatch) String() string {
	switch {
	case m.IfaceID != "":
		return "ifaceID " + m.IfaceID
	case m.XSVifUUID != "":
		return "xsVifUUID " + m.XSVifUUID
	case !m.MAC.IsZero():
		return "mac " + m.MAC.String()
	case m.Interface != "":
		return m.Host + "/" + m.Interface
	}
	return "nothing"
}
