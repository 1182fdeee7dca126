package wire

import (
	"encoding/binary"
	"fmt"

	of "github.com/contiv/libOpenflow/openflow13"

	"ovsmesh/openflow/flow"
)

// MultipartExperimenter is the kind of multipart that an experimenter defines,
// here that of flow updates.
const MultipartExperimenter MultipartType = 0xffff

// The flow monitor of OpenFlow 1.4 as ONF has it for 1.3 (EXT-187). Open vSwitch
// has had it for 1.3 since 3.0.
const (
	experimenterFlowMonitor = 1870
	experimenterPaused      = 1871
	experimenterResumed     = 1872
)

// MonitorFlags says what a switch tells of the flows that it watches, and how
// much of each.
type MonitorFlags uint16

// The flags of EXT-187. Without MonitorOwn a switch answers changes that the
// same connection makes by no more than their XID; see UpdateAbbrev.
const (
	MonitorInitial      MonitorFlags = 1 << 0 // the flows that are there, as added ones, under the request's XID
	MonitorAdd          MonitorFlags = 1 << 1
	MonitorDelete       MonitorFlags = 1 << 2
	MonitorModify       MonitorFlags = 1 << 3
	MonitorInstructions MonitorFlags = 1 << 4 // with what the flows do
	MonitorOwn          MonitorFlags = 1 << 5 // our own changes in full, too
)

// EncodeFlowMonitor encodes the request to be told from now on what becomes of
// the flows of all tables. The ID must be one that this connection has given to
// no other monitor.
func EncodeFlowMonitor(xid, id uint32, flags MonitorFlags) ([]byte, error) {
	b := appendHeader(make([]byte, 0, 64), TypeMultipartRequest, xid)
	b = binary.BigEndian.AppendUint16(b, uint16(MultipartExperimenter))
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, experimenterONF)
	b = binary.BigEndian.AppendUint32(b, experimenterFlowMonitor)
	b = binary.BigEndian.AppendUint32(b, id)
	b = binary.BigEndian.AppendUint16(b, uint16(flags))
	b = binary.BigEndian.AppendUint16(b, 0)        // length of the match's fields, which the match has, too
	b = binary.BigEndian.AppendUint32(b, of.P_ANY) // output port
	b = append(b, AllTables, 0, 0, 0)
	b, err := appendMatch(b, nil)
	if err != nil {
		return nil, err
	}
	return setLength("flow monitor request", b, 0)
}

// UpdateEvent is what became of a flow that is watched.
type UpdateEvent uint16

// The events of EXT-187.
const (
	UpdateAdded    UpdateEvent = 0 // it is there now, also in place of one of the same table, priority and match
	UpdateRemoved  UpdateEvent = 1
	UpdateModified UpdateEvent = 2 // its actions, and perhaps its cookie and timeouts, are other ones
	UpdateAbbrev   UpdateEvent = 3 // a change of our own has been made
)

// String returns the event as ovs-ofctl names it.
func (e UpdateEvent) String() string {
	switch e {
	case UpdateAdded:
		return "ADDED"
	case UpdateRemoved:
		return "DELETED"
	case UpdateModified:
		return "MODIFIED"
	case UpdateAbbrev:
		return "ABBREV"
	}
	return fmt.Sprintf("event %d", uint16(e))
}

// FlowUpdate is one change of a flow table.
type FlowUpdate struct {
	Event  UpdateEvent
	Reason FlowReason // of a removal
	XID    uint32     // of our own request that an UpdateAbbrev stands for; of a bundle the first flow-mod that has changed anything

	// Flow is as it is now, or was before it was removed; of that one a switch
	// may leave out the actions. Its flags are never told.
	Flow flow.Flow
}

// updateLen is the length of an update up to its match.
const updateLen = 24

// IsFlowMonitor reports whether the body of a multipart message is about flow
// monitors.
func IsFlowMonitor(p Multipart) bool {
	return p.Type == MultipartExperimenter && len(p.Body) >= 8 &&
		binary.BigEndian.Uint32(p.Body) == experimenterONF && binary.BigEndian.Uint32(p.Body[4:]) == experimenterFlowMonitor
}

// DecodeFlowUpdates decodes the body of one part of a flow monitor's reply, or
// of an update that a switch sends by itself.
func DecodeFlowUpdates(body []byte) ([]FlowUpdate, error) {
	r := newReader("flow update", body)
	if exp, typ := r.u32(), r.u32(); r.err == nil && (exp != experimenterONF || typ != experimenterFlowMonitor) {
		r.fail("experimenter %#x type %d", exp, typ)
	}
	var updates []FlowUpdate
	for r.more() {
		length := int(r.peek16(0))
		if length < 8 || length%8 != 0 {
			r.fail("update of length %d", length)
			break
		}
		e := r.sub(length)
		u := e.flowUpdate()
		if e.err != nil {
			return nil, e.err
		}
		updates = append(updates, u)
	}
	if r.err != nil {
		return nil, r.err
	}
	return updates, nil
}

// flowUpdate takes an update, which is all that is left.
func (r *reader) flowUpdate() FlowUpdate {
	r.skip(2)
	u := FlowUpdate{Event: UpdateEvent(r.u16())}
	switch u.Event {
	case UpdateAbbrev:
		u.XID = r.u32()
		_ = r.end() // sets r.err
		return u
	case UpdateAdded, UpdateRemoved, UpdateModified:
	default:
		r.fail("%v", u.Event)
		return u
	}
	if len(r.b) < updateLen-4 {
		r.fail("update of length %d", len(r.b)+4)
		return u
	}
	u.Reason = FlowReason(r.u16())
	u.Flow.Priority = r.u16()
	u.Flow.IdleTimeout, u.Flow.HardTimeout = r.u16(), r.u16()
	r.skip(2) // length of the match, which follows with its own
	u.Flow.Table = r.u8()
	r.skip(1)
	u.Flow.Cookie = r.u64()
	u.Flow.Match = r.match()
	u.Flow.Actions = r.instructions()
	return u
}

// MonitorState is whether a switch tells of changes as they come.
type MonitorState uint32

// A switch that has more to tell than is read from it pauses. When what it had
// told until then has been read, it tells the state of each flow that has
// changed since, and resumes; changes of a flow in between are not told.
const (
	MonitorPaused  MonitorState = experimenterPaused
	MonitorResumed MonitorState = experimenterResumed
)

// DecodeMonitorState decodes a switch's word that its flow monitors pause or
// resume. It reports false for an experimenter's message about anything else.
func DecodeMonitorState(m Message) (MonitorState, bool) {
	if m.Type != TypeExperimenter || len(m.Body) != 8 || binary.BigEndian.Uint32(m.Body) != experimenterONF {
		return 0, false
	}
	s := MonitorState(binary.BigEndian.Uint32(m.Body[4:]))
	return s, s == MonitorPaused || s == MonitorResumed
}
