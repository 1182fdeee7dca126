package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// auditBench compares an audit of a bridge with a large table, half of it ours
// and half other programs', with ovs-ofctl that writes the same table to a
// file.
type auditBench struct {
	rounds int
	flows  int // in all, about
	laps   int // in a round

	pair
	held int // flows that the bridge had
}

const (
	auditNetwork = "big"
	auditVIF     = "vif1.0"
	auditKey     = 103

	// flowsAnAddress is how many flows of ours follow from an address that a
	// VM may use: its IP, its ARP, its neighbour discovery.
	flowsAnAddress = 2
)

// round makes the table once, and measures both ways in turns.
func (b *auditBench) round(ctx context.Context) (err error) {
	c, err := startController(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	vif := benchVIF{name: auditVIF, ofport: 1, mac: topology.MAC{2, 0, 0, 0, 0, 1}, network: auditNetwork}
	s, err := startBenchSwitch(ctx, "real", benchRange.Addr().Next(), []benchVIF{vif})
	if err != nil {
		return err
	}
	c.atEnd(s.Remove)
	if _, err := c.apply(ctx, b.spec()); err != nil {
		return err
	}
	if err := s.SetManager(ctx, c.address); err != nil {
		return err
	}
	if err := c.waitManaged(ctx, 1); err != nil {
		return err
	}
	dir, err := ovstest.TempDir("bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := b.addForeign(ctx, s, dir); err != nil {
		return err
	}
	for range b.laps {
		if err := b.lap(ctx, c, s, filepath.Join(dir, "dump")); err != nil {
			return err
		}
	}
	return nil
}

// spec gives the one VM as many addresses as it takes.
func (b *auditBench) spec() string {
	var s strings.Builder
	fmt.Fprintf(&s, "hosts:\n- {name: real, systemID: real}\nnetworks:\n- {name: %s, tenant: bench, encap: gre, key: %d, bridge: %s}\n", auditNetwork, auditKey, benchBridge)
	fmt.Fprintf(&s, "ports:\n- name: web\n  network: %s\n  match: {host: real, interface: %s}\n  mac: \"02:00:00:00:00:01\"\n  ips: [10.0.0.1]\n  allowedAddresses:\n", auditNetwork, auditVIF)
	for i := range b.flows / 2 / flowsAnAddress {
		fmt.Fprintf(&s, "  - {ip: 10.%d.%d.%d}\n", 1+i>>16, i>>8&0xff, i&0xff)
	}
	return s.String()
}

// addForeign adds what other programs may have: filters of single VMs in table
// 0, where each may lie over flows of ours, and a pipeline of their own.
func (b *auditBench) addForeign(ctx context.Context, s *benchSwitch, dir string) error {
	var text strings.Builder
	for i := range b.flows / 2 {
		if i%2 == 0 {
			fmt.Fprintf(&text, "cookie=%#x,table=0,priority=3000,tcp,dl_dst=02:00:01:%02x:%02x:%02x,tp_dst=22,actions=drop\n", i+1, i>>16, i>>8&0xff, i&0xff)
		} else {
			fmt.Fprintf(&text, "cookie=%#x,table=40,priority=%d,ip,reg1=%#x,nw_src=10.0.0.0/8,actions=resubmit(,41)\n", i+1, i%100, i)
		}
	}
	file := filepath.Join(dir, "foreign")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return err
	}
	_, err := s.OFCtl(ctx, "--bundle", "add-flows", s.BridgeSocket(benchBridge), file)
	return err
}

func (b *auditBench) lap(ctx context.Context, c *benchController, s *benchSwitch, file string) error {
	if err := rest(ctx); err != nil {
		return err
	}
	start := time.Now()
	report, err := c.ctl.Audit(ctx, api.AuditRequest{})
	took := time.Since(start)
	switch {
	case err != nil:
		return err
	case !report.Clean || !report.Complete:
		return fmt.Errorf("audit: complete %v, %d findings: %+v", report.Complete, len(report.Findings), report.Findings[:1])
	}
	b.ours = append(b.ours, took)
	if err := rest(ctx); err != nil {
		return err
	}
	start = time.Now()
	out, err := s.OFCtl(ctx, "dump-flows", s.BridgeSocket(benchBridge))
	if err == nil {
		err = os.WriteFile(file, []byte(out), 0o600)
	}
	b.floor = append(b.floor, time.Since(start))
	b.held = strings.Count(out, "\n")
	if err == nil && b.held < b.flows*9/10 {
		err = fmt.Errorf("%d flows on the bridge instead of %d", b.held, b.flows)
	}
	return err
}

func (b *auditBench) results(progress io.Writer) []benchResult {
	fmt.Fprintf(progress, "audited: %s flows\n", thousands(b.held))
	return []benchResult{
		{name: "audit of " + thousands(b.held) + " flows: ovs-ofctl dump-flows to a file", ours: median(b.ours), other: median(b.floor), limit: 1.2},
	}
}
