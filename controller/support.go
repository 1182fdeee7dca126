package controller

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/controller/redact"
	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/topology"
)

// Bounds of a support report.
const (
	supportHost   = 3 * time.Second // for one host to answer
	supportAll    = 12 * time.Second
	supportText   = 2 << 20 // bytes of stacks, and of the heap's profile
	supportEvents = 1000
)

// Support says what a bundle for support needs of the controller and its hosts.
// A host that does not answer is said to be so, and holds up no other for long.
func (c *Controller) Support(ctx context.Context) (api.SupportReport, error) {
	ctx, cancel := context.WithTimeout(ctx, supportAll)
	defer cancel()
	v, err := c.look(ctx)
	if err != nil {
		return api.SupportReport{}, err
	}
	secrets := redact.New(c.cfg.Secrets...)
	st := c.cfg.Store
	r := api.SupportReport{
		Taken: time.Now().UTC().Format(time.RFC3339), Version: c.cfg.Version, Go: fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH), Started: c.started.UTC().Format(time.RFC3339),
		Settings: append([]api.SupportSetting{}, c.cfg.Settings...),
		Store: api.SupportStore{
			ID: st.UUID(), Bytes: st.Size(), Generation: v.gen, Failures: st.Failures(),
			Networks: len(v.networks), Hosts: len(v.hosts), Ports: len(v.ports),
		},
		Hosts: make([]api.SupportHost, 0, len(v.hosts)), Events: c.env.events.newest(supportEvents), Log: []string{},
		Memory: memoryNow(), Goroutines: profile("goroutine"), Heap: profile("heap"),
	}
	if since, err := st.Trouble(); err != nil {
		r.Store.Trouble = fmt.Sprintf("since %s: %v", since.UTC().Format(time.RFC3339), err)
	}
	if c.cfg.Recent != nil {
		for _, line := range c.cfg.Recent() {
			r.Log = append(r.Log, secrets.Text(line))
		}
	}
	for i := range r.Settings {
		r.Settings[i].Value = secrets.Text(r.Settings[i].Value)
	}
	r.Hosts = supportHosts(ctx, v, secrets)
	return r, nil
}

// supportHosts asks hosts for their facts, some at a time.
func supportHosts(ctx context.Context, v *view, secrets *redact.Redactor) []api.SupportHost {
	list := make([]api.SupportHost, len(v.hosts))
	var wg sync.WaitGroup
	slots := make(chan struct{}, auditors)
	for i, now := range v.hosts {
		o := now.hostObject()
		list[i] = api.SupportHost{
			Name: now.rec.Name, Connected: o.Status.Connected, Address: o.Status.Address, OVSVersion: o.Status.OVSVersion,
			Health: o.Status.Health, Problems: []string{}, System: map[string]string{}, Config: map[string]string{},
			Managers: []api.SupportManager{}, Settings: []api.SupportSettingRow{},
		}
		for _, p := range o.Status.Problems {
			list[i].Problems = append(list[i].Problems, secrets.Text(p))
		}
		if now.loop == nil || now.rec.Kind == topology.KindExternal {
			list[i].Missing = "it has never dialled in"
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, supportHost)
			defer cancel()
			// Written by the loop, read here only if the loop says that it is done.
			told := list[i]
			if !now.loop.ask(ctx, func(context.Context) { now.loop.support(ctx, &told, secrets) }) {
				list[i].Missing = "it does not answer in time"
				return
			}
			list[i] = told
		})
	}
	wg.Wait()
	return list
}

// support fills in what the host's database says. It runs on the loop's
// goroutine, no longer than whoever asks waits.
func (h *host) support(ctx context.Context, to *api.SupportHost, secrets *redact.Redactor) {
	if h.att == nil {
		to.Missing = "it is not connected"
		return
	}
	db := h.att.db
	to.System, to.Config = secrets.Map(db.Open.ExternalIDs), secrets.Map(db.Open.OtherConfig)
	to.NextCfg, to.CurCfg = db.Open.NextCfg, db.Open.CurCfg
	for _, name := range slices.Sorted(maps.Keys(h.bridges)) {
		want, got := plan.Settings(db, name, h.env.owner, h.target())
		for _, setting := range slices.Sorted(maps.Keys(got)) {
			to.Settings = append(to.Settings, api.SupportSettingRow{Bridge: name, Setting: setting, Want: want[setting], Got: got[setting]})
		}
	}
	managers, err := h.managers(ctx, secrets)
	if err != nil {
		to.Missing = "its managers: " + err.Error()
		return
	}
	to.Managers = managers
}

// managers reads the rows of table Manager, which are not monitored.
func (h *host) managers(ctx context.Context, secrets *redact.Redactor) ([]api.SupportManager, error) {
	list := []api.SupportManager{}
	results, err := h.att.sess.Select(ctx, ovsdb.Operation{Op: "select", Table: "Manager", Columns: []string{"target", "is_connected", "status"}})
	if err != nil {
		return list, err
	}
	for _, res := range results {
		for _, row := range res.Rows {
			m := api.SupportManager{}
			target, _ := row["target"].(string)
			m.Target = secrets.Text(target)
			m.Connected, _ = row["is_connected"].(bool)
			m.Status = map[string]string{}
			if status, ok := row["status"].(ovsdb.OvsMap); ok {
				for k, v := range status.GoMap {
					m.Status[fmt.Sprint(k)] = fmt.Sprint(v)
				}
			}
			m.Status = secrets.Map(m.Status)
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b api.SupportManager) int { return strings.Compare(a.Target, b.Target) })
	return list, nil
}

// profile returns one of the runtime's profiles as text, cut where it is long.
func profile(name string) string {
	p := pprof.Lookup(name)
	if p == nil {
		return ""
	}
	var b bytes.Buffer
	if err := p.WriteTo(&b, 1); err != nil {
		return err.Error()
	}
	if b.Len() > supportText {
		b.Truncate(supportText)
		b.WriteString("\n… and more\n")
	}
	return b.String()
}

func memoryNow() api.SupportMemory {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return api.SupportMemory{Heap: m.HeapAlloc, System: m.Sys, Goroutines: runtime.NumGoroutine(), GCs: m.NumGC}
}

// newest returns the last events, oldest first. Unlike since it does not count
// as reading: nothing is drawn up for it.
func (s *events) newest(most int) []api.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(most, s.count)
	list := make([]api.Event, 0, n)
	for number := s.last - uint64(n) + 1; number <= s.last; number++ {
		list = append(list, s.ring[number%uint64(len(s.ring))])
	}
	return list
}
