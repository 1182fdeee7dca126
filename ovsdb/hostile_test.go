package ovsdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"ovsmesh/ovsdb"
	"ovsmesh/ovsdb/schema"
)

const rowUUID = "00000000-0000-4000-8000-000000000001"

// patience is how long a test waits for what is to come: for what it takes on a
// machine that is busy with other things as well.
const patience = time.Minute

// peer is a host as it should not be: the test's words on a connection.
type peer struct {
	net.Conn
	t   *testing.T
	dec *json.Decoder
}

func dialPeer(t *testing.T, m *manager) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(m.target, "tcp:"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{Conn: conn, t: t, dec: json.NewDecoder(conn)}
}

// asked reads one request and returns its method and ID. Echoes, which come
// whenever the test has taken its time, are answered on the way.
func (p *peer) asked() (method string, id json.RawMessage) {
	p.t.Helper()
	for {
		var m struct {
			Method string
			ID     json.RawMessage
		}
		p.SetReadDeadline(time.Now().Add(patience))
		if err := p.dec.Decode(&m); err != nil {
			p.t.Fatalf("reading a request: %v", err)
		}
		if m.Method != "echo" {
			return m.Method, m.ID
		}
		p.say(`{"id":%s,"error":null,"result":[]}`, m.ID)
	}
}

func (p *peer) say(format string, args ...any) {
	// The other side may hang up at any time, which is what most tests want.
	_, _ = fmt.Fprintf(p.Conn, format, args...)
}

func (p *peer) answer(result string) string {
	p.t.Helper()
	method, id := p.asked()
	p.say(`{"id":%s,"error":null,"result":%s}`, id, result)
	return method
}

// isOld answers as a host that does not know monitor_cond.
func (p *peer) isOld() {
	p.t.Helper()
	method, id := p.asked()
	if method != "monitor_cond" {
		p.t.Fatalf("asked for %q, want monitor_cond", method)
	}
	p.say(`{"id":%s,"result":null,"error":"unknown method"}`, id)
}

// hungUp fails the test unless the other side closes, in half of the time of
// whatever else might make it do so.
func (p *peer) hungUp() {
	p.t.Helper()
	const most = patience / 2
	p.SetReadDeadline(time.Now().Add(most))
	_, err := io.Copy(io.Discard, p.Conn)
	if err != nil && os.IsTimeout(err) {
		p.t.Errorf("still connected after %v", most)
	}
}

// schemaText is the smallest schema that is taken for Open vSwitch's.
func schemaText() string {
	tables := map[string]any{}
	for table, columns := range schema.Full().Columns() {
		c := map[string]any{}
		for _, name := range columns {
			c[name] = map[string]string{"type": "string"}
		}
		tables[table] = map[string]any{"columns": c}
	}
	b, err := json.Marshal(map[string]any{"name": "Open_vSwitch", "tables": tables})
	if err != nil {
		panic(err)
	}
	return string(b)
}

const smallDump = `{"Open_vSwitch":{"` + rowUUID + `":{"new":{"external_ids":["map",[["system-id","x"]]]}}}}`

// settle goes through the set-up as a host does.
func (p *peer) settle() {
	p.t.Helper()
	p.answer(schemaText())
	p.isOld()
	p.answer(smallDump)
	p.answer(`{"locked":true}`)
}

// brief has timeouts that a test can wait for.
func brief() ovsdb.Config {
	return ovsdb.Config{
		MaxMessage: 1 << 20, SetupTimeout: 2 * time.Second, CallTimeout: time.Second, MessageTimeout: time.Second,
		EchoAfter: 200 * time.Millisecond, SilentAfter: time.Second,
	}
}

// calm has none that a busy machine could make expire: what ends a session is what
// was said in it.
func calm() ovsdb.Config {
	return ovsdb.Config{
		MaxMessage: 1 << 20, SetupTimeout: patience, CallTimeout: patience, MessageTimeout: patience,
		EchoAfter: 200 * time.Millisecond, SilentAfter: patience,
	}
}

func TestHostileGreeting(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	big := strings.Repeat("x", 2<<20)
	for name, words := range map[string]string{
		"garbage":        "\x00\x01\x02\x03 hello",
		"http":           "GET / HTTP/1.1\r\n\r\n",
		"array":          "[1,2,3]",
		"deep":           `{"id":1,"result":` + deep,
		"long string":    `{"id":1,"result":"` + big,
		"unclosed":       `{"id":1,"result":{"tables":`,
		"silence":        "",
		"white space":    strings.Repeat(" \n", 1000),
		"wrong ids":      strings.Repeat(`{"id":77,"result":{},"error":null}`, 100),
		"string id":      `{"id":"1","result":{},"error":null}`,
		"huge id":        `{"id":99999999999999999999999999,"result":{},"error":null}`,
		"result null":    `{"id":1,"result":null,"error":null}`,
		"result absent":  `{"id":1}`,
		"result string":  `{"id":1,"result":"x","error":null}`,
		"result array":   `{"id":1,"result":[],"error":null}`,
		"result number":  `{"id":1,"result":1e999,"error":null}`,
		"no tables":      `{"id":1,"result":{},"error":null}`,
		"tables array":   `{"id":1,"result":{"tables":[]},"error":null}`,
		"tables null":    `{"id":1,"result":{"tables":null},"error":null}`,
		"column list":    `{"id":1,"result":{"tables":{"Bridge":{"columns":[1]}}},"error":null}`,
		"refused":        `{"id":1,"result":null,"error":"unknown database"}`,
		"refused 1.4":    `{"id":1,"result":{"error":"unknown database"},"error":null}`,
		"error object":   `{"id":1,"error":{"error":[1],"details":{}},"result":null}`,
		"mismatched":     `{"id":1,"result":{"tables":]},"error":null}`,
		"bad escape":     `{"id":1,"result":{"\uZZZZ":1},"error":null}`,
		"method number":  `{"id":1,"method":5}`,
		"method object":  `{"method":{}}`,
		"key unquoted":   `{id:1}`,
		"comma":          `{"id":1,}`,
		"control in key": "{\"i\x01d\":1}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startManager(t, brief())
			p := dialPeer(t, m)
			p.asked()
			p.say("%s", words)
			p.hungUp()
		})
	}
}

func TestHostileDump(t *testing.T) {
	for name, dump := range map[string]string{
		"null":              `null`,
		"empty":             `{}`,
		"table null":        `{"Bridge":null}`,
		"table array":       `{"Bridge":[]}`,
		"short uuid":        `{"Bridge":{"x":{"new":{}}}}`,
		"row null":          `{"Bridge":{"` + rowUUID + `":null}}`,
		"row string":        `{"Bridge":{"` + rowUUID + `":{"new":"x"}}}`,
		"set without":       `{"Bridge":{"` + rowUUID + `":{"new":{"ports":["set"]}}}}`,
		"set of three":      `{"Bridge":{"` + rowUUID + `":{"new":{"ports":["set",[],1]}}}}`,
		"set of object":     `{"Bridge":{"` + rowUUID + `":{"new":{"ports":["set",{}]}}}}`,
		"set in set":        `{"Bridge":{"` + rowUUID + `":{"new":{"ports":["set",[["set",[]]]]}}}}`,
		"uuid without":      `{"Bridge":{"` + rowUUID + `":{"new":{"ports":["uuid"]}}}}`,
		"uuid number":       `{"Bridge":{"` + rowUUID + `":{"new":{"ports":["uuid",5]}}}}`,
		"uuid empty":        `{"Bridge":{"` + rowUUID + `":{"new":{"ports":["uuid",""]}}}}`,
		"map string":        `{"Bridge":{"` + rowUUID + `":{"new":{"external_ids":["map","x"]}}}}`,
		"map without":       `{"Bridge":{"` + rowUUID + `":{"new":{"external_ids":["map"]}}}}`,
		"map object":        `{"Bridge":{"` + rowUUID + `":{"new":{"external_ids":{}}}}}`,
		"map pair of one":   `{"Bridge":{"` + rowUUID + `":{"new":{"external_ids":["map",[["a"]]]}}}}`,
		"map pair of three": `{"Bridge":{"` + rowUUID + `":{"new":{"external_ids":["map",[["a","b","c"]]]}}}}`,
		"map pair empty":    `{"Bridge":{"` + rowUUID + `":{"new":{"external_ids":["map",[[]]]}}}}`,
		"map of numbers":    `{"Bridge":{"` + rowUUID + `":{"new":{"external_ids":["map",[[1,2]]]}}}}`,
		"column object":     `{"Bridge":{"` + rowUUID + `":{"new":{"name":{}}}}}`,
		"column null":       `{"Bridge":{"` + rowUUID + `":{"new":{"name":null}}}}`,
		"name list":         `{"Bridge":{"` + rowUUID + `":{"new":{"name":["set",["a","b"]]}}}}`,
		"bool word":         `{"Bridge":{"` + rowUUID + `":{"new":{"stp_enable":"true"}}}}`,
		"int fraction":      `{"Interface":{"` + rowUUID + `":{"new":{"ofport":1.5}}}}`,
		"int huge":          `{"Interface":{"` + rowUUID + `":{"new":{"ofport":99999999999999999999}}}}`,
		"no Open_vSwitch":   `{"Bridge":{"` + rowUUID + `":{"new":{"name":"br0"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startManager(t, calm())
			p := dialPeer(t, m)
			p.answer(schemaText())
			p.isOld()
			p.answer(dump)
			p.hungUp()
			select {
			case <-m.sessions:
				t.Error("it became a session")
			default:
			}
		})
	}
}

// What breaks the rules ends a session that stands; what RFC 7047 says to
// ignore does not.
func TestHostileSession(t *testing.T) {
	update := func(params string) string { return `{"id":null,"method":"update","params":` + params + `}` }
	for _, c := range []struct {
		name, words string
		survives    bool
	}{
		{"empty object", `{}`, true},
		{"params missing", `{"id":null,"method":"update"}`, false},
		{"params null", update(`null`), false},
		{"params empty", update(`[]`), true},
		{"params of one", update(`["ovsmesh"]`), true},
		{"params of three", update(`["ovsmesh",{},1]`), false},
		{"params object", update(`{}`), false},
		{"unknown cookie", update(`["other",{}]`), false},
		{"null cookie", update(`[null,{}]`), false},
		{"updates null", update(`["ovsmesh",null]`), false},
		{"row null", update(`["ovsmesh",{"Bridge":{"` + rowUUID + `":null}}]`), false},
		{"map short", update(`["ovsmesh",{"Bridge":{"` + rowUUID + `":{"new":{"external_ids":["map",[["a"]]]}}}}]`), false},
		{"column object", update(`["ovsmesh",{"Bridge":{"` + rowUUID + `":{"new":{"name":{}}}}}]`), false},
		{"delete of nothing", update(`["ovsmesh",{"Bridge":{"` + rowUUID + `":{"old":{}}}}]`), true},
		{"unknown table", update(`["ovsmesh",{"Nonsense":{"a":5}}]`), true},
		{"unknown column", update(`["ovsmesh",{"Bridge":{"` + rowUUID + `":{"new":{"nonsense":{"a":[null]}}}}}]`), true},
		{"unknown notification", `{"id":null,"method":"nonsense","params":{}}`, true},
		{"unknown request", `{"id":[1],"method":"nonsense","params":[]}`, true},
		{"reply to nothing", `{"id":12345,"result":[],"error":null}`, true},
		{"late reply again", `{"id":1,"result":{},"error":null}`, true},
		{"echo without params", `{"id":"e","method":"echo"}`, true},
		{"echo of an object", `{"id":"e","method":"echo","params":{"a":[1]}}`, true},
		{"echo too large", `{"id":"e","method":"echo","params":["` + strings.Repeat("x", 20<<10) + `"]}`, false},
		{"echo of no JSON", `{"id":"e","method":"echo","params":[truth]}`, false},
		{"echo id of no JSON", `{"id":x,"method":"echo","params":[]}`, false},
		{"locked without params", `{"id":null,"method":"locked"}`, false},
		{"locked number", `{"id":null,"method":"locked","params":[5]}`, false},
		{"locked other", `{"id":null,"method":"locked","params":["other"]}`, true},
		{"stolen", `{"id":null,"method":"stolen","params":["ovsmesh"]}`, true},
		{"trailing", `{"id":null,"method":"x"}}`, false},
		{"slow", `{"id":null,"met`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := calm()
			if c.name == "slow" {
				cfg.MessageTimeout = time.Second
			}
			m := startManager(t, cfg)
			p := dialPeer(t, m)
			p.settle()
			s := m.next(t)
			p.say("%s", c.words)
			if !c.survives {
				p.hungUp()
				return
			}
			// Alive: it answers an echo of ours, and takes an update.
			p.say(`{"id":"after","method":"echo","params":["x"]}`)
			for {
				var reply struct {
					ID     json.RawMessage
					Result json.RawMessage
				}
				p.SetReadDeadline(time.Now().Add(patience))
				if err := p.dec.Decode(&reply); err != nil {
					t.Fatalf("no echo: %v (session: %v)", err, s.Err())
				}
				if string(reply.ID) == `"after"` {
					if string(reply.Result) != `["x"]` {
						t.Errorf("echo of %s", reply.Result)
					}
					break
				}
			}
			if c.name == "stolen" && s.Lock() != ovsdb.LockLost {
				t.Errorf("lock %v", s.Lock())
			}
		})
	}
}

func TestHostileResults(t *testing.T) {
	for name, result := range map[string]string{
		"null":          `null`,
		"object":        `{}`,
		"string":        `"x"`,
		"too few":       `[]`,
		"too many":      `[{},{},{},{}]`,
		"numbers":       `[1]`,
		"count word":    `[{"count":"1"}]`,
		"uuid word":     `[{"uuid":"x"}]`,
		"uuid short":    `[{"uuid":["uuid"]}]`,
		"rows object":   `[{"rows":{}}]`,
		"rows of null":  `[{"rows":[null]}]`,
		"set short":     `[{"rows":[{"a":["set"]}]}]`,
		"map short":     `[{"rows":[{"a":["map",[["x"]]]}]}]`,
		"map of lists":  `[{"rows":[{"a":["map",[[["set",[]],1]]]}]}]`,
		"error number":  `[{"error":5}]`,
		"column object": `[{"rows":[{"a":{}}]}]`,
		"column null":   `[{"rows":[{"a":null}]}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startManager(t, calm())
			p := dialPeer(t, m)
			p.settle()
			s := m.next(t)
			failed := make(chan error, 1)
			go func() {
				_, err := s.TransactLocked(context.Background(), touch("x"))
				failed <- err
			}()
			for {
				method, id := p.asked()
				if method == "transact" {
					p.say(`{"id":%s,"error":null,"result":%s}`, id, result)
					break
				}
			}
			if err := <-failed; err == nil {
				t.Error("it passes for a result")
			}
			p.hungUp()
		})
	}
}

// A host that sends and never reads costs no memory and no goroutine for long.
func TestFloodOfEchoes(t *testing.T) {
	cfg := brief()
	cfg.SetupTimeout = patience
	m := startManager(t, cfg)
	p := dialPeer(t, m)
	p.settle()
	s := m.next(t)
	flood := strings.Repeat(`{"id":"`+strings.Repeat("x", 8000)+`","method":"echo","params":[]}`, 16)
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		p.SetWriteDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(p.Conn, flood); err != nil {
			break
		}
	}
	select {
	case <-s.Done():
	default:
		t.Error("it may go on")
	}
}

// A stream of updates that nobody takes is kept once a row.
func TestPendingIsBounded(t *testing.T) {
	m := startManager(t, calm())
	p := dialPeer(t, m)
	p.settle()
	s := m.next(t)
	const rounds = 20_000
	for i := range rounds {
		p.say(`{"id":null,"method":"update","params":["ovsmesh",{"Bridge":{"%s":{"new":{"name":"br%d"}}}}]}`, rowUUID, i)
	}
	p.say(`{"id":null,"method":"update","params":["ovsmesh",{"Port":{"%s":{"new":{"name":"last"}}}}]}`, rowUUID)
	until(t, s, s.DB(), "the last row", func() bool { return s.DB().PortByName("last") != nil })
	if b := s.DB().Bridges; len(b) != 1 || s.DB().BridgeByName(fmt.Sprint("br", rounds-1)) == nil {
		t.Errorf("bridges %v", b)
	}
	if got := m.server.Stats(); got.Updates < rounds || got.Accepted != 1 || got.Messages < rounds {
		t.Errorf("counted %+v", got)
	}
}

func TestTooManyRows(t *testing.T) {
	cfg := calm()
	cfg.MaxPending = 100
	m := startManager(t, cfg)
	p := dialPeer(t, m)
	p.settle()
	s := m.next(t)
	for i := range 200 {
		p.say(`{"id":null,"method":"update","params":["ovsmesh",{"Bridge":{"00000000-0000-4000-8000-%012d":{"new":{}}}}]}`, i)
	}
	p.hungUp()
	<-s.Done()
}

func TestCapOnConnections(t *testing.T) {
	cfg := calm()
	cfg.MaxConns = 2
	m := startManager(t, cfg)
	first, second := dialPeer(t, m), dialPeer(t, m)
	first.asked()
	second.asked()
	third := dialPeer(t, m)
	third.hungUp()
	if got := m.server.Stats(); got.Refused != 1 || got.Accepted != 2 {
		t.Errorf("counted %+v", got)
	}
	second.Close()
	for limit := time.Now().Add(patience); ; {
		p := dialPeer(t, m)
		p.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := p.Read(make([]byte, 1)); err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("a connection that ended still counts")
		}
	}
}

// dumpOf is a host with that many tunnel ports.
func dumpOf(n int) string {
	var b, ports strings.Builder
	b.WriteString(`{"Open_vSwitch":{"` + rowUUID + `":{"new":{"external_ids":["map",[["system-id","x"]]]}}},"Interface":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
			ports.WriteByte(',')
		}
		fmt.Fprintf(&b, `"10000000-0000-4000-8000-%012d":{"new":{"name":"t103-%d-1","type":"gre","ofport":%d,"ofport_request":%d,"error":["set",[]],"link_state":"up","options":["map",[["key","103"],["remote_ip","10.1.%d.%d"]]],"external_ids":["map",[["ovsmesh-network","blue"],["ovsmesh-owner","3e4c4b45-51b5-4a4e-8c2c-1f0e5c9b7a11"],["ovsmesh-peer","xen%d"]]],"status":["map",[["tunnel_egress_iface","xenbr0"],["tunnel_egress_iface_carrier","up"]]]}}`,
			i, i, 20000+i, 20000+i, i/250, i%250, i)
		fmt.Fprintf(&ports, `"20000000-0000-4000-8000-%012d":{"new":{"name":"t103-%d-1","interfaces":["uuid","10000000-0000-4000-8000-%012d"],"tag":["set",[]],"fake_bridge":false,"protected":true,"external_ids":["map",[["ovsmesh-network","blue"],["ovsmesh-owner","3e4c4b45-51b5-4a4e-8c2c-1f0e5c9b7a11"],["ovsmesh-peer","xen%d"]]]}}`, i, i, i, i)
	}
	b.WriteString(`},"Port":{` + ports.String() + `}}`)
	return b.String()
}

func TestManyRows(t *testing.T) {
	const n = 20_000
	m := startManager(t, ovsdb.Config{SetupTimeout: patience, CallTimeout: patience, MessageTimeout: patience}) // memory counts here, not time
	p := dialPeer(t, m)
	p.answer(schemaText())
	p.isOld()
	dump := dumpOf(n)
	before := heap()
	start := time.Now()
	p.answer(dump)
	p.answer(`{"locked":true}`)
	s := m.next(t)
	took, size := time.Since(start), heap()-before
	if got := len(s.DB().PortsOfNetwork("blue")); got != n {
		t.Fatalf("%d ports", got)
	}
	t.Logf("%d ports and interfaces, %d MiB of JSON: %v, %d bytes each pair", n, len(dump)>>20, took, size/n)
	if size/n > 2<<10 {
		t.Errorf("%d bytes for a port and its interface", size/n)
	}
	runtime.KeepAlive(s)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
