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
)

// benchSwitch is one real ovsdb-server and ovs-vswitchd with the dummy
// datapath, and on it the bridge to be measured with a VIF of each network.
type benchSwitch struct {
	*ovstest.OVS
}

// startBenchSwitch starts a switch whose bridge has the settings of a managed
// one: each way of making tunnels is measured under the same.
func startBenchSwitch(ctx context.Context) (*benchSwitch, error) {
	ovs, err := ovstest.StartOVS(ctx, ovstest.WithSystemID("real"), ovstest.WithHostname("real"))
	if err != nil {
		return nil, err
	}
	args := []string{
		"set", "Open_vSwitch", ".", "external_ids:ovsmesh-endpoint-ip=" + benchEndpoint.String(),
		"--", "add-br", benchBridge,
		"--", "set", "Bridge", benchBridge, "fail_mode=secure", "other_config:disable-in-band=true",
	}
	for k := range benchNet(benchNetworks) {
		args = append(args, "--", "add-port", benchBridge, k.vif(),
			"--", "set", "Interface", k.vif(), "type=internal", fmt.Sprintf("ofport_request=%d", k.ofport()),
			fmt.Sprintf("external_ids:attached-mac=\"%s\"", k.mac()), "external_ids:ovsmesh-network="+k.name())
	}
	if _, err := ovs.VSCtl(ctx, args...); err != nil {
		return nil, errors.Join(err, ovs.Remove())
	}
	s := &benchSwitch{ovs}
	if err := s.addRoute(ctx); err != nil {
		return nil, errors.Join(err, ovs.Remove())
	}
	return s, nil
}

// addRoute gives the switch a route to its peers, as every host has one: it
// reports of a tunnel by which interface packets leave, and knows none with the
// dummy datapath.
func (s *benchSwitch) addRoute(ctx context.Context) error {
	for _, args := range [][]string{
		{"netdev-dummy/ip4addr", benchBridge, netip.PrefixFrom(benchEndpoint, benchRange.Bits()).String()},
		{"ovs/route/add", benchRange.String(), benchBridge},
	} {
		if _, err := s.AppCtl(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// check demands that the switch holds exactly these tunnels, each with a port
// of its own, and exactly the flows that go with them.
func (s *benchSwitch) check(ctx context.Context, want []tunnel) error {
	got, err := s.tunnels(ctx)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d tunnels on the switch, want %d", len(got), len(want))
	}
	have := make([]tunnel, len(want))
	for i, w := range want {
		g, ok := got[w.port]
		if !ok || g.ofport == 0 || g.remote != w.remote {
			return fmt.Errorf("tunnel %s to %s: on the switch it is %+v", w.port, w.remote, g)
		}
		w.ofport = g.ofport
		have[i] = w
	}
	flows, err := benchFlows(have)
	if err != nil {
		return err
	}
	installed, err := s.flows(ctx)
	if err != nil {
		return err
	}
	if d := flow.Diff(flows, installed); !d.Empty() {
		return fmt.Errorf("%d of %d flows are missing, %d are other, %d too many", len(d.Add), len(flows), len(d.Modify), len(d.Delete))
	}
	return nil
}

// tunnels returns the tunnels that the database holds, by port; the ofport is
// 0 for one that has none or an error.
func (s *benchSwitch) tunnels(ctx context.Context) (map[string]tunnel, error) {
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
	tunnels := make(map[string]tunnel, len(table.Data))
	for _, row := range table.Data {
		t, err := parseTunnel(row)
		if err != nil {
			return nil, fmt.Errorf("row %s: %w", row, err)
		}
		tunnels[t.port] = t
	}
	return tunnels, nil
}

// parseTunnel reads name, ofport, error and options in the notation of RFC 7047
// §5.1.
func parseTunnel(row [4]json.RawMessage) (t tunnel, err error) {
	if err := json.Unmarshal(row[0], &t.port); err != nil {
		return t, err
	}
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
		if p[0] == "remote_ip" && err == nil {
			err = t.remote.UnmarshalText([]byte(p[1]))
		}
	}
	return t, err
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
