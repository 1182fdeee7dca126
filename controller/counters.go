package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb"
)

// Reading counters: how many hosts are asked at the same time, and how long
// each may take.
const (
	countersAsked   = 16
	countersTimeout = 3 * time.Second
)

// wantedCounters are tunnel ends of one host whose counters somebody wants.
type wantedCounters struct {
	loop *host
	ends map[string]map[string]*api.Tunnel // by network and peer
}

// readCounters asks the hosts for the counters of the tunnel ends that a
// topology lists. It returns why some of them are not there, by host.
func (v *view) readCounters(ctx context.Context, t *api.Topology) map[string]string {
	hosts := map[string]*wantedCounters{}
	for i := range t.Networks {
		n := &t.Networks[i]
		for k := range n.Tunnels {
			end := &n.Tunnels[k]
			w := hosts[end.From]
			if w == nil {
				w = &wantedCounters{loop: v.byName[end.From].loop, ends: map[string]map[string]*api.Tunnel{}}
				hosts[end.From] = w
			}
			if w.ends[n.Name] == nil {
				w.ends[n.Name] = map[string]*api.Tunnel{}
			}
			w.ends[n.Name][end.To] = end
		}
	}
	var (
		mu    sync.Mutex
		why   = map[string]string{}
		wg    sync.WaitGroup
		slots = make(chan struct{}, countersAsked)
	)
	for name, w := range hosts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := w.read(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				why[name] = err.Error()
			}
		})
	}
	wg.Wait()
	return why
}

// place is where the counters of a tunnel end are.
type place struct {
	row    string // UUID of the Interface
	shared bool
}

// read fills in the counters of one host's tunnel ends. All but the question
// where they are is asked beside the host's loop, which others need.
func (w *wantedCounters) read(ctx context.Context) error {
	if w.loop == nil {
		return errNotConnected
	}
	var (
		sess   *ovsdb.Session
		places map[*api.Tunnel]place
	)
	wait, cancel := context.WithTimeout(ctx, countersTimeout)
	defer cancel()
	if !w.loop.ask(wait, func(context.Context) { sess, places = w.places() }) {
		return fmt.Errorf("it is busy: no answer within %v", countersTimeout)
	}
	if sess == nil {
		return errNotConnected
	}
	rows := map[string]struct{}{}
	var ids []string
	for _, p := range places {
		if _, again := rows[p.row]; !again {
			rows[p.row] = struct{}{}
			ids = append(ids, p.row)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, countersTimeout)
	defer cancel()
	got, err := sess.Statistics(call, ids)
	if err != nil {
		return fmt.Errorf("its database does not tell: %w", err)
	}
	for end, p := range places {
		if s, ok := got[p.row]; ok {
			end.Counters = &api.TunnelCounters{
				RxPackets: s["rx_packets"], RxBytes: s["rx_bytes"], RxErrors: s["rx_errors"], RxDropped: s["rx_dropped"],
				TxPackets: s["tx_packets"], TxBytes: s["tx_bytes"], TxErrors: s["tx_errors"], TxDropped: s["tx_dropped"],
				Shared: p.shared,
			}
		}
	}
	return nil
}

var errNotConnected = errors.New("it is not connected")

// places says where the counters are. It must run on the loop.
func (w *wantedCounters) places() (*ovsdb.Session, map[*api.Tunnel]place) {
	h := w.loop
	if h.att == nil {
		return nil, nil
	}
	places := map[*api.Tunnel]place{}
	for network, ends := range w.ends {
		on := h.on[network]
		if on == nil {
			continue
		}
		tunnels, _ := h.tunnels(h.att.db, on)
		for _, t := range tunnels {
			if end := ends[t.Peer]; end != nil && t.row != nil {
				places[end] = place{t.row.UUID, t.Carrier != ""}
			}
		}
	}
	return h.att.sess, places
}
