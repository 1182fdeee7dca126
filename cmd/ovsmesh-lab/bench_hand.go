package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
	"ovsmesh/ovsdb/ovstest"
)

// hand writes to one switch by hand: bytes that were encoded beforehand, over
// one plain connection to its database and one to its bridge. It looks at
// nothing but what tells that a thing is done: cur_cfg, ports' numbers, and
// the answer to a bundle.
type hand struct {
	db      net.Conn
	replies *json.Decoder // of db
	cfg     int64         // Open_vSwitch.cur_cfg
	ports   int           // that got a number since the last transaction
	of      net.Conn
	xid     uint32
}

// newHand connects to a switch and to the measured bridge on it.
func newHand(ovs *ovstest.OVS) (_ *hand, err error) {
	h := &hand{}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.db, err = net.Dial("unix", ovs.DBSocket()); err != nil {
		return nil, err
	}
	h.replies = json.NewDecoder(h.db)
	if h.of, err = net.Dial("unix", ovs.BridgeSocket(benchBridge)); err != nil {
		return nil, err
	}
	if err := cmp.Or(h.expire(), h.monitor()); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	hello, err := wire.EncodeHello(0)
	if err != nil {
		return nil, err
	}
	_, err = h.of.Write(hello)
	return h, err
}

// expire bounds all that follows until it is called again.
func (h *hand) expire() error {
	at := time.Now().Add(benchWait)
	return errors.Join(h.db.SetDeadline(at), h.of.SetDeadline(at))
}

// dbMessage is what ovsdb-server sends, RFC 7047 §4.1: a reply or an update of
// the one monitor.
type dbMessage struct {
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Params json.RawMessage `json:"params"`
}

// monitored is the rows in a monitor's reply or update.
type monitored struct {
	Open map[string]struct {
		New struct {
			CurCfg int64 `json:"cur_cfg"`
		} `json:"new"`
	} `json:"Open_vSwitch"`
	Interfaces map[string]struct {
		New struct {
			OFPort json.RawMessage `json:"ofport"` // a number, or ["set",[]]
		} `json:"new"`
	} `json:"Interface"`
}

// monitor asks for cur_cfg and ofport and for nothing else: who sends flows
// must know which numbers the ports have got.
func (h *hand) monitor() error {
	request, err := json.Marshal(object{"id": 0, "method": "monitor", "params": []any{
		"Open_vSwitch", "bench", object{
			"Open_vSwitch": object{"columns": []string{"cur_cfg"}},
			"Interface":    object{"columns": []string{"ofport"}}}}})
	if err != nil {
		return err
	}
	reply, err := h.call(request)
	if err != nil {
		return err
	}
	return h.observe(reply.Result)
}

// catchUp takes all that the database has sent by now.
func (h *hand) catchUp() error {
	_, err := h.call([]byte(`{"id":0,"method":"echo","params":[]}`))
	return err
}

// transact writes a transaction that adds n ports and raises next_cfg by one,
// and returns when ovs-vswitchd has carried it out.
func (h *hand) transact(request []byte, n int) error {
	target := h.cfg + 1
	h.ports = 0
	reply, err := h.call(request)
	if err != nil {
		return err
	}
	// Results of what was done are UUIDs and counts; there is no need to take
	// thousands of them apart.
	if bytes.Contains(reply.Result, []byte(`"error"`)) {
		return fmt.Errorf("refused: %s", reply.Result)
	}
	for h.cfg < target {
		if _, err := h.message(); err != nil {
			return err
		}
	}
	if h.ports < n {
		return fmt.Errorf("%d ports of %d have a number", h.ports, n)
	}
	return nil
}

// call writes a request and returns its reply.
func (h *hand) call(request []byte) (dbMessage, error) {
	if _, err := h.db.Write(request); err != nil {
		return dbMessage{}, err
	}
	for {
		m, err := h.message()
		if err != nil || m.Method == "" {
			return m, err
		}
	}
}

// message reads the next message and takes in what it says if it is an
// update.
func (h *hand) message() (m dbMessage, err error) {
	if err := h.replies.Decode(&m); err != nil {
		return m, err
	}
	if m.Method != "update" {
		return m, nil
	}
	var params [2]json.RawMessage
	if err := json.Unmarshal(m.Params, &params); err != nil {
		return m, err
	}
	return m, h.observe(params[1])
}

// observe takes cur_cfg out of a monitor's reply or update, and counts the
// ports that have got their numbers.
func (h *hand) observe(raw json.RawMessage) error {
	var u monitored
	if err := json.Unmarshal(raw, &u); err != nil {
		return err
	}
	for _, row := range u.Open {
		h.cfg = row.New.CurCfg
	}
	for _, row := range u.Interfaces {
		if n, err := strconv.Atoi(string(row.New.OFPort)); err == nil && n > 0 {
			h.ports++
		}
	}
	return nil
}

// put does what adds n ports: rows first, then the flows that need their
// numbers.
func (h *hand) put(rows []byte, n int, flows []byte) error {
	if n > 0 {
		if err := h.transact(rows, n); err != nil {
			return fmt.Errorf("transact: %w", err)
		}
	}
	if err := h.send(flows); err != nil {
		return fmt.Errorf("flows: %w", err)
	}
	return nil
}

// drop does what takes ports away: first the flows that need them, then the
// rows.
func (h *hand) drop(rows [][]byte, flows []byte) error {
	if err := h.send(flows); err != nil {
		return fmt.Errorf("flows: %w", err)
	}
	for _, r := range rows {
		if err := h.transact(r, 0); err != nil {
			return fmt.Errorf("transact: %w", err)
		}
	}
	return nil
}

// bundle returns what takes flows from those that the bridge has to those that
// are wanted: one bundle, which Open vSwitch takes in faster than the same
// flows one by one.
func (h *hand) bundle(want, have []flow.Flow) ([]byte, error) {
	d := flow.Diff(want, have)
	h.xid++
	var out []byte
	var err error
	add := func(b []byte, e error) {
		out = append(out, b...)
		err = cmp.Or(err, e)
	}
	mods := func(c wire.Command, flows []flow.Flow) {
		for _, f := range flows {
			add(wire.EncodeBundleMod(wire.Mod{Command: c, Flow: f}, h.xid, h.xid))
		}
	}
	add(wire.EncodeBundleControl(h.xid, h.xid, wire.BundleOpen))
	mods(wire.Add, d.Add)
	mods(wire.Add, d.Modify)
	mods(wire.DeleteStrict, d.Delete)
	add(wire.EncodeBundleControl(h.xid, h.xid, wire.BundleClose))
	add(wire.EncodeBundleControl(h.xid, h.xid, wire.BundleCommit))
	return out, err
}

// send writes a bundle and waits until it is committed.
func (h *hand) send(bundle []byte) error {
	if _, err := h.of.Write(bundle); err != nil {
		return err
	}
	for {
		m, err := wire.ReadMessage(h.of)
		switch {
		case err != nil:
			return err
		case m.Type == wire.TypeError:
			e, err := wire.DecodeError(m)
			if err != nil {
				return err
			}
			return e
		case m.Type == wire.TypeExperimenter:
			r, err := wire.DecodeBundleControl(m)
			if err != nil || r.Command == wire.BundleCommit.Reply() {
				return err
			}
		}
	}
}

func (h *hand) close() error {
	var errs []error
	for _, c := range []net.Conn{h.db, h.of} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
