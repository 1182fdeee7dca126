package controller

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"ovsmesh/openflow"
	"ovsmesh/openflow/flow"
	"ovsmesh/ovsdb/plan"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// bridge is one bridge of a host as its loop sees it: which networks want it,
// its OpenFlow session, and the flows of ours that its switch holds.
type bridge struct {
	name string
	nets map[uint32]string // wanted on it: network names by ID

	taking   map[uint32]struct{} // those that take it with the host's own ports in it
	learning map[uint32]struct{} // those of profile learning

	ofPlugin bool      // CloudStack's plugin has had a hand in it: flows that are its own to the last bit are ours
	deaf     time.Time // since when flows keep its tunnels apart; zero: they do not, or need not
	closed   bool      // that has been long enough
	plugin   string    // which of them it had, to be noted when it is taken; see plan.PluginNote

	failMode string // as last seen; a change of it makes the switch drop all flows

	dpid   uint64
	from   netip.Addr // where its session must come from: the host's address
	cancel func()     // takes back the expectation of dpid and from; nil where there is none
	sess   *openflow.Session

	synced    bool                           // installed is what the switch holds
	installed map[uint32][]flow.Flow         // our flows by network ID, 0 for those of no network
	strangers map[flow.Key]struct{}          // keys of others' flows, which ours must not replace
	uses      map[uint32]map[uint32]struct{} // tunnel ports that our flows send to, by network ID
	want      map[uint32]int                 // how many flows it should hold, by network ID
	prepared  map[uint32]difference          // by network ID, for ports that are being made
	dirty     map[uint32]struct{}            // network IDs whose flows may be off
	virgin    bool                           // the switch held none of our flows when they were read
	keeps     bool                           // the store keeps flows of others that must go back
	touched   *openflow.Session              // the one over which the switch has been told to redial soon
	guarded   guarded
	drift     drift
	contests  contests

	established bool // it has been ours since it was wanted: what is off is somebody else's doing

	stage     stage
	releaseBy time.Time // until when an unwanted bridge waits for its session

	problems []string // why it can't be managed, for people
	flowErr  string   // why its flows can't be brought in
	retry    backoff
}

// stage is how far a bridge is on its way to us or back.
//
// A change of fail_mode makes the switch drop all flows, others' too, where it
// has no primary controller. So the way to us is: add our controller, which
// alone drops nothing; read the flows that are there, over its connection;
// only then change fail_mode, with the tunnels in the same transaction; and
// put others' flows back with ours in one bundle. The way back is the same in
// reverse.
type stage int

const (
	stageNew      stage = iota // our controller may be set, others' flows have not been read
	stageKept                  // others' flows are kept: it may be taken
	stageOurs                  // settings and tunnels are in
	stageRestored              // its settings are as they were, our controller still there
	stageCleared               // our flows are gone, others' are back: our controller may go
)

func newBridge(name string) *bridge {
	return &bridge{
		name: name, nets: map[uint32]string{}, taking: map[uint32]struct{}{}, learning: map[uint32]struct{}{},
		installed: map[uint32][]flow.Flow{}, uses: map[uint32]map[uint32]struct{}{}, want: map[uint32]int{}, dirty: map[uint32]struct{}{}, prepared: map[uint32]difference{},
	}
}

func (b *bridge) join(n *topology.NetworkView) {
	b.nets[n.ID] = n.Name
	b.dirty[n.ID] = struct{}{}
	b.note(b.taking, n.ID, n.TakeBridge)
	b.note(b.learning, n.ID, n.Learning)
	b.relearn()
	if b.stage == stageRestored || b.stage == stageCleared {
		b.stage = stageNew
		b.synced = false
	}
}

// mayRelease reports whether an unwanted bridge can go a step back: others'
// flows are kept, or its switch can't be reached and has had its time.
func (b *bridge) mayRelease() bool {
	if b.sess != nil {
		return b.kept()
	}
	return !time.Now().Before(b.releaseBy)
}

func (b *bridge) leave(id uint32) {
	delete(b.nets, id)
	b.dirty[id] = struct{}{}
	b.note(b.taking, id, false)
	b.note(b.learning, id, false)
	b.relearn()
}

// relearn looks at what follows from whether a learning network is alone.
func (b *bridge) relearn() {
	for id := range b.learning {
		b.dirty[id], b.dirty[0] = struct{}{}, struct{}{}
	}
}

// crowded reports whether a network of profile learning is on the bridge with
// others. NORMAL knows no networks, so it can't be there.
func (b *bridge) crowded() bool { return len(b.learning) > 0 && len(b.nets) > 1 }

// note puts a network into a set of them, or takes it out, and looks at the
// flows that follow from the set.
func (b *bridge) note(set map[uint32]struct{}, id uint32, in bool) {
	if _, was := set[id]; was == in {
		return
	}
	if b.dirty[0] = struct{}{}; in {
		set[id] = struct{}{}
	} else {
		delete(set, id)
	}
}

// takes reports whether the bridge may hold ports of the host itself, which
// then stay connected among themselves; see plan.Taken.
func (b *bridge) takes() bool { return len(b.taking) > 0 }

func (b *bridge) wanted() bool { return len(b.nets) > 0 }

// kept reports whether a bridge may be taken or released as far as others'
// flows go: they have been read, or have been put back already.
func (b *bridge) kept() bool { return b.stage != stageNew && b.stage != stageOurs }

// lose forgets the session and with it what is known of the switch's tables.
func (b *bridge) lose() {
	b.sess = nil
	b.synced = false
	if b.stage == stageKept {
		b.stage = stageNew
	}
}

// count returns how many flows of ours the switch holds, as far as is known.
func (b *bridge) count() int {
	n := 0
	for _, fs := range b.installed {
		n += len(fs)
	}
	return n
}

func (h *host) bridge(name string) *bridge {
	b := h.bridges[name]
	if b == nil {
		b = newBridge(name)
		h.bridges[name] = b
	}
	return b
}

// owned reports whether a Bridge row carries our mark.
func (h *host) owned(r *schema.Bridge) bool {
	return r != nil && r.ExternalIDs[schema.KeyOwner] == h.env.owner
}

// taken reports whether a bridge is wholly ours and forwards by our flows alone.
func (h *host) taken(r *schema.Bridge) bool { return plan.Taken(r, h.env.owner) }

// conceded reports whether a bridge is ours save for its fail_mode, which stays as
// somebody else wants it for the moment: its flows must be right all the more.
func (h *host) conceded(b *bridge, r *schema.Bridge) bool {
	return b.stage == stageOurs && h.owned(r) && !h.taken(r) && b.contests.leaves("fail_mode", time.Now())
}

// standalone reports whether the switch puts a flow of its own under ours, which
// forwards by NORMAL; see plan.Taken. It also does where somebody has changed
// fail_mode and that has not been put right yet.
func (h *host) standalone(b *bridge) bool {
	r := h.att.db.BridgeByName(b.name)
	return b.takes() || r != nil && r.FailMode != "secure"
}

// dirtyTunnels notes that the tunnels of a bridge's networks may be off, those
// that they share too.
func (h *host) dirtyTunnels(b *bridge) {
	for _, name := range b.nets {
		h.dirty[name] = struct{}{}
		if c := h.carrierOf(h.on[name]); c != "" {
			h.dirty[c] = struct{}{}
		}
	}
}

// surveyBridges makes h.bridges hold every bridge that is wanted or marked as
// ours, and each one's stage what the database says.
func (h *host) surveyBridges() {
	for _, r := range h.att.db.Bridges {
		if h.owned(r) {
			h.bridge(r.Name)
		}
	}
	for name, b := range h.bridges {
		r := h.att.db.BridgeByName(name)
		if !b.wanted() && !h.owned(r) {
			h.dropBridge(b)
			continue
		}
		h.expect(b, r)
		h.surveyPlugin(b, r)
		if r != nil && r.FailMode != b.failMode {
			b.failMode = r.FailMode
			b.synced = false
			b.drift.settled = nil // the switch drops all flows
			if b.established && !h.settling.active() {
				b.drift.flushed = time.Now().Add(settleLimit) // nobody tells when
			}
		}
		if b.wanted() {
			b.releaseBy = time.Time{}
		} else if b.releaseBy.IsZero() {
			b.releaseBy = time.Now().Add(leaveGrace)
		}
		switch {
		case !b.wanted():
			b.established = false
			h.dropContests(b)
		case h.conceded(b, r):
		case h.taken(r) && b.stage != stageOurs:
			b.stage, b.established = stageOurs, true
			b.synced = false  // a change of fail_mode has dropped all flows
			h.dirtyTunnels(b) // which may have been held back
		case h.taken(r):
		case b.stage == stageOurs:
			b.stage = stageNew // somebody changed it back: its flows are no longer known
			b.synced = false
		}
	}
}

// expect tells the OpenFlow side which datapath to look out for.
func (h *host) expect(b *bridge, r *schema.Bridge) {
	var dpid uint64
	if h.owned(r) {
		dpid = datapath(r)
	}
	from := h.att.sess.RemoteAddr().Addr()
	if dpid == b.dpid && from == b.from {
		return
	}
	if b.cancel != nil {
		b.cancel()
		b.cancel = nil
	}
	b.dpid, b.from = dpid, from
	if dpid == 0 {
		return
	}
	h.health.awaits(b.name)
	b.cancel = h.env.switches.Expect(dpid, from, func(s *openflow.Session) {
		h.arrivals.put(b.name, s)
		h.wake()
	})
}

// datapath returns a bridge's datapath ID, 0 where it has none yet.
func datapath(r *schema.Bridge) uint64 {
	dpid, err := strconv.ParseUint(r.DatapathID, 16, 64)
	if err != nil {
		return 0
	}
	return dpid
}

func (h *host) dropBridge(b *bridge) {
	if b.cancel != nil {
		b.cancel()
	}
	if b.sess != nil {
		b.sess.Close()
	}
	h.dropContests(b)
	delete(h.bridges, b.name)
	h.status.dropBridge(b.name)
	h.health.drops(b.name)
}

func (h *host) closeBridges() {
	for _, a := range h.arrivals.take() {
		a.sess.Close()
	}
	for _, b := range h.bridges {
		h.dropBridge(b)
	}
}

// takeSwitches takes over OpenFlow sessions that came and lets go of those
// that ended.
func (h *host) takeSwitches() {
	for _, a := range h.arrivals.take() {
		b := h.bridges[a.bridge]
		if b == nil || b.dpid != a.sess.DPID() {
			a.sess.Close()
			continue
		}
		if b.sess == a.sess {
			continue // expected anew, and still the one
		}
		if b.sess != nil {
			b.sess.Close()
		}
		b.lose()
		b.sess = a.sess
		b.retry, b.flowErr = backoff{}, "" // what went wrong did so on the former session
		h.watch(a.sess)
		h.health.dialled(b.name, a.sess)
		h.log.Info("bridge connected", zap.String("bridge", b.name), zap.Stringer("from", a.sess.RemoteAddr()))
	}
	for _, b := range h.bridges {
		if b.sess == nil {
			continue
		}
		select {
		case <-b.sess.Done():
			h.log.Info("bridge disconnected", zap.String("bridge", b.name), zap.Error(b.sess.Err()))
			h.health.lost(b.name, b.sess.Err())
			b.lose()
		default:
			b.sess.Take() // ports come and go by the database, which also says whose they are
		}
	}
}

// arrivals are OpenFlow sessions on their way to the loop.
type arrivals struct {
	mu   sync.Mutex
	list []arrival
}

type arrival struct {
	bridge string
	sess   *openflow.Session
}

func (a *arrivals) put(bridge string, s *openflow.Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, arrival{bridge, s})
}

func (a *arrivals) take() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}
