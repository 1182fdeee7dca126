package wire

import "ovsmesh/openflow/flow"

const (
	flowStatsLen   = 48  // of a flow-stats record up to its match
	flowStatsUsual = 112 // of a whole one
)

// DecodeFlows decodes the body of one part of a flow-stats reply, OpenFlow
// 1.3.5 §7.3.5.2. Statistics and durations are passed over.
func DecodeFlows(body []byte) ([]flow.Flow, error) {
	r := newReader("flow-stats reply", body)
	flows := make([]flow.Flow, 0, len(body)/flowStatsUsual)
	for r.more() {
		length := int(r.peek16(0))
		if length < flowStatsLen {
			r.fail("record of length %d", length)
			break
		}
		e := r.sub(length)
		f := e.flowStats()
		if e.err != nil {
			return nil, e.err
		}
		flows = append(flows, f)
	}
	if r.err != nil {
		return nil, r.err
	}
	return flows, nil
}

func (r *reader) flowStats() flow.Flow {
	r.skip(2)
	f := flow.Flow{Table: r.u8()}
	r.skip(1 + 4 + 4) // duration
	f.Priority = r.u16()
	f.IdleTimeout, f.HardTimeout = r.u16(), r.u16()
	f.Flags = r.u16()
	r.skip(4)
	f.Cookie = r.u64()
	r.skip(8 + 8) // packets, bytes
	f.Match = r.match()
	f.Actions = r.instructions()
	return f
}

// FlowReason says why a flow was removed.
type FlowReason uint8

// The reasons, OpenFlow 1.3.5 §7.4.2.
const (
	FlowIdle         FlowReason = 0
	FlowHard         FlowReason = 1
	FlowDeleted      FlowReason = 2
	FlowGroupDeleted FlowReason = 3
)

// FlowRemoved says that a flow with the flag SEND_FLOW_REM has gone. The flow
// has no actions and no flags: the message does not carry them.
type FlowRemoved struct {
	Reason FlowReason
	Flow   flow.Flow
}

// DecodeFlowRemoved decodes a flow-removed message.
func DecodeFlowRemoved(m Message) (FlowRemoved, error) {
	if err := m.expect("flow-removed", TypeFlowRemoved); err != nil {
		return FlowRemoved{}, err
	}
	r := newReader("flow-removed", m.Body)
	var f FlowRemoved
	f.Flow.Cookie = r.u64()
	f.Flow.Priority = r.u16()
	f.Reason = FlowReason(r.u8())
	f.Flow.Table = r.u8()
	r.skip(4 + 4) // duration
	f.Flow.IdleTimeout, f.Flow.HardTimeout = r.u16(), r.u16()
	r.skip(8 + 8) // packets, bytes
	f.Flow.Match = r.match()
	return f, r.end()
}
