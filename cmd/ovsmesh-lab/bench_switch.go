package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"ovsmesh/openflow/flow"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// benchSwitch is one real ovsdb-server and ovs-vswitchd with the dummy
// datapath, and on it the bridge to be measured with its VIFs.
type benchSwitch struct {
	*ovstest.OVS
}

// benchVIF is a VM's port on the measured bridge.
type benchVIF struct {
	name    string
	ofport  int
	mac     topology.MAC
	network string
}

// startBenchSwitch starts a switch of this name and tunnel endpoint whose
// bridge has the settings of a managed one: each way of making tunnels is
// measured under the same.
func startBenchSwitch(ctx context.Context, name string, endpoint netip.Addr, vifs []benchVIF) (_ *benchSwitch, err error) {
	ovs, err := ovstest.StartOVS(ctx, ovstest.WithSystemID(name), ovstest.WithHostname(name))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ovs.Remove())
		}
	}()
	a := endpoint.As4()
	args := []string{
		"set", "Open_vSwitch", ".", "external_ids:ovsmesh-endpoint-ip=" + endpoint.String(),
		"--", "add-br", benchBridge,
		"--", "set", "Bridge", benchBridge, "fail_mode=secure", "other_config:disable-in-band=true",
		// The dummy datapath would give the same to the bridges of all hosts.
		fmt.Sprintf("other_config:datapath-id=%016x", a),
	}
	for _, v := range vifs {
		args = append(args, "--", "add-port", benchBridge, v.name,
			"--", "set", "Interface", v.name, "type=internal", fmt.Sprintf("ofport_request=%d", v.ofport),
			fmt.Sprintf("external_ids:attached-mac=\"%s\"", v.mac), "external_ids:ovsmesh-network="+v.network)
	}
	if _, err := ovs.VSCtl(ctx, args...); err != nil {
		return nil, err
	}
	// As every host has one: a switch reports of a tunnel by which interface
	// its packets leave, and with the dummy datapath knows no route by itself.
	for _, args := range [][]string{
		{"netdev-dummy/ip4addr", benchBridge, netip.PrefixFrom(endpoint, benchRange.Bits()).String()},
		{"ovs/route/add", benchRange.String(), benchBridge},
	} {
		if _, err := ovs.AppCtl(ctx, args...); err != nil {
			return nil, err
		}
	}
	return &benchSwitch{ovs}, nil
}

// demand says in what the switch differs from holding exactly these tunnels,
// each with a port number, and exactly the flows that go with those numbers.
func (s *benchSwitch) demand(ctx context.Context, remotes map[string]string, flows func(ofports map[string]uint32) ([]flow.Flow, error)) error {
	got, err := s.tunnels(ctx)
	if err != nil {
		return err
	}
	if len(got) != len(remotes) {
		return fmt.Errorf("%d tunnels on the switch, want %d", len(got), len(remotes))
	}
	ofports := make(map[string]uint32, len(got))
	for port, remote := range remotes {
		g, ok := got[port]
		if !ok || g.ofport == 0 || g.remote != remote {
			return fmt.Errorf("tunnel %s to %s: on the switch it is %+v", port, remote, g)
		}
		ofports[port] = g.ofport
	}
	want, err := flows(ofports)
	if err != nil {
		return err
	}
	installed, err := s.flows(ctx)
	if err != nil {
		return err
	}
	if d := flow.Diff(want, installed); !d.Empty() {
		return fmt.Errorf("%d of %d flows are missing, %d are other, %d too many", len(d.Add), len(want), len(d.Modify), len(d.Delete))
	}
	return nil
}

// tunnelRow is a tunnel as the database holds it.
type tunnelRow struct {
	ofport uint32 // 0: it has none, or an error
	remote string // options:remote_ip
}

// tunnels returns the tunnels that the database holds, by port.
func (s *benchSwitch) tunnels(ctx context.Context) (map[string]tunnelRow, error) {
	out, err := s.VSCtl(ctx, "--format=json", "--columns=name,ofport,error,options", "find", "Interface", "type=gre")
	if err != nil {
		return nil, err
	}
	var table struct {
		Data [][4]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(out), &table); err != nil {
		return nil, err
	}
	tunnels := make(map[string]tunnelRow, len(table.Data))
	for _, row := range table.Data {
		var port string
		t, err := parseTunnel(row)
		if err = errors.Join(err, json.Unmarshal(row[0], &port)); err != nil {
			return nil, fmt.Errorf("row %s: %w", row, err)
		}
		tunnels[port] = t
	}
	return tunnels, nil
}

// parseTunnel reads name, ofport, error and options in the notation of RFC 7047
// §5.1.
func parseTunnel(row [4]json.RawMessage) (t tunnelRow, err error) {
	var ofport int
	if json.Unmarshal(row[1], &ofport) == nil && ofport > 0 && string(row[2]) == `["set",[]]` {
		t.ofport = uint32(ofport)
	}
	var options []json.RawMessage // "map", [[key, value], …]
	if err := json.Unmarshal(row[3], &options); err != nil {
		return t, err
	}
	var pairs [][2]string
	if len(options) == 2 {
		err = json.Unmarshal(options[1], &pairs)
	}
	for _, p := range pairs {
		if p[0] == "remote_ip" {
			t.remote = p[1]
		}
	}
	return t, err
}

// portIDs returns the UUIDs of all ports by their names.
func (s *benchSwitch) portIDs(ctx context.Context) (map[string]string, error) {
	out, err := s.VSCtl(ctx, "--format=json", "--columns=name,_uuid", "list", "Port")
	if err != nil {
		return nil, err
	}
	var table struct {
		Data [][2]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(out), &table); err != nil {
		return nil, err
	}
	ids := make(map[string]string, len(table.Data))
	for _, row := range table.Data {
		var name string
		var id [2]string // "uuid", …
		if err := errors.Join(json.Unmarshal(row[0], &name), json.Unmarshal(row[1], &id)); err != nil {
			return nil, fmt.Errorf("row %s: %w", row, err)
		}
		ids[name] = id[1]
	}
	return ids, nil
}

// flows returns what the bridge's tables hold.
func (s *benchSwitch) flows(ctx context.Context) ([]flow.Flow, error) {
	out, err := s.OFCtl(ctx, "--no-stats", "--no-names", "dump-flows", s.BridgeSocket(benchBridge))
	if err != nil {
		return nil, err
	}
	var flows []flow.Flow
	for line := range strings.Lines(out) {
		f, err := flow.Parse(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		flows = append(flows, f)
	}
	return flows, nil
}
