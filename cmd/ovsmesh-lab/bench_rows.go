package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// firstTunnelNumber is the first OpenFlow port number that the controller asks
// for.
const firstTunnelNumber = 20000

// object is one of JSON.
type object map[string]any

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
func (f *benchFloor) monitor() error {
	request, err := json.Marshal(object{"id": 0, "method": "monitor", "params": []any{
		"Open_vSwitch", "bench", object{
			"Open_vSwitch": object{"columns": []string{"cur_cfg"}},
			"Interface":    object{"columns": []string{"ofport"}}}}})
	if err != nil {
		return err
	}
	reply, err := f.call(request)
	if err != nil {
		return err
	}
	return f.observe(reply.Result)
}

// catchUp takes all that the database has sent by now.
func (f *benchFloor) catchUp() error {
	_, err := f.call([]byte(`{"id":0,"method":"echo","params":[]}`))
	return err
}

// transact writes a transaction that adds n ports and raises next_cfg by one,
// and returns when ovs-vswitchd has carried it out.
func (f *benchFloor) transact(request []byte, n int) error {
	target := f.cfg + 1
	f.ports = 0
	reply, err := f.call(request)
	if err != nil {
		return err
	}
	// Results of what was done are UUIDs and counts; there is no need to take
	// thousands of them apart.
	if bytes.Contains(reply.Result, []byte(`"error"`)) {
		return fmt.Errorf("refused: %s", reply.Result)
	}
	for f.cfg < target {
		if _, err := f.message(); err != nil {
			return err
		}
	}
	if f.ports < n {
		return fmt.Errorf("%d ports of %d have a number", f.ports, n)
	}
	return nil
}

// call writes a request and returns its reply.
func (f *benchFloor) call(request []byte) (dbMessage, error) {
	if _, err := f.db.Write(request); err != nil {
		return dbMessage{}, err
	}
	for {
		m, err := f.message()
		if err != nil || m.Method == "" {
			return m, err
		}
	}
}

// message reads the next message and takes in what it says if it is an
// update.
func (f *benchFloor) message() (m dbMessage, err error) {
	if err := f.replies.Decode(&m); err != nil {
		return m, err
	}
	if m.Method != "update" {
		return m, nil
	}
	var params [2]json.RawMessage
	if err := json.Unmarshal(m.Params, &params); err != nil {
		return m, err
	}
	return m, f.observe(params[1])
}

// observe takes cur_cfg out of a monitor's reply or update, and counts the
// ports that have got their numbers.
func (f *benchFloor) observe(raw json.RawMessage) error {
	var u monitored
	if err := json.Unmarshal(raw, &u); err != nil {
		return err
	}
	for _, row := range u.Open {
		f.cfg = row.New.CurCfg
	}
	for _, row := range u.Interfaces {
		if n, err := strconv.Atoi(string(row.New.OFPort)); err == nil && n > 0 {
			f.ports++
		}
	}
	return nil
}

// transaction returns the request that adds tunnels, with the rows that the
// controller writes.
func transaction(tunnels []tunnel) ([]byte, error) {
	params := []any{"Open_vSwitch"}
	var ports []any
	for i, t := range tunnels {
		iface, port := "i"+strconv.Itoa(i), "p"+strconv.Itoa(i)
		ids := pairs("ovsmesh-owner", "00000000-0000-4000-8000-000000000000", "ovsmesh-network", t.net.name(), "ovsmesh-peer", "p"+strconv.Itoa(t.peer))
		params = append(params,
			object{"op": "insert", "table": "Interface", "uuid-name": iface, "row": object{
				"name": t.port, "type": "gre", "ofport_request": t.ofport, "external_ids": ids,
				"options": pairs("key", strconv.Itoa(int(t.net.key())), "remote_ip", t.remote.String())}},
			object{"op": "insert", "table": "Port", "uuid-name": port, "row": object{
				"name": t.port, "interfaces": []any{"named-uuid", iface}, "protected": true, "external_ids": ids}})
		ports = append(ports, []any{"named-uuid", port})
	}
	params = append(params,
		object{"op": "mutate", "table": "Bridge", "where": []any{[]any{"name", "==", benchBridge}},
			"mutations": []any{[]any{"ports", "insert", []any{"set", ports}}}},
		object{"op": "mutate", "table": "Open_vSwitch", "where": []any{},
			"mutations": []any{[]any{"next_cfg", "+=", 1}}})
	return json.Marshal(object{"id": 1, "method": "transact", "params": params})
}

// pairs is a map in the notation of RFC 7047 §5.1.
func pairs(keysAndValues ...string) []any {
	var list [][2]string
	for i := 0; i < len(keysAndValues); i += 2 {
		list = append(list, [2]string{keysAndValues[i], keysAndValues[i+1]})
	}
	return []any{"map", list}
}
