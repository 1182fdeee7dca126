package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// decodeAny decodes a message by its type, as a session does, and returns the
// result as lines of text.
func decodeAny(m Message) (string, error) {
	var v any
	var err error
	switch m.Type {
	case TypeHello:
		v, err = DecodeHello(m)
	case TypeError:
		var e *Error
		if e, err = DecodeError(m); err == nil {
			return fmt.Sprintf("xid %d: %s (type %d, code %d, experimenter %#x), data %d bytes\n",
				e.XID, e, e.Type, e.Code, e.Experimenter, len(e.Data)), nil
		}
	case TypeEchoRequest, TypeEchoReply:
		v = m.Body
	case TypeFeaturesReply:
		v, err = DecodeFeatures(m)
	case TypeFlowRemoved:
		v, err = DecodeFlowRemoved(m)
	case TypePortStatus:
		v, err = DecodePortStatus(m)
	case TypeBarrierReply:
		err = DecodeBarrierReply(m)
	case TypeRoleReply:
		v, err = DecodeRole(m)
	case TypeExperimenter:
		if state, ok := DecodeMonitorState(m); ok {
			v = state
		} else {
			v, err = DecodeBundleControl(m)
		}
	case TypeFlowMod:
		var b []byte
		if b, err = marshal("copy", newMessage(m.Type, m.XID, m.Body)); err == nil {
			v, err = DecodeFlowMod(b)
		}
	case TypeMultipartReply:
		return decodeMultipart(m)
	default:
		err = malformed("message", "type %d", m.Type)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("xid %d: %+v\n", m.XID, v), nil
}

func decodeMultipart(m Message) (string, error) {
	p, err := DecodeMultipart(m)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "xid %d: multipart type %d, more %t\n", m.XID, p.Type, p.More)
	switch p.Type {
	case MultipartDesc:
		d, err := DecodeDesc(p.Body)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%+v\n", d)
	case MultipartFlow:
		err = records(&b, p.Body, DecodeFlows)
	case MultipartGroupDesc:
		err = records(&b, p.Body, DecodeGroups)
	case MultipartPortDesc:
		err = records(&b, p.Body, DecodePorts)
	case MultipartExperimenter:
		err = records(&b, p.Body, DecodeFlowUpdates)
	default:
		err = malformed("multipart reply", "type %d", p.Type)
	}
	return b.String(), err
}

func records[T any](b *strings.Builder, body []byte, decode func([]byte) ([]T, error)) error {
	list, err := decode(body)
	for _, v := range list {
		fmt.Fprintf(b, "%+q\n", fmt.Sprintf("%+v", v))
	}
	return err
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden calls f with the name and bytes of each message in testdata, which are
// what Open vSwitch 3.1.0 sent, but for hello-bitmap and error-hello-failed-v1.
func golden(t testing.TB, f func(name string, b []byte)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.hex")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d golden messages, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f(strings.TrimSuffix(file, ".hex"), unhex(t, string(text)))
	}
}

func TestMalformed(t *testing.T) {
	head := "04%02x%04x00000001"
	message := func(typ Type, body string) string {
		body = strings.ReplaceAll(body, " ", "")
		return fmt.Sprintf(head, typ, 8+len(body)/2) + body
	}
	flowStats := func(rest string) string {
		rest = strings.ReplaceAll(rest, " ", "")
		fixed := fmt.Sprintf("%04x", 48+len(rest)/2) + strings.Repeat("00", 46)
		return message(TypeMultipartReply, "0001 0000 00000000"+fixed+rest)
	}
	flowUpdate := func(rest string) string {
		return message(TypeMultipartReply, "ffff 0000 00000000 4f4e4600 0000074e"+rest)
	}
	const noMatch = "0001 0004 00000000"
	cases := []struct{ name, hex, want string }{
		{"length 0", "0400000000000001", "header: length 0"},
		{"length 7", "0402000700000001", "header: length 7"},
		{"hello element of length 0", message(TypeHello, "0001 0000 00000010"), "element of length 0"},
		{"hello element too long", message(TypeHello, "0001 0100 00000010"), "needed"},
		{"hello bitmap of 3 bytes", message(TypeHello, "0001 0007 000010 00"), "bitmap of 3 bytes"},
		{"error without code", message(TypeError, "0000"), "needed"},
		{"experimenter error without experimenter", message(TypeError, "ffff 0909"), "needed"},
		{"features too short", message(TypeFeaturesReply, "00"), "needed"},
		{"features too long", message(TypeFeaturesReply, strings.Repeat("00", 25)), "1 bytes too many"},
		{"barrier with body", message(TypeBarrierReply, "00"), "too many"},
		{"port-status with unknown reason", message(TypePortStatus, "03"+strings.Repeat("00", 71)), "reason 3"},
		{"port-desc with half a port", message(TypeMultipartReply, "000d 0000 00000000"+strings.Repeat("00", 32)), "needed"},
		{"desc too short", message(TypeMultipartReply, "0000 0000 00000000 00"), "needed"},
		{"group of length 0", message(TypeMultipartReply, "0007 0000 00000000 0000000000000000"), "group of length 0"},
		{"group longer than the message", message(TypeMultipartReply, "0007 0000 00000000 0100000000000000"), "needed"},
		{"foreign experimenter", message(TypeExperimenter, "00002320 000008fc 0000000100010000"), "experimenter 0x2320"},
		{"record of length 0", message(TypeMultipartReply, "0001 0000 00000000"+strings.Repeat("00", 56)), "record of length 0"},
		{"record longer than the message", message(TypeMultipartReply, "0001 0000 00000000 1000"+strings.Repeat("00", 54)), "needed"},
		{"match of another type", flowStats("0000 0004 00000000"), "match of type 0"},
		{"match of length 0", flowStats("0001 0000 00000000"), "match of length 0"},
		{"match longer than the record", flowStats("0001 0100 00000000"), "needed"},
		{"match field longer than the match", flowStats("0001 0008 80000004"), "needed"},
		{"masked field of odd length", flowStats("0001 000b 80000103 000000 0000000000"), "length 3"},
		{"mask of no length", flowStats("0001 0008 80000100"), "empty mask"},
		{"experimenter field without one", flowStats("0001 000c ffff0002 00002320 00000000"), "length -2"},
		{"the same field twice", flowStats("0001 0014 80000004 00000001 80000004 00000002 00000000"), "twice"},
		{"instruction of length 0", flowStats(noMatch + "0001 0000 05000000"), "length 0"},
		{"instruction of length 12", flowStats(noMatch + "0002 000c 00000000 00000000"), "length 12"},
		{"goto of length 16", flowStats(noMatch + "0001 0010 05000000 0000000000000000"), "too many"},
		{"write_metadata of length 8", flowStats(noMatch + "0002 0008 00000000"), "needed"},
		{"two gotos", flowStats(noMatch + "0001 0008 05000000 0001 0008 06000000"), "twice"},
		{"clear_actions with an action", flowStats(noMatch + "0005 0010 00000000 0016 0008 00000001"), "too many"},
		{"action of length 0", flowStats(noMatch + "0004 0010 00000000 0000 0000 00000000"), "length 0"},
		{"action longer than its instruction", flowStats(noMatch + "0004 0010 00000000 0000 0010 00000001"), "needed"},
		{"flow update without its experimenter", message(TypeMultipartReply, "ffff 0000 00000000 4f4e4600"), "needed"},
		{"flow update of another experimenter", message(TypeMultipartReply, "ffff 0000 00000000 00002320 0000074e"), "experimenter 0x2320"},
		{"flow update of another type", message(TypeMultipartReply, "ffff 0000 00000000 4f4e4600 0000074f"), "type 1871"},
		{"flow update of length 0", flowUpdate("0000 0000 00000000"), "update of length 0"},
		{"flow update of length 12", flowUpdate("000c 0003 00000001 00000000"), "update of length 12"},
		{"flow update longer than the message", flowUpdate("0010 0003 00000001"), "needed"},
		{"half a flow update", flowUpdate("0020"), "needed"},
		{"flow update of an unknown event", flowUpdate("0008 0004 00000001"), "event 4"},
		{"own flow update with more", flowUpdate("0010 0003 00000001 00000000 00000000"), "8 bytes too many"},
		{"flow update without a match", flowUpdate("0018 0000" + strings.Repeat("00", 20)), "needed"},
		{"flow update too short for a flow", flowUpdate("0010 0000" + strings.Repeat("00", 12)), "length 16"},
		{"flow update with a match longer than it", flowUpdate("0020 0000" + strings.Repeat("00", 20) + "0001 0009 00000000"), "needed"},
		{"flow update with half an instruction", flowUpdate("0028 0000" + strings.Repeat("00", 20) + noMatch + "0004 0010 00000000"), "needed"},
		{"paused with more", message(TypeExperimenter, "4f4e4600 0000074f 00"), "type 1871"},
		{"half an action", flowStats(noMatch + "0004 0010 00000000 0000 0007 00000001"), "length 7"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := ReadMessage(bytes.NewReader(unhex(t, c.hex)))
			var got string
			if err == nil {
				got, err = decodeAny(m)
			}
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, %v; want an error with %q", got, err, c.want)
			}
		})
	}
}

func TestReadMessageChecksVersion(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want error
	}{
		{"0102000800000001", ErrVersion},
		{"0506000800000001", ErrVersion},
		{"0100000800000001", nil},
		{"0601000800000001", nil},
		{"", io.EOF},
		{"0402", io.ErrUnexpectedEOF},
	} {
		if _, err := ReadMessage(bytes.NewReader(unhex(t, c.hex))); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.hex, err, c.want)
		}
	}
}

func TestDecodeGolden(t *testing.T) {
	golden(t, func(name string, b []byte) {
		r := bytes.NewReader(b)
		m, err := ReadMessage(r)
		if err != nil || r.Len() > 0 {
			t.Fatalf("%s: %v, %d bytes left", name, err, r.Len())
		}
		got, err := decodeAny(m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if *update {
			if err := os.WriteFile(name+".txt", []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\ngot  %swant %s", name, got, want)
		}
	})
}

// TestTruncated cuts every golden message at every byte. As a stream that is
// always an error. With a header that admits to the shorter length it is one
// too, or visibly less: a list may well end between two records.
func TestTruncated(t *testing.T) {
	golden(t, func(name string, b []byte) {
		whole, err := ReadMessage(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		want, err := decodeAny(whole)
		if err != nil {
			t.Fatal(err)
		}
		for n := range b {
			if _, err := ReadMessage(bytes.NewReader(b[:n])); err == nil {
				t.Errorf("%s: no error after %d of %d bytes", name, n, len(b))
			}
			if n < headerLen {
				continue
			}
			short := bytes.Clone(b[:n])
			binary.BigEndian.PutUint16(short[2:], uint16(n))
			m, err := ReadMessage(bytes.NewReader(short))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := decodeAny(m); err == nil && got == want {
				t.Errorf("%s: cut to %d of %d bytes it decodes just the same", name, n, len(b))
			} else if err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: cut to %d bytes: %v", name, n, err)
			}
		}
	})
}

func TestHelloOffers(t *testing.T) {
	for _, c := range []struct {
		hello Hello
		want  bool
	}{
		{Hello{Version: 1}, false},
		{Hello{Version: 4}, true},
		{Hello{Version: 6}, true},
		{Hello{Version: 4, Versions: []uint32{1 << 1}}, false},
		{Hello{Version: 6, Versions: []uint32{1<<1 | 1<<4 | 1<<6}}, true},
		{Hello{Version: 6, Versions: []uint32{}}, false},
	} {
		if got := c.hello.Offers(Version); got != c.want {
			t.Errorf("%s offers 1.3: %t, want %t", c.hello, got, c.want)
		}
	}
}
