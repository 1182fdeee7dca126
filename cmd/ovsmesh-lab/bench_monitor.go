package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
	"ovsmesh/topology"
)

// monitorBench has another program change flows of its own on a managed bridge,
// many at once, and compares when the controller has been told of all with when
// "ovs-ofctl monitor" of the same has printed all.
type monitorBench struct {
	rounds  int
	changes int

	pair
	told, made int
}

const toldMetric = "ovsmesh_openflow_updates_total"

func (b *monitorBench) round(ctx context.Context) (err error) {
	c, err := startController(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if _, err := c.apply(ctx, fmt.Sprintf("hosts:\n- {name: ours, systemID: ours}\nnetworks:\n- {name: blue, tenant: bench, encap: gre, key: 103, bridge: %s}\n", benchBridge)); err != nil {
		return err
	}
	dir, err := ovstest.TempDir("bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "flows")
	if err := os.WriteFile(file, b.flows(), 0o600); err != nil {
		return err
	}
	vif := benchVIF{name: "vif1.0", ofport: 1, mac: topology.MAC{2, 0, 0, 0, 0, 1}, network: "blue"}
	ours, err := startBenchSwitch(ctx, "ours", benchRange.Addr().Next(), []benchVIF{vif})
	if err != nil {
		return err
	}
	c.atEnd(ours.Remove)
	if err := ours.SetManager(ctx, c.address); err != nil {
		return err
	}
	if err := c.waitManaged(ctx, 1); err != nil {
		return err
	}
	if err := b.controller(ctx, c, ours, file); err != nil {
		return err
	}
	theirs, err := startBenchSwitch(ctx, "theirs", benchRange.Addr().Next().Next(), []benchVIF{vif})
	if err != nil {
		return err
	}
	c.atEnd(theirs.Remove)
	return b.tool(ctx, theirs, file)
}

// flows are what another program puts into tables of its own.
func (b *monitorBench) flows() []byte {
	var text []byte
	for i := range b.changes {
		text = fmt.Appendf(text, "cookie=%#x,table=40,priority=%d,dl_dst=02:00:01:%02x:%02x:%02x,actions=resubmit(,41)\n",
			i+1, i%100, i>>16, i>>8&0xff, i&0xff)
	}
	return text
}

// controller measures how long it takes until the controller has been told of
// all, and looks whether all is as wanted then.
func (b *monitorBench) controller(ctx context.Context, c *benchController, s *benchSwitch, file string) error {
	if err := rest(ctx); err != nil {
		return err
	}
	before, err := c.counter(toldMetric)
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := s.OFCtl(ctx, "add-flows", s.BridgeSocket(benchBridge), file); err != nil {
		return err
	}
	told := 0
	for deadline := start.Add(benchWait); told < b.changes && time.Now().Before(deadline); time.Sleep(10 * benchPoll) {
		now, err := c.counter(toldMetric)
		if err != nil {
			return err
		}
		told = now - before
	}
	b.ours = append(b.ours, time.Since(start))
	if err := rest(ctx); err != nil {
		return err
	}
	b.told, b.made = b.told+told, b.made+b.changes
	report, err := c.ctl.Audit(ctx, api.AuditRequest{})
	if err == nil && (!report.Clean || !report.Complete) {
		err = fmt.Errorf("after the burst: %+v", report.Findings)
	}
	return err
}

// tool measures the same of ovs-ofctl.
func (b *monitorBench) tool(ctx context.Context, s *benchSwitch, file string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, benchWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ovs-ofctl", "-O", "OpenFlow13", "monitor", s.BridgeSocket(benchBridge), "watch:!initial")
	cmd.Env = s.Env()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout // where it prints what it is told
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Kill() // it runs until then
		_ = cmd.Wait()
	}()
	if err := rest(ctx); err != nil {
		return err
	}
	start := time.Now()
	if _, err := s.OFCtl(ctx, "add-flows", s.BridgeSocket(benchBridge), file); err != nil {
		return err
	}
	lines, seen := bufio.NewScanner(out), 0
	for seen < b.changes && lines.Scan() {
		if strings.Contains(lines.Text(), "event=ADDED") {
			seen++
		}
	}
	b.floor = append(b.floor, time.Since(start))
	if seen < b.changes {
		err := fmt.Errorf("ovs-ofctl monitor has printed %d changes of %d", seen, b.changes)
		return errors.Join(err, lines.Err(), ctx.Err())
	}
	return nil
}

func (b *monitorBench) results(io.Writer) []benchResult {
	n := thousands(b.changes) + " changes by others"
	return []benchResult{
		{name: n + ": told of them, of those that were made", ours: time.Duration(b.told), other: time.Duration(b.made), exact: true},
		{name: n + ", until all are told: ovs-ofctl monitor", ours: median(b.ours), other: median(b.floor), limit: 3},
	}
}

// counter returns what a metric without labels counts.
func (c *benchController) counter(name string) (int, error) {
	families, err := c.ctl.Registry().Gather()
	if err != nil {
		return 0, err
	}
	for _, f := range families {
		if f.GetName() == name {
			return int(f.Metric[0].GetCounter().GetValue()), nil
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}
