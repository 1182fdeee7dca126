package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// PluginCall is what a call of CloudStack's ovstunnel plugin says, in the terms
// of the mesh. Each function reads what concerns it.
type PluginCall struct {
	Host          string     // name of the host that was called
	Bridge        string     // there
	Name          string     // of the network in CloudStack, OVSTunnel<key>; setup_ovs_bridge alone has it
	XSNetworkUUID string     // of the bridge; "": not said
	Key           uint32     // GRE; 0: the one in Name
	RemoteIP      netip.Addr // where the tunnel leads
	Remote        string     // the host whose tunnels begin at RemoteIP, as Mesh.HostAt says; "": none is known
	From, To      int        // IDs of Host and of the remote; 0: not said
	Port          string     // that destroy_tunnel names
}

// CallError says that an argument of a call is wrong by itself.
type CallError struct {
	Arg  string // field of PluginCall
	Text string
}

// Error returns what is wrong with which argument.
func (e *CallError) Error() string { return e.Arg + ": " + e.Text }

// Pinned is what a call is about, once its change is made.
type Pinned struct {
	Network string // "": none that there is
	Remote  string // name of the host to which the tunnel leads
	Port    string // the tunnel's
	Added   []Pin  // that were not there before: what to take away again where the call fails, see PlanUnpin
}

// bridgeName is what CloudStack calls the bridge of a network with that GRE key.
const bridgeName = "OVSTunnel"

// keyOfName returns the GRE key in OVSTunnel<key>, 0 if it is no such name.
func keyOfName(name string) uint32 {
	digits, ok := cutPrefixFold(name, bridgeName)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
		return 0
	}
	return uint32(n)
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// PlanSetupBridge returns what it takes to have a bridge for a network on the
// host that is called: the network of that GRE key, made where there is none, has
// the host as a member, and the bridge is made there where it is missing. The
// error is a CallError, ErrNotFound for the host, or ErrConflict.
func (in *Intent) PlanSetupBridge(call PluginCall) (*Change, Pinned, error) {
	p := in.newPinner()
	if call.Key == 0 {
		if call.Key = keyOfName(call.Name); call.Key == 0 {
			return nil, Pinned{}, &CallError{"Name", fmt.Sprintf("%.64q is not %s<key> with a GRE key of 1..%d", call.Name, bridgeName, GRE.MaxKey())}
		}
	}
	self, err := p.caller(call)
	if err != nil {
		return nil, Pinned{}, err
	}
	n, err := p.networkOf(call, call.Name)
	if err != nil {
		return nil, Pinned{}, err
	}
	done := Pinned{Network: n.Name}
	p.pin(n, &done, Pin{From: self.Name, Bridge: call.Bridge})
	return p.change(), done, nil
}

// PlanCreateTunnel returns what it takes to have a tunnel from the host that is
// called to another: both are members of the network of that GRE key, which is
// made where there is none. A remote that nobody knows becomes an Assumed host.
// The error is a CallError, ErrNotFound for the host, or ErrConflict.
func (in *Intent) PlanCreateTunnel(call PluginCall) (*Change, Pinned, error) {
	p := in.newPinner()
	if call.Key == 0 {
		return nil, Pinned{}, &CallError{"Key", fmt.Sprintf("is missing, or not in 1..%d", GRE.MaxKey())}
	}
	call.RemoteIP = call.RemoteIP.Unmap()
	if why := unusable(call.RemoteIP); why != "" {
		return nil, Pinned{}, &CallError{"RemoteIP", fmt.Sprintf("%s is %s", call.RemoteIP, why)}
	}
	self, err := p.caller(call)
	if err != nil {
		return nil, Pinned{}, err
	}
	remote, err := p.remote(call)
	if err != nil {
		return nil, Pinned{}, err
	}
	if remote.Name == self.Name {
		return nil, Pinned{}, &CallError{"RemoteIP", fmt.Sprintf("%s is where the tunnels of host %s itself begin", call.RemoteIP, self.Name)}
	}
	n, err := p.networkOf(call, call.Bridge)
	if err != nil {
		return nil, Pinned{}, err
	}
	done := Pinned{Network: n.Name, Remote: remote.Name, Port: n.portTo(self.ID, remote.ID)}
	p.pin(n, &done, Pin{From: self.Name, To: remote.Name, Port: done.Port, Bridge: call.Bridge})
	return p.change(), done, nil
}

// portTo returns the name of the port by which a tunnel of the network leads
// from one host to another.
func (n *NetworkRecord) portTo(from, to int) string {
	if n.Carrier() != "" {
		return carrierPort(n.TunnelPorts, n.Encap, n.DstPort, from, to)
	}
	return TunnelName(n.Encap, n.Key, from, to)
}

func (p *pinner) pin(n *NetworkRecord, done *Pinned, pin Pin) {
	if n.put(pin) {
		done.Added = append(done.Added, pin)
	}
}

// caller returns the host that is called, by the ID that the call names.
func (p *pinner) caller(call PluginCall) (*HostRecord, error) {
	switch {
	case call.Bridge == "":
		return nil, &CallError{"Bridge", "is missing"}
	case badDevice(call.Bridge) != "":
		return nil, &CallError{"Bridge", badDevice(call.Bridge)}
	case call.XSNetworkUUID != "" && badUUID(call.XSNetworkUUID) != "":
		return nil, &CallError{"XSNetworkUUID", badUUID(call.XSNetworkUUID)}
	case call.From < 0 || call.From > maxHostID:
		return nil, &CallError{"From", fmt.Sprintf("%d is out of range (1..%d)", call.From, maxHostID)}
	case call.To < 0 || call.To > maxHostID:
		return nil, &CallError{"To", fmt.Sprintf("%d is out of range (1..%d)", call.To, maxHostID)}
	case call.From != 0 && call.From == call.To:
		return nil, &CallError{"To", fmt.Sprintf("%d is the host itself", call.To)}
	}
	self := p.host(call.Host)
	if self == nil {
		return nil, fmt.Errorf("host %.64q: %w", call.Host, ErrNotFound)
	}
	if self.Kind == KindExternal {
		return nil, fmt.Errorf("%w: host %s is external: nobody of us makes its bridges and tunnels", ErrConflict, self.Name)
	}
	return self, p.setID(self, call.From)
}

// remote returns the host at the far end of a tunnel, by address and by the ID
// that the call names; a new one where nobody knows it.
func (p *pinner) remote(call PluginCall) (*HostRecord, error) {
	name := call.Remote
	if name == "" {
		name = p.in.endpoints[call.RemoteIP.String()]
	}
	if r := p.host(name); r != nil {
		return r, p.setID(r, call.To)
	}
	if owner := p.ids.owner(call.To); owner != "" && call.To != 0 {
		switch o := p.host(owner); {
		case o.Assumed: // CloudStack has another address for it now
			o.Endpoint = call.RemoteIP
			return o, nil
		case !o.AutoID:
			return nil, fmt.Errorf("%w: CloudStack has %s as the address of host %d, which is %s, and its tunnels do not begin there: "+
				"set external_ids:ovsmesh-endpoint-ip=%s on it, or endpoint in the spec", ErrConflict, call.RemoteIP, call.To, owner, call.RemoteIP)
		}
	}
	r := &HostRecord{Host: Host{Endpoint: call.RemoteIP, Kind: KindExternal}, Assumed: true, AutoID: true}
	if call.To == 0 {
		r.Name = p.freeHostName("cs-" + strings.NewReplacer(".", "-", ":", "-", "%", "-").Replace(call.RemoteIP.String()))
		r.ID = p.lowestID(r.Name)
	} else {
		r.Name = p.freeHostName("cs-" + strconv.Itoa(call.To))
		if owner := p.ids.owner(call.To); owner != "" {
			if err := p.yield(owner, r.Name, call.To); err != nil {
				return nil, err
			}
		}
		p.ids.then[call.To] = r.Name
		r.ID, r.AutoID, r.PluginID = call.To, false, true
	}
	p.hosts[r.Name] = r
	return r, nil
}

func (p *pinner) freeHostName(name string) string {
	return freeName(name, func(s string) bool { return p.host(s) != nil })
}

// freeName returns a name that is not taken: the one that is asked for, made
// valid, else that with a number.
func freeName(name string, taken func(string) bool) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if r < 'a' || r > 'z' {
			if r < '0' || r > '9' {
				r = '-'
			}
		}
		b.WriteRune(r)
	}
	name = strings.Trim(b.String(), "-")
	const room = maxName - len("-999999")
	name = strings.TrimRight(name[:min(len(name), room)], "-")
	for i := 2; ; i++ {
		if badName(name) == "" && !taken(name) {
			return name
		}
		if i == 2 {
			b.Reset()
			b.WriteString(name)
		}
		name = strings.TrimLeft(fmt.Sprintf("%s-%d", b.String(), i), "-")
	}
}

// networkOf returns the network of a call's key, with a bridge that agrees; where
// there is none, a new one, called as CloudStack calls it.
func (p *pinner) networkOf(call PluginCall, name string) (*NetworkRecord, error) {
	if known, ok := p.in.keys[tunnelKey{GRE, call.Key}]; ok {
		n := p.network(known)
		if err := p.agree(n, call); err != nil {
			return nil, err
		}
		return n, nil
	}
	taken := func(s string) bool { _, ok := p.in.networks[s]; return ok }
	name = freeName(name, func(s string) bool { return false })
	if taken(name) { // xapi3 of one pool is another network than that of another
		name = freeName(fmt.Sprintf("%s-%d", name, call.Key), taken)
	}
	n := &NetworkRecord{ID: p.c.NextNetworkID, Plugin: true, Network: Network{Name: name, Encap: GRE, Key: call.Key, Profile: ProfileLearning}.Defaults()}
	if keyOfName(call.Bridge) == call.Key { // as on KVM: no other network's bridge is called that on any host
		n.Bridge = call.Bridge
	}
	if err := p.agree(n, call); err != nil {
		return nil, err
	}
	p.c.NextNetworkID++
	p.nets[name] = n
	return n, nil
}

// agree refuses a bridge that is another network's, or that is not the one that
// a spec has for this network.
func (p *pinner) agree(n *NetworkRecord, call PluginCall) error {
	if other := p.otherOn(n, call); other != nil {
		return fmt.Errorf("%w: bridge %s of host %s is that of network %s (%s key %d), and can't be that of key %d too: "+
			"NORMAL would join the two", ErrConflict, call.Bridge, call.Host, other.Name, other.Encap, other.Key, call.Key)
	}
	named := n.Bridge == call.Bridge || slices.ContainsFunc(n.XSNetworkUUIDs, func(id string) bool { return strings.EqualFold(id, call.XSNetworkUUID) })
	if pinned, _ := n.pinnedBridge(call.Host); n.Plugin || named || pinned == call.Bridge {
		return nil
	}
	switch {
	case n.AutoKey && n.Bridge == "":
		return fmt.Errorf("%w: GRE key %d is one that network %s drew from a key pool, and nothing says that CloudStack means that network: "+
			"take CloudStack's keys out of the pool, or write the key and the bridge of the network into its spec", ErrConflict, call.Key, n.Name)
	case n.Bridge != "":
		return fmt.Errorf("%w: network %s has GRE key %d and is on bridge %s in the spec, not on %s: write bridge: %s there, or xsNetworkUUIDs",
			ErrConflict, n.Name, call.Key, n.Bridge, call.Bridge, call.Bridge)
	case len(n.XSNetworkUUIDs) > 0 && call.XSNetworkUUID != "":
		return fmt.Errorf("%w: network %s has GRE key %d, and xs-network-uuid %s is not among its xsNetworkUUIDs: add it there",
			ErrConflict, n.Name, call.Key, call.XSNetworkUUID)
	}
	return nil
}

// otherOn returns a network that can't share the bridge of a call with n, nil if
// there is none. Programmed networks can.
func (p *pinner) otherOn(n *NetworkRecord, call PluginCall) *NetworkRecord {
	clash := func(name string) *NetworkRecord {
		if name == n.Name {
			return nil
		}
		if o := p.look(name); o.learning() || n.learning() {
			return o
		}
		return nil
	}
	for _, name := range slices.Sorted(slices.Values(p.in.pins.on[hostBridge{call.Host, call.Bridge}])) {
		if o := clash(name); o != nil {
			return o
		}
	}
	about := []accord{{bridgeForwarding, call.Bridge}}
	if call.XSNetworkUUID != "" {
		about = append(about, accord{uuidForwarding, strings.ToLower(call.XSNetworkUUID)})
	}
	for _, a := range about {
		for _, names := range p.in.accords[a] {
			for name := range names {
				if o := clash(name); o != nil {
					return o
				}
			}
		}
	}
	if n.Bridge == "" || !n.Plugin {
		return nil
	}
	for _, name := range p.in.pins.bridges[n.Bridge] {
		if o := clash(name); o != nil {
			return o
		}
	}
	return nil
}
