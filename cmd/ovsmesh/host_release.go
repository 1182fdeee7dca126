package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ovsmesh/openflow/ofctl"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

// settleTime is how long ovs-vswitchd may take to do what the database says.
const settleTime = 10 * time.Second

// releaseHost gives everything on this host back, from what is kept in its own
// database, and says what it did. A change of fail_mode and removing the last
// controller flush a bridge's flows, so those of other programs are read before
// and put back after. Where neither happens ours are still there.
func releaseHost(ctx context.Context, h *ofctl.Host) ([]string, error) {
	s, err := ovsdb.Dial(ctx, "unix:"+filepath.Join(h.RunDir(), "db.sock"), ovsdb.Config{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	db := s.DB()
	owner, err := ownerOf(db)
	if err != nil || owner == "" {
		return nil, err
	}
	foreign := map[string][]string{}
	want := plan.Want{Owner: owner, Complete: true}
	for _, b := range db.Bridges {
		if b.ExternalIDs[schema.KeyOwner] != owner {
			continue
		}
		want.Release = append(want.Release, plan.Release{Bridge: b.Name})
		if foreign[b.Name], err = foreignFlows(ctx, h, b.Name); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(want.Release, func(a, b plan.Release) int { return strings.Compare(a.Bridge, b.Bridge) })
	p := plan.Diff(db, want)
	ops := p.Ops(db)
	if len(ops) == 0 {
		return nil, problemsError(p.Problems)
	}
	if err := locked(ctx, s); err != nil {
		return nil, err
	}
	if _, err := s.TransactLocked(ctx, ops...); err != nil {
		return nil, fmt.Errorf("put settings back: %w", err)
	}
	steps := p.Steps()
	after, err := settled(ctx, s)
	if err != nil {
		return steps, err
	}
	for _, bridge := range slices.Sorted(maps.Keys(foreign)) {
		if after.BridgeByName(bridge) == nil {
			continue // ovsmesh had made it
		}
		if err := h.DeleteFlows(ctx, bridge, pipeline.CookieMark, pipeline.CookieMask); err != nil {
			return steps, err
		}
		if len(foreign[bridge]) == 0 {
			continue
		}
		if err := h.AddFlows(ctx, bridge, foreign[bridge]); err != nil {
			return steps, err
		}
		steps = append(steps, fmt.Sprintf("keep %s of other programs on %s", plural(len(foreign[bridge]), "flow"), bridge))
	}
	return steps, problemsError(p.Problems)
}

// locked waits for the lock that the one writer of a host holds. A controller
// that is no longer dialled gives it back when its connection ends.
func locked(ctx context.Context, s *ovsdb.Session) error {
	deadline := time.Now().Add(settleTime)
	for s.Lock() != ovsdb.LockHeld {
		if time.Now().After(deadline) {
			return errors.New("a controller still writes to this host: name it with --controller")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// ownerOf returns the store whose rows are on the host, "" where there are
// none.
func ownerOf(db *schema.DB) (string, error) {
	owners := map[string]bool{}
	for _, b := range db.Bridges {
		owners[b.ExternalIDs[schema.KeyOwner]] = true
	}
	for _, p := range db.Ports {
		owners[p.ExternalIDs[schema.KeyOwner]] = true
	}
	delete(owners, "")
	all := slices.Sorted(maps.Keys(owners))
	switch len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0], nil
	}
	return "", fmt.Errorf("rows of several controllers' stores are on this host (%s): let each controller release its own", strings.Join(all, ", "))
}

// foreignFlows returns the flows of a bridge that are not ovsmesh's.
func foreignFlows(ctx context.Context, h *ofctl.Host, bridge string) ([]string, error) {
	all, err := h.DumpFlows(ctx, bridge)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(line string) bool {
		return pipeline.Owned(cookieOf(line))
	}), nil
}

// settled waits until ovs-vswitchd has done what the database says, and returns
// what that is.
func settled(ctx context.Context, s *ovsdb.Session) (*schema.DB, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		db, err := s.SelectDB(ctx)
		switch {
		case err != nil:
			return nil, fmt.Errorf("wait for ovs-vswitchd: %w", err)
		case db.Open.CurCfg >= db.Open.NextCfg:
			return db, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("ovs-vswitchd does not follow its database: does it run? the database holds what is wanted")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func problemsError(problems []plan.Problem) error {
	var errs []error
	for _, p := range problems {
		errs = append(errs, fmt.Errorf("%s: %s", p.Bridge, p.Text))
	}
	return errors.Join(errs...)
}

// cookieOf reads the cookie of a dumped flow; 0 where it prints none.
func cookieOf(line string) uint64 {
	_, after, found := strings.Cut(line, "cookie=")
	if !found {
		return 0
	}
	text, _, _ := strings.Cut(after, ",")
	cookie, err := strconv.ParseUint(strings.TrimSpace(text), 0, 64)
	if err != nil {
		return 0
	}
	return cookie
}
