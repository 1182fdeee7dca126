package controller_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
)

// tap records what a controller sends on the connections of a listener.
type tap struct {
	net.Listener

	mu    sync.Mutex
	conns []*tapped
}

// tapped is a connection of which everything that is sent is kept.
type tapped struct {
	*net.TCPConn

	mu   sync.Mutex
	sent []byte
}

func (t *tap) Accept() (net.Conn, error) {
	c, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := &tapped{TCPConn: c.(*net.TCPConn)}
	t.mu.Lock()
	t.conns = append(t.conns, w)
	t.mu.Unlock()
	return w, nil
}

func (c *tapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent = append(c.sent, b...)
	c.mu.Unlock()
	return c.TCPConn.Write(b)
}

// all returns what was sent, a connection each.
func (t *tap) all() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list [][]byte
	for _, c := range t.conns {
		c.mu.Lock()
		list = append(list, slices.Clone(c.sent))
		c.mu.Unlock()
	}
	return list
}

// database counts what was asked of databases: methods of RFC 7047, and for
// transactions the operations in them as "transact OPERATION".
func (t *tap) database() (map[string]int, error) {
	calls := map[string]int{}
	for _, sent := range t.all() {
		for len(sent) > 0 {
			var m struct {
				Method string
				Params json.RawMessage
				Result json.RawMessage
			}
			d := json.NewDecoder(newReader(sent))
			if err := d.Decode(&m); err != nil {
				return nil, fmt.Errorf("sent to a database: %w: %.100q", err, sent)
			}
			sent = sent[d.InputOffset():]
			if m.Method == "" {
				calls["answer"]++ // to an echo of the host's
				continue
			}
			calls[m.Method]++
			if m.Method != "transact" {
				continue
			}
			var params []json.RawMessage
			if err := json.Unmarshal(m.Params, &params); err != nil {
				return nil, err
			}
			for _, raw := range params[1:] {
				var op struct{ Op string }
				if err := json.Unmarshal(raw, &op); err != nil {
					return nil, err
				}
				calls["transact "+op.Op]++
			}
		}
	}
	return calls, nil
}

// openflow counts what was sent to switches, by the type of message (OpenFlow
// 1.3.5 §A.1).
func (t *tap) openflow() (map[byte]int, error) {
	types := map[byte]int{}
	for _, sent := range t.all() {
		for len(sent) > 0 {
			if len(sent) < 8 || int(binary.BigEndian.Uint16(sent[2:])) > len(sent) {
				return nil, fmt.Errorf("sent to a switch: %x", sent)
			}
			types[sent[1]]++
			sent = sent[binary.BigEndian.Uint16(sent[2:]):]
		}
	}
	return types, nil
}

// only checks that nothing was called but what may be.
func only[K comparable](calls map[K]int, may ...K) error {
	other := maps.Clone(calls)
	for _, k := range may {
		delete(other, k)
	}
	if len(other) > 0 {
		return fmt.Errorf("%v", other)
	}
	return nil
}
