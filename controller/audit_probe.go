package controller

import (
	"context"
	"sync"
	"time"

	"ovsmesh/openflow"
	"ovsmesh/ovsdb"
)

// probe finds out, before the host's loop is asked to read anything and before
// anybody else has to wait for it, who of a host answers at all: one that is
// frozen must cost nobody but itself. It returns why the host can't be looked
// at, "" if it can, and which bridges' switches are silent.
func (a *hostAudit) probe(ctx context.Context) (silent map[string]string, why string) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	start := time.Now()
	var db *ovsdb.Session
	switches := map[string]*openflow.Session{}
	if !a.loop.ask(ctx, func(context.Context) {
		if a.loop.att == nil {
			return
		}
		db = a.loop.att.sess
		for name, b := range a.loop.bridges {
			if _, on := onBridge(a.loop, b, a.request.Network); on && b.sess != nil {
				switches[name] = b.sess
			}
		}
	}) {
		return nil, a.busy()
	}
	if db == nil {
		return nil, "it is not connected"
	}
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	silent = map[string]string{}
	wg.Go(func() {
		if err := db.Echo(ctx); err != nil {
			mu.Lock()
			defer mu.Unlock()
			if why = "its database does not answer: " + err.Error(); ctx.Err() != nil {
				why = "its database has not answered for " + time.Since(start).Round(time.Second).String()
			}
		}
	})
	for name, s := range switches {
		wg.Go(func() {
			err := s.Barrier(ctx)
			if err == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if silent[name] = err.Error(); ctx.Err() != nil {
				silent[name] = "ovs-vswitchd has not answered for " + time.Since(start).Round(time.Second).String()
			}
		})
	}
	wg.Wait()
	return silent, why
}

// onBridge reports whether a bridge is within a request for a network, "" for
// all; id is that of the only network to look at, 0 for all.
func onBridge(h *host, b *bridge, network string) (id uint32, on bool) {
	if network == "" {
		return 0, true
	}
	w := h.on[network]
	if w == nil || w.Bridge != b.name {
		return 0, false
	}
	return w.Net.ID, true
}
