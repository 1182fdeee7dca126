package faults

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// Writes is what one host has been made to write since its daemons started, by
// whomever.
type Writes struct {
	Records    int // in the log of its database: one a transaction that changed rows
	NextCfg    int // changes of configuration that ovs-vswitchd was asked to follow
	FlowTables int // revisions of its flow tables
}

// counting is how long it takes until Open vSwitch has counted what it did: it
// sums its counters up once a second.
const counting = 1500 * time.Millisecond

// Writes counts for all hosts, once what is under way is done and counted.
func (m *Mesh) Writes(ctx context.Context) (map[string]Writes, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(counting):
	}
	all := make(map[string]Writes)
	for _, h := range m.Hosts() {
		w, err := writesOf(ctx, h)
		if err != nil {
			return nil, fmt.Errorf("writes of %s: %w", h.Name, err)
		}
		all[h.Name] = w
	}
	return all, nil
}

func writesOf(ctx context.Context, h *ovstest.Host) (Writes, error) {
	log, err := h.Exec(ctx, "ovsdb-tool", "show-log", h.Dir()+"/conf.db")
	if err != nil {
		return Writes{}, err
	}
	w := Writes{Records: strings.Count(log, "record ")}
	if w.NextCfg, err = number(h.VSCtl(ctx, "get", "Open_vSwitch", ".", "next_cfg")); err != nil {
		return Writes{}, err
	}
	w.FlowTables, err = number(h.AppCtl(ctx, "coverage/read-counter", "rev_flow_table"))
	return w, err
}

// number reads the number that a program printed.
func number(text string, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(text))
}
