package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
)

// hostLook is one look at a host. It runs on the host's loop, so that what is
// wanted can't change meanwhile.
type hostLook struct {
	request api.AuditRequest
	host    string
	silent  map[string]string // bridges whose switches do not answer, and why

	checked  audit.Checked
	findings []audit.Finding
	repairs  []audit.Repair // that would be made; only where it rehearses
}

// rehearses reports whether to tell what a repair would do.
func (l *hostLook) rehearses() bool { return l.request.Repair && l.request.DryRun }

func (l *hostLook) unreachable(why string) {
	l.findings = append(l.findings, audit.UnreachableHostFinding(l.host, why))
}

func (l *hostLook) run(ctx context.Context, h *host) {
	if h.att == nil {
		l.unreachable("it is not connected")
		return
	}
	ctxDB, cancel := context.WithTimeout(ctx, callTimeout)
	db, err := h.att.sess.SelectDB(ctxDB)
	cancel()
	if err != nil {
		l.unreachable(err.Error())
		return
	}
	// What is wanted follows from the host's own rows, too: ports' numbers
	// and names. All of the look is made with those read just now.
	monitored := h.att.db
	h.att.db = db
	defer func() { h.att.db = monitored }()
	l.checked.Hosts++
	l.tunnels(h, db)
	if l.rehearses() {
		if rows := l.rows(h); len(rows) > 0 {
			l.repairs = append(l.repairs, audit.Repair{Host: l.host, Rows: rows, Flows: []string{}})
		}
	}
	failed := map[string][]string{} // bridges by why they could not be looked at
	for _, name := range slices.Sorted(maps.Keys(h.bridges)) {
		b := h.bridges[name]
		id, on := onBridge(h, b, l.request.Network)
		if !on {
			continue
		}
		if id == 0 {
			l.settings(h, db, b)
		}
		if why := l.bridge(ctx, h, db, b, id); why != "" {
			failed[why] = append(failed[why], name)
		}
	}
	for i := range l.findings {
		if f := &l.findings[i]; f.Note == "" {
			f.Note = h.obstacle(f)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(failed)) {
		l.unreachable(bridgesText(failed[why]) + ": " + why)
	}
}

// obstacle says what is in the way of what a finding misses, as far as the loop
// has met it; "" where nothing is known.
func (h *host) obstacle(f *audit.Finding) string {
	var texts []string
	b := h.bridges[f.Bridge]
	if b != nil {
		texts = append(texts, b.problems...)
	}
	switch on := h.on[f.Network]; f.Kind {
	case audit.MissingTunnel, audit.ChangedTunnel, audit.UnexpectedTunnel:
		texts = append(texts, h.rowErrors[f.Network]...)
	case audit.MissingFlow, audit.ChangedFlow, audit.MisplacedFlow, audit.UnexpectedFlow:
		if b != nil && b.flowErr != "" {
			texts = append(texts, b.flowErr)
		}
		if b != nil && on != nil && b.guarded.refused[on.Net.ID] != "" {
			texts = append(texts, b.guarded.refused[on.Net.ID])
		}
	case audit.WrongBridgeSetting:
		if setting, _, _ := strings.Cut(f.Want, "="); b != nil && b.contests.insisted(plan.SettingOf(setting)) {
			texts = append(texts, "another program insists on it, so it is put right no more often than every "+rest(plan.SettingOf(setting)).String()+
				": find that program on this host and stop it")
		}
	case audit.ShadowedFlow, audit.ForeignFlow, audit.TunnelError:
		return ""
	}
	return strings.Join(texts, "; ")
}

// bridgesShown is how many bridges of a host are named that can't be looked at.
const bridgesShown = 5

func bridgesText(names []string) string {
	if len(names) == 1 {
		return "bridge " + names[0]
	}
	text := "bridges " + strings.Join(names[:min(len(names), bridgesShown)], ", ")
	if more := len(names) - bridgesShown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// rows returns what a transaction of a repair would change on the host, in words.
func (l *hostLook) rows(h *host) []string {
	complete := h.complete
	h.complete = true
	defer func() { h.complete = complete }()
	p, _ := h.plan(true)
	return p.Steps()
}

// bridge looks at a bridge's flows, those of one network where only is not 0.
// It returns why it could not, "" if it could.
func (l *hostLook) bridge(ctx context.Context, h *host, db *schema.DB, b *bridge, only uint32) string {
	if b.sess == nil {
		return "not connected over OpenFlow"
	}
	if why := l.silent[b.name]; why != "" {
		return why
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var (
		wg  sync.WaitGroup
		got []flow.Flow
		err error
	)
	wg.Go(func() { got, err = b.sess.Flows(ctx) })
	want, why := l.want(h, b, only) // while the switch is at it
	wg.Wait()
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			for name := range h.bridges { // one switch serves them all
				if l.silent[name] == "" {
					l.silent[name] = "not asked, as the same switch has not answered for bridge " + b.name
				}
			}
		}
		return err.Error()
	}
	if why == "" {
		l.differences(h, db, b, only, want, got)
	}
	return why
}

// compare compares the flows that a bridge has been found to hold with those
// that it should, of one network where only is not 0. It returns why it could
// not, "" if it could.
func (l *hostLook) compare(h *host, db *schema.DB, b *bridge, only uint32, got []flow.Flow) string {
	want, why := l.want(h, b, only)
	if why == "" {
		l.differences(h, db, b, only, want, got)
	}
	return why
}

// bridgeWant is the flows that a bridge should hold.
type bridgeWant struct {
	asked []flow.Flow         // of the networks that the request is for
	all   []flow.Flow         // of a rehearsal, as a repair asks for no single network: of all, save
	stays map[uint32]struct{} // those that would be refused
}

// want works out what a bridge should hold. It returns why it could not, "" if
// it could.
func (l *hostLook) want(h *host, b *bridge, only uint32) (w bridgeWant, why string) {
	ids := map[uint32]bool{only: true}
	if only == 0 {
		for id := range b.nets {
			ids[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.wantIDs())) {
		if !ids[id] && !l.rehearses() {
			continue
		}
		want, err := h.wanted(b, id)
		if err != nil {
			return bridgeWant{}, err.Error()
		}
		if ids[id] {
			w.asked = append(w.asked, want...)
		}
		switch {
		case !l.rehearses():
		case id != 0 && h.judge(b, id, want, false) != "":
			if w.stays == nil {
				w.stays = map[uint32]struct{}{}
			}
			w.stays[id] = struct{}{}
		default:
			w.all = append(w.all, want...)
		}
	}
	return w, ""
}

// differences notes what is to be said of a bridge, and of a rehearsal what
// would be sent to it.
func (l *hostLook) differences(h *host, db *schema.DB, b *bridge, only uint32, want bridgeWant, got []flow.Flow) {
	l.checked.Bridges++
	l.checked.Flows += len(want.asked)
	if l.rehearses() {
		if lines := b.bundleText(want, got); len(lines) > 0 {
			l.repairs = append(l.repairs, audit.Repair{Host: l.host, Bridge: b.name, Rows: []string{}, Flows: lines})
		}
	}
	if only != 0 {
		got = slices.DeleteFunc(got, func(f flow.Flow) bool {
			return pipeline.Owned(f.Cookie) && pipeline.NetworkOf(f.Cookie) != only
		})
	}
	for i := range got {
		if f := &got[i]; !pipeline.Owned(f.Cookie) {
			f.Actions = wire.Words(f.Actions) // they are only shown
		}
	}
	l.findings = append(l.findings, audit.Flows(audit.Bridge{
		Host: l.host, Name: b.name, Foreign: l.request.Foreign, Want: want.asked, Got: got,
		Network: func(id uint32) string { return b.nets[id] },
		Port:    h.portNames(db, b),
		MAC:     h.macNames(b),
	})...)
}

// wantIDs returns the IDs of the networks that are wanted on a bridge, with 0
// for what belongs to none.
func (b *bridge) wantIDs() map[uint32]bool {
	ids := map[uint32]bool{0: true}
	for id := range b.nets {
		ids[id] = true
	}
	return ids
}

// wanted returns the flows of one network that a bridge should hold, until its
// ports have been made those that it was last given.
func (h *host) wanted(b *bridge, id uint32) ([]flow.Flow, error) {
	want, ok, err := h.compile(b, id)
	if err == nil && !ok {
		want = b.installed[id]
	}
	return want, err
}

// bundleText returns the flow-mods by which a repair makes what is wanted of what
// is ours of got. What has been left to another program is taken back.
func (b *bridge) bundleText(want bridgeWant, got []flow.Flow) []string {
	var ours []flow.Flow
	strangers := map[flow.Key]struct{}{}
	for _, f := range got {
		switch {
		case !pipeline.Owned(f.Cookie):
			if !b.drift.fights.concedes(f.Key()) {
				strangers[f.Key()] = struct{}{}
			}
		default:
			if _, stays := want.stays[pipeline.NetworkOf(f.Cookie)]; !stays {
				ours = append(ours, f)
			}
		}
	}
	return modTexts(appendDelta(nil, flow.Diff(want.all, ours), strangers))
}

// modTexts prints flow-mods, "+ " those that put a flow in and "- " those that
// take one out.
func modTexts(mods []wire.Mod) []string {
	lines := make([]string, 0, len(mods))
	for _, m := range mods {
		mark := "+ "
		if m.Command == wire.DeleteStrict {
			mark = "- "
		}
		lines = append(lines, mark+m.Flow.String())
	}
	return lines
}
