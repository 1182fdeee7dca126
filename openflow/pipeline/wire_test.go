package pipeline_test

import (
	"net"
	"testing"
	"time"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/ovstest"
)

// connect speaks OpenFlow 1.3 with br0.
func connect(t *testing.T, s *ovstest.Switch) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", s.BridgeSocket("br0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	tell(t, conn)(wire.EncodeHello(1))
	if m, err := wire.ReadMessage(conn); err != nil || m.Type != wire.TypeHello {
		t.Fatalf("%v, %v", m, err)
	}
	return conn
}

// tell sends a message that was just encoded.
func tell(t *testing.T, conn net.Conn) func([]byte, error) {
	return func(b []byte, err error) {
		t.Helper()
		if err == nil {
			_, err = conn.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// parts reads a multipart reply.
func parts(t *testing.T, conn net.Conn, each func([]byte)) {
	t.Helper()
	for {
		m, err := wire.ReadMessage(conn)
		if err != nil || m.Type != wire.TypeMultipartReply {
			t.Fatalf("type %d: %x, %v", m.Type, m.Body, err)
		}
		p, err := wire.DecodeMultipart(m)
		if err != nil {
			t.Fatal(err)
		}
		if each(p.Body); !p.More {
			return
		}
	}
}

// TestSwitchTakesGoldensByWire sends the flows of every golden bridge over
// OpenFlow 1.3 and reads them back the same, so that a second reconciliation
// has nothing to do.
func TestSwitchTakesGoldensByWire(t *testing.T) {
	s := startBridge(t)
	for name, networks := range goldens() {
		conn := connect(t, s)
		want := compiled(t, networks, bases()[name])
		s.OFCtl("del-flows", s.BridgeSocket("br0"))
		for _, f := range want {
			tell(t, conn)(wire.EncodeFlowMod(wire.Mod{Command: wire.Add, Flow: &f}, 2))
		}
		tell(t, conn)(wire.EncodeFlowRequest(3, wire.FlowRequest{Table: wire.AllTables}))
		var got []flow.Flow
		parts(t, conn, func(body []byte) {
			flows, err := wire.DecodeFlows(body)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, flows...)
		})
		if d := flow.Diff(want, got); !d.Empty() {
			t.Errorf("%s is read back otherwise: %v", name, d)
		}
	}
}

// TestSwitchKnowsNoNoFlood holds why learning needs no such flag: what OpenFlow
// 1.0 sets, 1.3 does not show.
func TestSwitchKnowsNoNoFlood(t *testing.T) {
	s := startBridge(t, 1)
	s.OFCtl("-O", "OpenFlow10", "mod-port", s.BridgeSocket("br0"), "1", "no-flood")
	conn := connect(t, s)
	port := func() (one wire.Port) {
		tell(t, conn)(wire.EncodeMultipartRequest(4, wire.MultipartPortDesc))
		parts(t, conn, func(body []byte) {
			ports, err := wire.DecodePorts(body)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range ports {
				if p.No == 1 {
					one = p
				}
			}
		})
		return one
	}
	p := port()
	if p.Name != "p1" || p.Config != 0 {
		t.Errorf("the port is %+v", p)
	}
	tell(t, conn)(wire.EncodePortMod(wire.PortMod{No: 1, HWAddr: [6]byte(p.HWAddr), Config: wire.PortNoFwd, Mask: wire.PortNoFwd}, 5))
	if got := port().Config; got != wire.PortNoFwd {
		t.Errorf("changed to %#x", got)
	}
}
