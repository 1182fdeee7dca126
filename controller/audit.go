package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/topology"
)

// auditors bounds how many hosts are looked at at the same time, by all audits
// that are under way: each holds the whole of its database and its flow tables
// in memory.
const auditors = 16

// Audit reads rows and flows back from the switches now and compares them with
// what is wanted; with Repair it has the hosts mend what is off, and looks
// again. A host that can't be looked at makes the report incomplete, and holds
// up no other.
func (c *Controller) Audit(ctx context.Context, r api.AuditRequest) (api.AuditReport, error) {
	v, err := c.look(ctx)
	if err != nil {
		return api.AuditReport{}, err
	}
	if r.Network != "" && !v.hasNetwork(r.Network) {
		return api.AuditReport{}, fmt.Errorf("network %q: %w", r.Network, topology.ErrNotFound)
	}
	var (
		wg    sync.WaitGroup
		looks []*hostAudit
		found = r.Host == ""
	)
	for _, now := range v.hosts {
		if r.Host != "" && now.rec.Name != r.Host {
			continue
		}
		found = true
		if now.left || now.rec.Kind == topology.KindExternal || r.Network != "" && !slices.Contains(now.networks, r.Network) {
			continue
		}
		a := &hostAudit{request: r, host: now.rec.Name, loop: now.loop, slots: c.auditing}
		looks = append(looks, a)
		wg.Go(func() { a.run(ctx) })
	}
	wg.Wait()
	if !found {
		return api.AuditReport{}, fmt.Errorf("host %q: %w", r.Host, topology.ErrNotFound)
	}
	return joinAudits(looks, r), nil
}

func joinAudits(looks []*hostAudit, r api.AuditRequest) api.AuditReport {
	var checked audit.Checked
	var findings []audit.Finding
	var repairs []audit.Repair
	for _, a := range looks {
		checked.Hosts += a.checked.Hosts
		checked.Bridges += a.checked.Bridges
		checked.Tunnels += a.checked.Tunnels
		checked.Flows += a.checked.Flows
		findings = append(findings, a.findings...)
		repairs = append(repairs, a.repairs...)
	}
	report := audit.NewReport(checked, findings)
	report.Repairs, report.DryRun = repairs, r.Repair && r.DryRun
	return report
}

// hostAudit is the audit of one host: one look, or one on either side of a
// repair. It is owned by one goroutine.
type hostAudit struct {
	request api.AuditRequest
	host    string
	loop    *host // nil of one that has never dialled in
	slots   chan struct{}

	checked  audit.Checked
	findings []audit.Finding
	repairs  []audit.Repair
}

func (a *hostAudit) unreachable(why string) {
	a.findings = append(a.findings, audit.UnreachableHostFinding(a.host, why))
}

func (a *hostAudit) run(ctx context.Context) {
	if a.loop == nil {
		a.unreachable("it has never dialled in")
		return
	}
	l, ok := a.look(ctx)
	a.findings = append(a.findings, l.findings...)
	a.checked = l.checked
	switch {
	case !ok || !a.request.Repair:
	case a.request.DryRun:
		a.repairs = l.repairs
	default:
		a.repair(ctx)
	}
}

// look looks at the host once. It reports whether it could.
func (a *hostAudit) look(ctx context.Context) (hostLook, bool) {
	l := hostLook{request: a.request, host: a.host}
	silent, why := a.probe(ctx)
	if why != "" {
		l.unreachable(why)
		return l, false
	}
	l.silent = silent
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		l.unreachable(ctx.Err().Error())
		return l, false
	}
	ran := l // written by the loop, read here only if the loop says that it is done
	if !a.loop.ask(ctx, func(ctx context.Context) { ran.run(ctx, a.loop) }) {
		l.unreachable(a.busy())
		return l, false
	}
	return ran, true
}

// busy says what the host's loop is at.
func (a *hostAudit) busy() string {
	a.loop.status.mu.Lock()
	defer a.loop.status.mu.Unlock()
	if why := a.loop.status.waiting; why != "" {
		return "it does not answer in time: it waits for " + why
	}
	return "it does not answer in time"
}
