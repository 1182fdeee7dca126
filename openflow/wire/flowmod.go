package wire

import "ovsmesh/openflow/flow"

// DecodeFlowMod decodes a flow-mod message, OpenFlow 1.3.5 §7.3.4.1, such as
// EncodeFlowMod makes: flows that were kept in that form are read back by it.
// Buffer, out-port and out-group are passed over.
func DecodeFlowMod(b []byte) (Mod, error) {
	r := newReader("flow-mod", b)
	if version, typ := r.u8(), Type(r.u8()); r.err == nil && (version != Version || typ != TypeFlowMod) {
		r.fail("version %d, type %d", version, typ)
	}
	if n := int(r.u16()); r.err == nil && n != len(b) {
		r.fail("length %d of %d bytes", n, len(b))
	}
	r.skip(4) // XID
	m := Mod{Flow: &flow.Flow{}}
	m.Flow.Cookie = r.u64()
	r.skip(8) // cookie mask
	m.Flow.Table = r.u8()
	m.Command = Command(r.u8())
	m.Flow.IdleTimeout, m.Flow.HardTimeout = r.u16(), r.u16()
	m.Flow.Priority = r.u16()
	r.skip(4 + 4 + 4) // buffer, out-port, out-group
	m.Flow.Flags = r.u16()
	r.skip(2)
	m.Flow.Match = r.match()
	m.Flow.Actions = r.instructions()
	return m, r.end()
}
