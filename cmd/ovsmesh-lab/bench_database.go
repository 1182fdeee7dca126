package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

// database is a plain connection to the database of a switch.
type database struct {
	conn    net.Conn
	replies *json.Decoder
	cfg     int64 // Open_vSwitch.cur_cfg
	ports   int   // that got a number since the last transaction
}

func dialDatabase(ovs *ovstest.OVS) (*database, error) {
	conn, err := net.Dial("unix", ovs.DBSocket())
	if err != nil {
		return nil, err
	}
	return &database{conn: conn, replies: json.NewDecoder(conn)}, nil
}

// expire bounds all that follows until it is called again.
func (d *database) expire() error { return d.conn.SetDeadline(time.Now().Add(benchWait)) }

// lock takes the lock by which ovsmesh knows whose a host is. It is given on
// when the connection ends.
func (d *database) lock() error {
	reply, err := d.call([]byte(`{"id":0,"method":"lock","params":["ovsmesh"]}`))
	if err == nil && !bytes.Contains(reply.Result, []byte("true")) {
		err = fmt.Errorf("lock: %s", reply.Result)
	}
	return err
}

// commit writes a transaction and returns when the database has taken it.
func (d *database) commit(request []byte) error {
	reply, err := d.call(request)
	if err != nil {
		return err
	}
	// Results of what was done are UUIDs and counts; there is no need to take
	// thousands of them apart.
	if bytes.Contains(reply.Result, []byte(`"error"`)) {
		return fmt.Errorf("refused: %s", reply.Result)
	}
	return nil
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
func (d *database) monitor() error {
	request, err := json.Marshal(object{"id": 0, "method": "monitor", "params": []any{
		"Open_vSwitch", "bench", object{
			"Open_vSwitch": object{"columns": []string{"cur_cfg"}},
			"Interface":    object{"columns": []string{"ofport"}}}}})
	if err != nil {
		return err
	}
	reply, err := d.call(request)
	if err != nil {
		return err
	}
	return d.observe(reply.Result)
}

// catchUp takes all that the database has sent by now.
func (d *database) catchUp() error {
	_, err := d.call([]byte(`{"id":0,"method":"echo","params":[]}`))
	return err
}

// transact writes a transaction that adds n ports and raises next_cfg by one,
// and returns when ovs-vswitchd has carried it out.
func (d *database) transact(request []byte, n int) error {
	target := d.cfg + 1
	d.ports = 0
	if err := d.commit(request); err != nil {
		return err
	}
	for d.cfg < target {
		if _, err := d.message(); err != nil {
			return err
		}
	}
	if d.ports < n {
		return fmt.Errorf("%d ports of %d have a number", d.ports, n)
	}
	return nil
}

// call writes a request and returns its reply.
func (d *database) call(request []byte) (dbMessage, error) {
	if _, err := d.conn.Write(request); err != nil {
		return dbMessage{}, err
	}
	for {
		m, err := d.message()
		if err != nil || m.Method == "" {
			return m, err
		}
	}
}

// message reads the next message and takes in what it says if it is an
// update.
func (d *database) message() (m dbMessage, err error) {
	if err := d.replies.Decode(&m); err != nil {
		return m, err
	}
	if m.Method != "update" {
		return m, nil
	}
	var params [2]json.RawMessage
	if err := json.Unmarshal(m.Params, &params); err != nil {
		return m, err
	}
	return m, d.observe(params[1])
}

// observe takes cur_cfg out of a monitor's reply or update, and counts the
// ports that have got their numbers.
func (d *database) observe(raw json.RawMessage) error {
	var u monitored
	if err := json.Unmarshal(raw, &u); err != nil {
		return err
	}
	for _, row := range u.Open {
		d.cfg = row.New.CurCfg
	}
	for _, row := range u.Interfaces {
		if n, err := strconv.Atoi(string(row.New.OFPort)); err == nil && n > 0 {
			d.ports++
		}
	}
	return nil
}

func (d *database) close() error { return d.conn.Close() }
