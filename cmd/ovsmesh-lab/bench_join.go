package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// benchPeer is a peer of the measured host that is there: its database, on
// which VMs' ports appear. Its lock is taken, so that the controller takes
// note of them and leaves the host alone: what happens there is not measured.
type benchPeer struct {
	*ovstest.OVS
	db *database
}

func peerName(peer int) string { return fmt.Sprintf("p%d", peer) }

// startPeer starts a peer and has it dial in.
func startPeer(ctx context.Context, peer int, target string) (_ *benchPeer, err error) {
	name := peerName(peer)
	p := &benchPeer{}
	if p.OVS, err = ovstest.StartOVS(ctx, ovstest.WithSystemID(name), ovstest.WithHostname(name)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if _, err := p.VSCtl(ctx, "add-br", benchBridge); err != nil {
		return nil, err
	}
	if p.db, err = dialDatabase(p.OVS); err != nil {
		return nil, err
	}
	if err := errors.Join(p.db.expire(), p.db.lock()); err != nil {
		return nil, err
	}
	if err := p.SetManager(ctx, target); err != nil {
		return nil, err
	}
	return p, p.KillVSwitchd(syscall.SIGTERM)
}

// close gives the lock back when there is nothing left to be done with it.
func (p *benchPeer) close() error {
	err := p.Remove()
	if p.db != nil {
		err = errors.Join(err, p.db.close())
	}
	return err
}

// joinOneByOne measures n further tunnels, each of which follows from a VM's
// port that appears on a peer, one after another. It returns in how many
// transactions the measured host got them.
func (o *benchOurs) joinOneByOne(ctx context.Context, n int) (took time.Duration, transactions int, err error) {
	to := span{o.has.gone, o.has.made + n}
	fresh := span{o.has.made, to.made}.tunnels()
	peers, err := o.startPeers(ctx, fresh)
	if err != nil {
		return 0, 0, err
	}
	requests := make([][]byte, n)
	for i, t := range fresh {
		if requests[i], err = plugging(benchBridge, t.net.vif(), t.net.name()); err != nil {
			return 0, 0, err
		}
	}
	if err := rest(ctx); err != nil {
		return 0, 0, err
	}
	before, err := o.transactions()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	for i, t := range fresh {
		if err := peers[t.peer].db.commit(requests[i]); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", peerName(t.peer), err)
		}
	}
	if err := o.waitJoined(ctx, n); err != nil {
		return 0, 0, err
	}
	took = time.Since(start)
	o.has = to
	after, err := o.transactions()
	return took, after - before, errors.Join(err, o.check(ctx, o.has.tunnels()))
}

// startPeers starts the peers to which tunnels lead, and returns when the
// controller knows them.
func (o *benchOurs) startPeers(ctx context.Context, tunnels []tunnel) (map[int]*benchPeer, error) {
	peers := map[int]*benchPeer{}
	var spec strings.Builder
	spec.WriteString("hosts:\n")
	for _, t := range tunnels {
		if peers[t.peer] != nil {
			continue
		}
		p, err := startPeer(ctx, t.peer, o.address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", peerName(t.peer), err)
		}
		o.atEnd(p.close)
		peers[t.peer] = p
		fmt.Fprintf(&spec, "- {name: %s, id: %d, systemID: %s, endpoint: %s}\n", peerName(t.peer), benchHostID+t.peer, peerName(t.peer), t.remote)
	}
	if _, err := o.ctl.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "bench.yaml", Data: spec.String()}}}); err != nil {
		return nil, err
	}
	names := slices.Collect(maps.Keys(peers))
	return peers, o.until(ctx, "peers are connected", func() (bool, error) {
		inv, err := o.ctl.Inventory(ctx, api.InventoryRequest{})
		known := 0
		for _, h := range inv.Hosts {
			if slices.ContainsFunc(names, func(p int) bool { return peerName(p) == h.Name }) {
				known++
			}
		}
		return known == len(names), err
	})
}

// waitJoined waits until n VMs' ports of peers have been reported, and the
// measured host has all that follows from them.
func (o *benchOurs) waitJoined(ctx context.Context, n int) error {
	if err := o.until(ctx, "ports of peers are known", func() (bool, error) {
		inv, err := o.ctl.Inventory(ctx, api.InventoryRequest{})
		known := 0
		for _, h := range inv.Hosts {
			for _, b := range h.Bridges {
				if h.Name != "real" {
					known += len(b.Interfaces)
				}
			}
		}
		return known == n, err
	}); err != nil {
		return err
	}
	return o.until(ctx, "the measured host has its tunnels", func() (bool, error) {
		st, err := o.ctl.Sync(ctx, math.MaxUint64)
		return !slices.ContainsFunc(st.Pending, func(p api.HostPending) bool { return p.Host == "real" }), err
	})
}
