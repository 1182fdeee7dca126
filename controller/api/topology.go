package api

import (
	"fmt"
	"net/http"
	"strconv"
)

// TopologyFilter narrows a Topology; zero fields don't.
type TopologyFilter struct {
	Network, Host, Tenant string

	// Down keeps of tunnel ends those that are not up, and of networks and
	// hosts those with which something is not as it should be.
	Down bool

	// Limit is how many tunnel ends are listed at most, in all networks
	// together; they are counted all the same. 0 lists all, NoTunnels none.
	// The first Offset are left out.
	Limit, Offset int

	// Counters has the hosts asked for the counters of the tunnel ends that are
	// listed.
	Counters bool
}

// NoTunnels is the Limit that lists no tunnel ends.
const NoTunnels = -1

// Events returns what of the filter narrows a stream of events.
func (f TopologyFilter) Events() EventFilter {
	return EventFilter{Network: f.Network, Host: f.Host, Tenant: f.Tenant}
}

// TopologyMember is one host in a network's mesh.
type TopologyMember struct {
	Host          string `json:"host"`
	Bridge        string `json:"bridge"` // that carries the network there; "" where none is known
	Ports         int    `json:"ports"`  // VIFs in it on this host
	TunnelsWanted int    `json:"tunnelsWanted"`
	TunnelsUp     int    `json:"tunnelsUp"`
	InSync        bool   `json:"inSync"`
	UnderlayMTU   int    `json:"underlayMTU"` // bytes; 0: not known
	MTU           int    `json:"mtu"`         // bytes of IP that fit through the tunnels that start there; 0: not known
	VMMTU         int    `json:"vmMTU"`       // the largest MTU of its VIFs there; 0: not known
}

// BFDStatus is what Open vSwitch reports of a tunnel's BFD session,
// ovs-vswitchd.conf.db(5) Interface bfd_status and RFC 5880 §4.1.
type BFDStatus struct {
	State            string `json:"state"`            // admin_down, down, init, up
	Forwarding       bool   `json:"forwarding"`       // packets pass, as far as this end can tell
	Diagnostic       string `json:"diagnostic"`       // why this end last went down
	RemoteState      string `json:"remoteState"`      // as the far end last reported of itself
	RemoteDiagnostic string `json:"remoteDiagnostic"` // likewise
	Flaps            int64  `json:"flaps"`            // how often it went up or down since the port was made
	Since            string `json:"since"`            // when the controller saw State become so, RFC 3339 in UTC: not before the host has connected
}

// TunnelCounters are a tunnel port's counters since it was made. Open vSwitch
// brings them up to date every few seconds (other_config:stats-update-interval).
type TunnelCounters struct {
	RxPackets int64 `json:"rxPackets"`
	RxBytes   int64 `json:"rxBytes"`
	RxErrors  int64 `json:"rxErrors"`
	RxDropped int64 `json:"rxDropped"`
	TxPackets int64 `json:"txPackets"`
	TxBytes   int64 `json:"txBytes"`
	TxErrors  int64 `json:"txErrors"`
	TxDropped int64 `json:"txDropped"`
	Shared    bool  `json:"shared,omitempty"` // the port carries other tunnels too, and counts them all
}

// A host's health, as far as its answers tell.
const (
	HealthOK          = "ok"          // its database and its switches answer, and carry out what is written
	HealthSlow        = "slow"        // they do so late
	HealthStuck       = "stuck"       // one of them does not, though the host is connected
	HealthUnreachable = "unreachable" // nothing of it answers
)

// HostEcho is what echoes tell of a host: each session sends one when the other
// side has been silent for some seconds.
type HostEcho struct {
	RoundTripMicros int64 `json:"roundTripMicros"` // of the last echo; 0: none has come back yet
	SilentMillis    int64 `json:"silentMillis"`    // since anything was heard
}

// HostEchoes are those of a host's database and, the worst of them, of its
// managed bridges.
type HostEchoes struct {
	Database HostEcho  `json:"database"`
	Switches *HostEcho `json:"switches,omitempty"` // nil where none is connected
}

// topologyParameters are the names that topologyFilterOf looks at.
const topologyParameters = filterParameters + " down limit offset counters"

func topologyFilterOf(r *http.Request) (f TopologyFilter, err error) {
	e := filterOf(r)
	f = TopologyFilter{Network: e.Network, Host: e.Host, Tenant: e.Tenant}
	if f.Down, err = flag(r, "down"); err != nil {
		return f, err
	}
	if f.Counters, err = flag(r, "counters"); err != nil {
		return f, err
	}
	if f.Limit, err = number(r, "limit"); err != nil {
		return f, err
	}
	if f.Limit == 0 && r.URL.Query().Get("limit") != "" {
		f.Limit = NoTunnels
	}
	f.Offset, err = number(r, "offset")
	return f, err
}

// number returns a parameter that counts something, 0 where it is not given.
func number(r *http.Request, name string) (int, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %s=%.40s: want a number from 0 on", errBadRequest, name, v)
	}
	return n, nil
}
