package wire

// Features is what a switch says of itself in the handshake, OpenFlow 1.3.5
// §7.3.1.
type Features struct {
	DPID         uint64 // datapath ID
	Buffers      uint32 // packets that it can hold for us; Open vSwitch says 0
	Tables       uint8  // number of tables
	AuxID        uint8  // 0 for a main connection
	Capabilities uint32 // OFPC_*
}

// DecodeFeatures decodes a features reply.
func DecodeFeatures(m Message) (Features, error) {
	if err := m.expect("features reply", TypeFeaturesReply); err != nil {
		return Features{}, err
	}
	r := newReader("features reply", m.Body)
	f := Features{DPID: r.u64(), Buffers: r.u32(), Tables: r.u8(), AuxID: r.u8()}
	r.skip(2)
	f.Capabilities = r.u32()
	r.skip(4)
	return f, r.end()
}

// Role is a controller's role, OpenFlow 1.3.5 §7.3.9.
type Role struct {
	Role       uint32 // 0 unchanged, 1 equal, 2 master, 3 slave
	Generation uint64 // of the last election
}

// DecodeRole decodes a role reply.
func DecodeRole(m Message) (Role, error) {
	if err := m.expect("role reply", TypeRoleReply); err != nil {
		return Role{}, err
	}
	r := newReader("role reply", m.Body)
	role := Role{Role: r.u32()}
	r.skip(4)
	role.Generation = r.u64()
	return role, r.end()
}

// DecodeBarrierReply checks a barrier reply, which says nothing but its XID.
func DecodeBarrierReply(m Message) error {
	if err := m.expect("barrier reply", TypeBarrierReply); err != nil {
		return err
	}
	return newReader("barrier reply", m.Body).end()
}
