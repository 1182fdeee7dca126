package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/verify"
	"ovsmesh/topology"
)

// verifiers bounds how many requests may hold what they have read of switches,
// see maxVerifyFlows. Others wait.
const verifiers = 1

// Verify holds networks against what their options promise: each by a gate's look
// at its flows on every bridge, and by frames that are followed through all of
// its hosts. A network costs what belongs to it, however many others there are.
//
// What changes while it is looked at does not fit together; so a network in which
// something seems to be wrong is looked at again.
func (c *Controller) Verify(ctx context.Context, r api.VerifyRequest) (api.VerifyReport, error) {
	v := &verifier{ctx: ctx, hub: c.hub, request: r, silent: map[string]string{}, tables: map[verifySite]*verifyTable{}}
	v.report = api.VerifyReport{OK: true, Complete: true, Tables: api.TraceWant, Violations: []api.Violation{}, Unseen: []verify.Unseen{}}
	if r.Got {
		v.report.Tables = api.TraceGot
		select {
		case c.verifying <- struct{}{}:
			defer func() { <-c.verifying }()
		case <-ctx.Done():
			return api.VerifyReport{}, ctx.Err()
		}
	}
	names, err := c.hub.networksToVerify(ctx, r)
	if err != nil {
		return api.VerifyReport{}, err
	}
	v.report.Networks = len(names)
	at, found := slices.BinarySearch(names, r.After)
	if found {
		at++
	}
	rest := names[at:]
	if r.Limit > 0 && len(rest) > r.Limit {
		rest = rest[:r.Limit]
		v.report.Next = rest[len(rest)-1]
	}
	for _, name := range rest {
		if err := ctx.Err(); err != nil {
			return api.VerifyReport{}, err
		}
		if err := v.network(name); err != nil {
			return api.VerifyReport{}, err
		}
	}
	verify.Sort(v.report.Violations)
	slices.SortFunc(v.report.Unseen, func(a, b verify.Unseen) int {
		return strings.Compare(a.Host+" "+a.Bridge+" "+a.Reason, b.Host+" "+b.Bridge+" "+b.Reason)
	})
	v.report.Unseen = slices.Compact(v.report.Unseen)
	v.report.OK, v.report.Complete = len(v.report.Violations) == 0, len(v.report.Unseen) == 0
	return v.report, nil
}

// networksToVerify returns the names of the networks that a request is about,
// sorted.
func (h *hub) networksToVerify(ctx context.Context, r api.VerifyRequest) (names []string, err error) {
	var wrong error
	err = h.do(ctx, func() {
		if _, ok := h.intent.Network(r.Network); r.Network != "" && !ok {
			wrong = fmt.Errorf("network %q: %w", r.Network, topology.ErrNotFound)
			return
		}
		if _, ok := h.intent.Host(r.Host); r.Host != "" && !ok {
			wrong = fmt.Errorf("host %q: %w", r.Host, topology.ErrNotFound)
			return
		}
		switch {
		case r.Network != "" && (r.Host == "" || h.mesh.View(r.Host, r.Network) != nil):
			names = []string{r.Network}
		case r.Network != "":
		case r.Host != "":
			for _, u := range h.mesh.Views(r.Host) {
				names = append(names, u.Network)
			}
		default:
			for _, n := range h.intent.Networks() {
				names = append(names, n.Name)
			}
		}
	})
	if err == nil {
		err = wrong
	}
	slices.Sort(names)
	return names, err
}

// verifier is one request under way. Of each host that does not answer it
// remembers that, and asks no further.
type verifier struct {
	ctx     context.Context
	hub     *hub
	request api.VerifyRequest
	silent  map[string]string           // why a host can't be looked at
	tables  map[verifySite]*verifyTable // that were read, of all networks
	held    int                         // flows in tables
	again   int                         // looks that were not the first at a network
	report  api.VerifyReport
}

type verifySite struct{ host, bridge string }

// looksAgain is how often a network is looked at that changes meanwhile or in
// which something is wrong, and looksApart the time between.
// Where much is wrong no more than looksInAll are made for it.
const (
	looksAgain = 3
	looksApart = 200 * time.Millisecond
	looksInAll = 20
)

// forget makes the bridges of a network be read again.
func (v *verifier) forget(m *verifyMesh) {
	for host, s := range m.sides {
		at := verifySite{host, s.bridge.Name}
		if t := v.tables[at]; t != nil {
			v.held -= len(t.flows)
			delete(v.tables, at)
		}
	}
}

func (v *verifier) network(name string) error {
	var found verifyFound
	for look := range looksAgain {
		if look > 0 {
			select {
			case <-v.ctx.Done():
				return v.ctx.Err()
			case <-time.After(looksApart):
			}
			v.again++
		}
		m, err := v.members(name)
		if err != nil {
			return err
		}
		if m == nil {
			return nil // it has gone
		}
		found = m.check(v)
		if !found.moved && (len(found.violations) == 0 || v.again >= looksInAll) {
			break
		}
		v.forget(m)
	}
	if found.moved {
		found.unseen = append(found.unseen, verify.Unseen{Reason: "network " + name + " keeps changing while it is looked at"})
		found.violations = nil
	}
	r := &v.report
	r.Checked.Networks++
	r.Checked.Bridges += found.bridges
	r.Checked.Flows += found.flows
	r.Checked.Frames += found.frames
	r.Violations = append(r.Violations, found.violations...)
	r.Omitted += found.omitted
	r.Unseen = append(r.Unseen, found.unseen...)
	return nil
}

// verifyFound is what one look at a network has found.
type verifyFound struct {
	moved                  bool // something changed meanwhile
	bridges, flows, frames int
	violations             []api.Violation
	omitted                int
	unseen                 []verify.Unseen
}

// verifyMesh is a network with what its hosts have told.
type verifyMesh struct {
	net   *topology.NetworkView
	on    map[string]*topology.OnHost
	loops map[string]*host
	sides map[string]*verifySide // by host
}

// members asks the hub for a network, nil if there is none, and the loops of its
// hosts for what they know.
func (v *verifier) members(name string) (*verifyMesh, error) {
	m := &verifyMesh{on: map[string]*topology.OnHost{}, loops: map[string]*host{}, sides: map[string]*verifySide{}}
	err := v.hub.do(v.ctx, func() {
		if m.net = v.hub.mesh.Network(name); m.net == nil {
			return
		}
		for i := range m.net.Members {
			host := m.net.Members[i].Host
			m.on[host], m.loops[host] = v.hub.mesh.View(host, name), v.hub.hosts[host]
		}
	})
	if err != nil || m.net == nil {
		return nil, err
	}
	for i := range m.net.Members {
		if member := &m.net.Members[i]; !member.External {
			m.sides[member.Host] = v.ask(member.Host, m)
		}
	}
	return m, nil
}

// ask has a host's loop tell what it knows.
func (v *verifier) ask(name string, m *verifyMesh) *verifySide {
	s := &verifySide{why: v.silent[name]}
	loop := m.loops[name]
	switch {
	case s.why != "":
		return s
	case loop == nil:
		s.why = "it has never dialled in"
		return s
	}
	ctx, cancel := context.WithTimeout(v.ctx, callTimeout)
	defer cancel()
	told := &verifySide{} // written by the loop, read here only if the loop says that it is done
	if !loop.ask(ctx, func(context.Context) { told.look(loop, m.on[name], v.request.Got) }) {
		s.why = (&hostAudit{loop: loop}).busy()
		v.silent[name] = s.why
		return s
	}
	return told
}
