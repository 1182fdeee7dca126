package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pluginPoints are the tunnels at which the plugin's way is sampled: the first,
// the 100th and so on.
func pluginPoints(tunnels int) []int {
	return []int{1, max(2, tunnels/10), max(3, tunnels/2), max(4, tunnels)}
}

// samplePlugin measures, on a fresh switch, what one tunnel costs the way
// CloudStack's ovstunnel plugin makes it: samples times at every point, each
// time with as many tunnels there, and their flows, as before that one.
func samplePlugin(ctx context.Context, points []int, samples int) (_ [][]time.Duration, err error) {
	f, err := startFloor(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	costs := make([][]time.Duration, len(points))
	next := 0 // tunnels of the plugin's making so far
	for i, at := range points {
		if _, err := f.add(ctx, at-1-len(f.tunnels)); err != nil {
			return nil, err
		}
		for range samples {
			next++
			took, err := f.pluginTunnel(ctx, next)
			if err != nil {
				return nil, fmt.Errorf("tunnel the plugin's way: %w", err)
			}
			costs[i] = append(costs[i], took)
		}
		if err := f.dropPluginTunnels(ctx, next-samples+1, next); err != nil {
			return nil, err
		}
	}
	return costs, nil
}

// pluginKey keeps the plugin's tunnels apart from those that are there.
const pluginKey = 104

func pluginPort(n int) string { return fmt.Sprintf("t%d-%d-%d", pluginKey, benchHostID, n) }

// pluginTunnel makes one tunnel by the processes that create_tunnel of the
// plugin starts, one after another, and returns how long they took.
func (s *benchSwitch) pluginTunnel(ctx context.Context, n int) (time.Duration, error) {
	port, remote := pluginPort(n), peerAddr(n).String()
	bridge := s.BridgeSocket(benchBridge)
	start := time.Now()
	var ofport string
	for _, args := range [][]string{
		{"wait-until", "bridge", benchBridge, "--", "get", "bridge", benchBridge, "name"},
		{"add-port", benchBridge, port, "--", "set", "interface", port, "type=gre",
			"options:key=" + strconv.Itoa(pluginKey), "options:remote_ip=" + remote},
		{"get", "port", port, "interfaces"},
		{"get", "interface", port, "options:key"},
		{"get", "interface", port, "options:remote_ip"},
		{"get", "interface", port, "ofport"},
	} {
		out, err := s.VSCtl(ctx, args...)
		if err != nil {
			return 0, err
		}
		ofport = strings.TrimSpace(out)
	}
	for _, match := range []string{"dl_dst=ff:ff:ff:ff:ff:ff", "ip,nw_dst=224.0.0.0/24"} {
		if _, err := s.OFCtl(ctx, "add-flow", bridge, "priority=1000,in_port="+ofport+","+match+",actions=drop"); err != nil {
			return 0, err
		}
	}
	took := time.Since(start)
	if n, err := strconv.Atoi(ofport); err != nil || n <= 0 {
		return 0, fmt.Errorf("ofport of %s is %q", port, ofport)
	}
	return took, nil
}

// dropPluginTunnels takes the plugin's tunnels away again, and their flows.
func (s *benchSwitch) dropPluginTunnels(ctx context.Context, from, to int) error {
	var args []string
	for n := from; n <= to; n++ {
		args = append(args, "--", "del-port", benchBridge, pluginPort(n))
	}
	if _, err := s.VSCtl(ctx, args...); err != nil {
		return err
	}
	// By their cookie, which is none: ours have one each.
	_, err := s.OFCtl(ctx, "del-flows", s.BridgeSocket(benchBridge), "cookie=0/-1")
	return err
}
