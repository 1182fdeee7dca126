package main

import (
	"slices"
	"strconv"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// hosts is the table of hosts; of too many, of those not as wanted.
func (o tables) hosts(hosts []api.TopologyHost) part {
	if !o.cuts(len(hosts)) {
		return part{table: topologyHosts(hosts, o.wide)}
	}
	var bad []api.TopologyHost
	for _, h := range hosts {
		if hostTrouble(h) {
			bad = append(bad, h)
		}
	}
	const hint = "list them with --limit 0, or one with --host"
	p := o.cut(topologyHosts(bad, o.wide), "host", "s not as wanted", "use --down --limit 0, or --host")
	if rest := len(hosts) - len(bad); rest > 0 {
		p.note = joined(p.note, restOf(rest, len(bad), "host", "as wanted", hint))
	}
	return p
}

func hostTrouble(h api.TopologyHost) bool {
	if h.Left || h.Kind == topology.KindExternal {
		return len(h.Problems) > 0
	}
	return !h.InSync || len(hostProblems(h)) > 0
}

func topologyHosts(hosts []api.TopologyHost, wide bool) *table {
	t := newTable("HOST", "ID", "ENDPOINT", "CONNECTED", "OVS", "BRIDGES", "FLOWS", "STATE")
	if wide {
		t = newTable("HOST", "ID", "ENDPOINT", "CONNECTED", "OVS", "BRIDGES", "FLOWS", "STATE", "HEALTH", "ECHO", "SYSTEM-ID", "UNDERLAY-MTU")
	}
	for _, h := range hosts {
		var names []string
		installed, wanted := 0, 0
		for _, b := range h.Bridges {
			names = append(names, b.Name)
			installed += b.FlowsInstalled
			wanted += b.FlowsWanted
		}
		flows := ""
		if len(h.Bridges) > 0 {
			flows = upOf(installed, wanted)
		}
		row := []string{h.Name, strconv.Itoa(h.ID), h.Endpoint, connectedWord(h.Kind, h.Connected), h.OVSVersion,
			some(names, false), flows, topologyHostWord(h)}
		if wide {
			row = append(row, h.Health, echoText(h.Echo), h.SystemID, mtuText(h.UnderlayMTU, h.UnderlayMTUAssumed))
		}
		t.add(row...)
	}
	return t
}

// echoText is the round trip of echoes to a host's database and to the slowest
// of its switches.
func echoText(e *api.HostEchoes) string {
	if e == nil {
		return ""
	}
	text := roundTrip(e.Database)
	if e.Switches != nil {
		text += "," + roundTrip(*e.Switches)
	}
	return text
}

func roundTrip(e api.HostEcho) string {
	d := time.Duration(e.RoundTripMicros) * time.Microsecond
	switch {
	case d == 0:
		return "?"
	case d > 10*time.Millisecond:
		d = d.Round(time.Millisecond)
	default:
		d = d.Round(10 * time.Microsecond)
	}
	return d.String()
}

func topologyHostWord(h api.TopologyHost) string {
	switch {
	case h.Left:
		return "left"
	case h.Kind == topology.KindExternal:
		return "external"
	case !h.Connected:
		return "disconnected"
	case h.Health != "" && h.Health != api.HealthOK:
		return h.Health
	case h.Observed:
		return observedWord(hostProblems(h))
	}
	return syncWord(h.InSync, hostProblems(h))
}

// connectedWord says in a cell whether a host is connected; nothing of one that
// never will be.
func connectedWord(kind string, connected bool) string {
	if kind == topology.KindExternal {
		return ""
	}
	return yesNo(connected)
}

// bridges is the table of bridges; of too many hosts, of bridges that don't work.
func (o tables) bridges(hosts []api.TopologyHost) part {
	if !o.cuts(len(hosts)) {
		return part{table: topologyBridges(hosts)}
	}
	var bad []api.TopologyHost
	for _, h := range hosts {
		h.Bridges = slices.DeleteFunc(slices.Clone(h.Bridges), func(b api.TopologyBridge) bool { return b.Connected && b.Error == "" })
		bad = append(bad, h)
	}
	return o.cut(topologyBridges(bad), "bridge", "s not as wanted", "use --host or --limit 0")
}

func topologyBridges(hosts []api.TopologyHost) *table {
	t := newTable("HOST", "BRIDGE", "DPID", "OPENFLOW", "FLOWS", "ERROR")
	for _, h := range hosts {
		for _, b := range h.Bridges {
			connected := "connected"
			if !b.Connected {
				connected = "disconnected"
			}
			t.add(h.Name, b.Name, b.DPID, connected, upOf(b.FlowsInstalled, b.FlowsWanted), b.Error)
		}
	}
	return t
}
