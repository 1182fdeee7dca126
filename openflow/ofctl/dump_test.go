package ofctl_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/ofctl"
)

// What is wrong with a dump is named by file and line; the rest is read.
func TestReadDumpNamesWhatIsWrong(t *testing.T) {
	long := "actions=note:" + strings.Repeat("00.", 400_000) + "00\n"
	many := strings.Repeat("nonsense\n", 30)
	for _, c := range []struct {
		name, text string
		flows      int
		want       []string
	}{
		{"nothing", "", 0, []string{"xen1.flows: nothing in it: ovs-ofctl prints nothing where it fails"}},
		{"comments alone", "# dump of\n\n", 0, []string{"xen1.flows: nothing in it"}},
		{"an empty table", "OFPST_FLOW reply (OF1.3) (xid=0x2):\n", 0, nil},
		{"cut within a line", " actions=drop\n priority=1 actions=output:2", 1, []string{"xen1.flows:2: the file ends within this line: the dump has been cut"}},
		{"cut within the only line", " priority=1,in_po", 0, []string{"xen1.flows:1: the file ends within this line"}},
		{"white space at the end", " actions=drop\n  ", 1, nil},
		{"what ovs-ofctl says against it", "ovs-ofctl: br9 is not a bridge or a socket\n", 0, []string{`xen1.flows:1: no actions= in "ovs-ofctl: br9 is not a bridge or a socket"`}},
		{"warnings among the flows", " actions=drop\n2026-11-21T16:28:32Z|00001|ofp_actions|WARN|bad action\n priority=2 actions=drop\n", 2, []string{"xen1.flows:2: no actions="}},
		{"lines broken by a terminal", " priority=1,in_port=1 act\nions=output:2\n actions=drop\n", 1,
			[]string{"xen1.flows:1: no actions= in", "xen1.flows:2: no actions= in"}},
		{"several", " priority=x actions=drop\n actions=drop\n table=1,ip,ip actions=drop\n actions=output:-\n", 1,
			[]string{"xen1.flows:1: priority=x: not a number of 16 bits", "xen1.flows:3: ip twice", "xen1.flows:4: output:-: not a number of 32 bits"}},
		{"names that nobody knows", " table=1,in_port=p1 actions=drop\n", 0, []string{`xen1.flows:1: in_port=p1: "p1" is not a port`}},
		{"a line without an end", " actions=drop\n" + long + " priority=2 actions=drop\n", 2, []string{"xen1.flows:2: longer than 1048576 bytes"}},
		{"nothing right", many, 0, []string{"xen1.flows:1: no actions=", "xen1.flows:20: no actions=", "xen1.flows: 10 more lines that can't be read"}},
		{"as many as the switch counts", " actions=drop\nOFPST_AGGREGATE reply (OF1.3) (xid=0x2): packet_count=0 byte_count=0 flow_count=1\n", 1, nil},
		{"cut at the end of a line", " actions=drop\nNXST_AGGREGATE reply (xid=0x4): packet_count=0 byte_count=0 flow_count=3\n", 1,
			[]string{"xen1.flows:2: the switch counts 3 flows, and before this line there are 1: the dump has been cut"}},
		{"a bad line is a flow too", " actions=drop\n priority=x actions=drop\nNXST_AGGREGATE reply (xid=0x4): packet_count=0 byte_count=0 flow_count=2\n", 1,
			[]string{"xen1.flows:2: priority=x"}},
		{"a count cut off", " actions=drop\nNXST_AGGREGATE reply (xid=0x4): packet_count=0 byte_count=0 flow_cou\n", 1, []string{"xen1.flows:2: no actions="}},
		{"Windows", "OFPST_FLOW reply (OF1.3) (xid=0x2):\r\n priority=1 actions=output:2\r\n", 1, nil},
		{"bytes", " actions=drop\x00\n", 0, []string{"xen1.flows:1: unknown action"}},
	} {
		d, err := ofctl.ReadDump(strings.NewReader(c.text), "xen1.flows", flow.Names{})
		if len(d.Flows) != c.flows || len(d.Lines) != c.flows {
			t.Errorf("%s: %d flows, %d lines, want %d", c.name, len(d.Flows), len(d.Lines), c.flows)
		}
		if (err != nil) != (len(c.want) > 0) {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %s", c.name, err, want)
			}
		}
	}
	d, err := ofctl.ReadDump(io.MultiReader(strings.NewReader(" actions=drop\n"), iotest.ErrReader(errors.New("disk on fire"))), "f", flow.Names{})
	if len(d.Flows) != 1 || err == nil || err.Error() != "f: disk on fire" {
		t.Errorf("%d flows, %v", len(d.Flows), err)
	}
	if !d.Cut {
		t.Error("a file that can't be read is not known to be cut")
	}
	var line *ofctl.LineError
	if _, err := ofctl.ReadDump(strings.NewReader("x\n"), "f", flow.Names{}); !errors.As(err, &line) || line.File != "f" || line.Line != 1 {
		t.Errorf("%v", err)
	}
}

// The version is what the reply line says, in each of its forms.
func TestReadDumpVersion(t *testing.T) {
	for head, old := range map[string]bool{
		"NXST_FLOW reply (xid=0x4):\n": true, "OFPST_FLOW reply (xid=0x4):\n": true, "OFPST_FLOW reply (OF1.3) (xid=0x2):\n": false,
		"OFPST_FLOW reply (OF1.5) (xid=0x2):\n": false, "OFPST_FLOW_DESC reply (OF1.5) (xid=0x2):\n": false, "": false,
	} {
		d, err := ofctl.ReadDump(strings.NewReader("# a dump\n"+head+"\n cookie=0x5, actions=drop\n"), "f", flow.Names{})
		if err != nil || d.Old != old || len(d.Flows) != 1 || d.Flows[0].Cookie != 5 {
			t.Errorf("%q: %+v, %v", head, d, err)
		}
	}
}

// Without a reply line the words of the actions say which version it was.
func TestReadDumpVersionByWords(t *testing.T) {
	for text, old := range map[string]bool{
		" actions=NORMAL\n": false, " actions=output:1,mod_dl_dst:02:00:00:00:00:01\n": true, " actions=resubmit(,5)\n": true,
		" actions=load:0x1->NXM_NX_REG0[]\n priority=1 actions=goto_table:5\n": false,
	} {
		if d, err := ofctl.ReadDump(strings.NewReader(text), "f", flow.Names{}); err != nil || d.Old != old {
			t.Errorf("%q: %v, %v", text, d.Old, err)
		}
	}
}

// Where the lines are cut apart by the reader of the file makes no difference.
func TestReadDumpInPieces(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, " cookie=0x0, table=%d, priority=%d actions=output:%d\n", i%5, i, i)
	}
	want, err := ofctl.ReadDump(strings.NewReader(b.String()), "f", flow.Names{})
	if err != nil || len(want.Flows) != 3000 {
		t.Fatal(len(want.Flows), err)
	}
	got, err := ofctl.ReadDump(iotest.HalfReader(strings.NewReader(b.String())), "f", flow.Names{})
	if err != nil || !slices.EqualFunc(want.Flows, got.Flows, func(a, b flow.Flow) bool { return a.Equal(&b) }) {
		t.Error(len(got.Flows), err)
	}
}

// FuzzReadDump feeds any text to the reader: it ends, and what it has read is
// there a second time, too.
func FuzzReadDump(f *testing.F) {
	f.Add("NXST_FLOW reply (xid=0x4):\n cookie=0x0, duration=0.1s, table=classify, in_port=\"a b\" actions=resubmit(p1,classify)\n")
	f.Add("\x1b[36mcookie=\x1b[m0x0, actions=ct(commit,exec(set_field:0x5->ct_mark),)\n")
	f.Fuzz(func(t *testing.T, text string) {
		names := flow.Names{
			Port:  func(name string) (uint32, bool) { return uint32(len(name)), name != "p1" },
			Table: func(name string) (uint8, bool) { return uint8(len(name)), true },
		}
		d, _ := ofctl.ReadDump(strings.NewReader(text), "f", names)
		var b strings.Builder
		for _, f := range d.Flows {
			b.WriteString(f.String() + "\n")
		}
		again, err := ofctl.ReadDump(strings.NewReader(b.String()), "f", flow.Names{})
		if len(d.Flows) > 0 && (err != nil || len(again.Flows) != len(d.Flows)) {
			t.Errorf("%q\nread as\n%s\nread back as %d flows, %v", text, b.String(), len(again.Flows), err)
		}
	})
}

func BenchmarkReadDump(b *testing.B) {
	var text strings.Builder
	text.WriteString("OFPST_FLOW reply (OF1.3) (xid=0x2):\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, " cookie=0x6f6d000000070008, duration=1.5s, table=60, n_packets=0, n_bytes=0, priority=1000,metadata=0x7/0x1ffffffff,dl_dst=02:00:00:00:%02x:%02x actions=set_field:0x67->tun_id,output:%d\n", i>>8, i&0xff, i)
	}
	for b.Loop() {
		if d, err := ofctl.ReadDump(strings.NewReader(text.String()), "f", flow.Names{}); err != nil || len(d.Flows) != 10_000 {
			b.Fatal(err)
		}
	}
}
