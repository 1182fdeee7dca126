package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// Witness remembers the rows and flows that hosts hold at one moment, and tells
// later which of them somebody has written again, even if what was written is
// the same.
type Witness struct {
	mesh  *Mesh
	flows map[string]time.Time // since when a flow is there, by host, bridge and text
	rows  map[string]string    // _version, by host, table and name
}

// flowAge is what tells a flow that was replaced by an equal one from one that
// was left alone.
var (
	flowAge   = regexp.MustCompile(`duration=([0-9.]+)s, `)
	flowCount = regexp.MustCompile(`n_packets=\d+, n_bytes=\d+, |(idle|hard)_age=\d+, `)
)

// Witness remembers what all hosts hold: the flows of the networks' bridges and
// the rows of their ports. It is of use for as long as the daemons of the hosts
// run.
func (m *Mesh) Witness(ctx context.Context) (*Witness, error) {
	w := &Witness{mesh: m}
	var err error
	w.flows, w.rows, err = m.held(ctx)
	return w, err
}

// Untouched returns an error that names what was there and is not any longer,
// or was written again since.
func (w *Witness) Untouched(ctx context.Context) error {
	flows, rows, err := w.mesh.held(ctx)
	if err != nil {
		return err
	}
	// Ages are of the switch's clock and read one bridge after the other.
	const slack = 300 * time.Millisecond
	for text, since := range w.flows {
		now, ok := flows[text]
		if !ok {
			return fmt.Errorf("a flow is gone: %s", text)
		}
		if now.Sub(since) > slack {
			return fmt.Errorf("a flow was written again after %v: %s", now.Sub(since).Round(time.Millisecond), text)
		}
	}
	for name, version := range w.rows {
		if now, ok := rows[name]; !ok {
			return fmt.Errorf("a row is gone: %s", name)
		} else if now != version {
			return fmt.Errorf("a row was written again: %s", name)
		}
	}
	return nil
}

func (m *Mesh) held(ctx context.Context) (flows map[string]time.Time, rows map[string]string, err error) {
	flows, rows = make(map[string]time.Time), make(map[string]string)
	for _, h := range m.Hosts() {
		for _, n := range networks {
			if err := flowsHeld(ctx, h, n.bridge, flows); err != nil {
				return nil, nil, err
			}
		}
		if err := rowsHeld(ctx, h, rows); err != nil {
			return nil, nil, err
		}
	}
	return flows, rows, nil
}

// flowsHeld adds a bridge's flows, and since when they are there.
func flowsHeld(ctx context.Context, h *ovstest.Host, bridge string, into map[string]time.Time) error {
	out, err := h.OFCtl(ctx, "dump-flows", bridge)
	if err != nil {
		return err
	}
	now := time.Now()
	for line := range strings.Lines(out) {
		age := flowAge.FindStringSubmatch(line)
		if age == nil {
			continue // the heading
		}
		s, err := strconv.ParseFloat(age[1], 64)
		if err != nil {
			return fmt.Errorf("flow %q: %w", line, err)
		}
		text := flowCount.ReplaceAllString(flowAge.ReplaceAllString(line, ""), "")
		into[h.Name+" "+bridge+" "+strings.TrimSpace(text)] = now.Add(-time.Duration(s * float64(time.Second)))
	}
	return nil
}

// rowsHeld adds the versions of the rows that are written by us and not by
// ovs-vswitchd: a Port is of tunnels and VIFs alike.
func rowsHeld(ctx context.Context, h *ovstest.Host, into map[string]string) error {
	const query = `["Open_vSwitch",{"op":"select","table":"Port","where":[],"columns":["name","_version"]}]`
	out, err := h.Exec(ctx, "ovsdb-client", "query", "unix:"+h.DBSocket(), query)
	if err != nil {
		return err
	}
	var answer []struct {
		Rows []struct {
			Name    string    `json:"name"`
			Version [2]string `json:"_version"`
		} `json:"rows"`
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return fmt.Errorf("ovsdb-client query: %w", err)
	}
	for _, a := range answer {
		for _, r := range a.Rows {
			into[h.Name+" Port "+r.Name] = r.Version[1]
		}
	}
	return nil
}
