package forward_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/forward"
)

func flows(t testing.TB, lines ...string) []flow.Flow {
	t.Helper()
	var list []flow.Flow
	for _, line := range lines {
		f, err := flow.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

func bridge(t testing.TB, ports []forward.Port, lines ...string) *forward.Bridge {
	t.Helper()
	b, err := forward.New(flows(t, lines...), ports...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func frame(t testing.TB, text string) forward.Frame {
	t.Helper()
	f, err := forward.Parse(unhex(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// run returns the ports that a frame leaves on, in order.
func run(t testing.TB, b *forward.Bridge, in uint32, f forward.Frame) string {
	t.Helper()
	r, err := b.Run(in, f)
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, o := range r.Outputs {
		ports = append(ports, fmt.Sprint(o.Port))
	}
	return strings.Join(ports, " ")
}

// TestNewRefuses names what a switch would not hold, or what is not understood.
func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		want  string
		lines []string
	}{
		{"twice: ", []string{"priority=1,in_port=1 actions=drop", "priority=1,in_port=1 actions=output:2"}},
		{"goes back: ", []string{"table=2,priority=1 actions=goto_table:2"}},
		{"not understood: FLOOD", []string{"priority=1 actions=FLOOD"}},
		{"not understood: ALL", []string{"priority=1 actions=ALL"}},
		{"not understood: group:5", []string{"priority=1 actions=group:5"}},
		{"not understood: raw(", []string{"priority=1 actions=raw(000b000800000000)"}},
		{"not understood: set_field:0xff/0xf->reg3", []string{"priority=1 actions=set_field:0xff/0xf->reg3"}},
		{"not understood: set_field:0x01->oxm_8000_99", []string{"priority=1 actions=set_field:0x01->oxm_8000_99"}},
		{"not understood: ", []string{"priority=1,oxm_8000_99=0x01 actions=drop"}},
		{"not understood: ", []string{"priority=1,oxm_8000_0=0x01 actions=drop"}},
	} {
		if _, err := forward.New(flows(t, c.lines...)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.lines, err, c.want)
		}
	}
}

// TestRun sends one frame from port 1 through small tables.
func TestRun(t *testing.T) {
	request := frame(t, ethernet+"0806 "+arp)
	for _, c := range []struct {
		name, want string
		lines      []string
	}{
		{"no flow", "", nil},
		{"no flow that matches", "", []string{"priority=1,in_port=2 actions=output:3"}},
		{"in the order of the actions", "3 2", []string{"priority=1 actions=output:3,output:2"}},
		{"not back", "2", []string{"priority=1 actions=output:1,output:2"}},
		{"back", "1", []string{"priority=1 actions=IN_PORT"}},
		{"to the switch itself", "4294967294", []string{"priority=1 actions=LOCAL"}},
		{"the higher priority", "2", []string{"priority=1 actions=output:3", "priority=2,arp actions=output:2"}},
		{"the higher priority of a port's", "2", []string{"priority=3,arp actions=output:2", "priority=2,in_port=1 actions=output:3"}},
		{"two that do the same", "2", []string{"priority=1,in_port=1 actions=output:2", "priority=1,arp actions=output:2"}},
		{"masks", "2", []string{"priority=2,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=output:3", "priority=1,arp,arp_tpa=10.0.0.0/8 actions=output:2"}},
		{"tables", "2", []string{"priority=1 actions=write_metadata:0x5/0xff,goto_table:2", "table=2,priority=1,metadata=0x5 actions=output:2"}},
		{"metadata keeps other bits", "2", []string{"priority=1 actions=write_metadata:0x105,goto_table:1",
			"table=1,priority=1 actions=write_metadata:0x7/0xf,goto_table:2", "table=2,priority=1,metadata=0x107 actions=output:2"}},
		{"a table that is not there", "3", []string{"priority=1 actions=output:3,goto_table:2"}},
		{"set before another table", "2", []string{"priority=1 actions=set_field:02:00:00:00:00:cc->eth_dst,goto_table:2",
			"table=2,priority=1,dl_dst=02:00:00:00:00:cc actions=output:2"}},
		{"moved", "2", []string{"priority=1 actions=move:NXM_OF_ARP_SPA[8..23]->NXM_NX_REG0[0..15],goto_table:2",
			"table=2,priority=1,reg0=0 actions=output:2"}},
		{"moved bits", "2", []string{"priority=1 actions=move:NXM_OF_ARP_SPA[24..31]->NXM_NX_REG3[4..11],goto_table:2",
			"table=2,priority=1,reg3=0xa0 actions=output:2"}},
		{"labelled", "2", []string{"priority=1 actions=push_mpls:0x8847,set_field:8->mpls_label,goto_table:2",
			"table=2,priority=1,mpls,mpls_label=8,mpls_bos=1 actions=output:2"}},
	} {
		if got := run(t, bridge(t, nil, c.lines...), 1, request); got != c.want {
			t.Errorf("%s: leaves on %q, want %q", c.name, got, c.want)
		}
	}
}

// TestRunRefusesToGuess says which two flows a frame meets.
func TestRunRefusesToGuess(t *testing.T) {
	b := bridge(t, nil, "priority=1,in_port=1 actions=output:2", "priority=1,arp actions=output:3")
	_, err := b.Run(1, frame(t, ethernet+"0806 "+arp))
	if err == nil || !strings.Contains(err.Error(), "meets both") || !strings.Contains(err.Error(), "in_port=1") || !strings.Contains(err.Error(), "arp actions") {
		t.Errorf("got %v", err)
	}
	if got := run(t, b, 2, frame(t, ethernet+"0806 "+arp)); got != "3" {
		t.Errorf("leaves on %q", got)
	}
}

// TestSteps tells the flows that a frame meets, and the table where none is.
func TestSteps(t *testing.T) {
	b := bridge(t, nil, "priority=1 actions=goto_table:5", "table=5,priority=1,in_port=2 actions=drop", "table=5,priority=1,dl_type=0x88b5 actions=drop")
	r, err := b.Run(1, frame(t, ethernet+"88b6"))
	if err != nil || len(r.Steps) != 2 || r.Steps[0].Flow == nil || r.Steps[1].Table != 5 || r.Steps[1].Flow != nil {
		t.Errorf("got %+v, %v", r.Steps, err)
	}
	r, err = b.Run(2, frame(t, ethernet+"88b5"))
	if err != nil || len(r.Steps) != 2 || r.Steps[0].Also != nil || r.Steps[1].Flow == nil || r.Steps[1].Also == nil {
		t.Errorf("got %+v, %v", r.Steps, err)
	}
}

// TestAnswer turns an ARP request into its answer, byte for byte.
func TestAnswer(t *testing.T) {
	b := bridge(t, nil, "priority=1,arp actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:02:00:00:00:00:cc->eth_src,"+
		"set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"+
		"set_field:02:00:00:00:00:cc->arp_sha,set_field:10.0.0.2->arp_spa,IN_PORT")
	r, err := b.Run(1, frame(t, ethernet+"0806 "+arp+"00000000"))
	if err != nil || len(r.Outputs) != 1 {
		t.Fatalf("got %+v, %v", r, err)
	}
	want := "0200000000bb0200000000cc08060001080006040002" + "0200000000cc0a000002" + "0200000000bb0a000001" + "00000000"
	if got := hex.EncodeToString(r.Outputs[0].Frame.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestLabelled writes the labels that were put on.
func TestLabelled(t *testing.T) {
	b := bridge(t, nil, "priority=1 actions=push_mpls:0x8847,set_field:8->mpls_label,output:2,push_mpls:0x8848,set_field:9->mpls_label,output:3")
	r, err := b.Run(1, frame(t, ethernet+"8100 0005 88b5 0102"))
	if err != nil || len(r.Outputs) != 2 {
		t.Fatalf("got %+v, %v", r, err)
	}
	for i, want := range []string{
		"0200000000aa0200000000bb81000005" + "8847" + "00008140" + "0102",
		"0200000000aa0200000000bb81000005" + "8848" + "00009040" + "00008140" + "0102",
	} {
		if got := hex.EncodeToString(r.Outputs[i].Frame.Bytes()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestNormal learns and sends as a switch does.
func TestNormal(t *testing.T) {
	ports := []forward.Port{{Number: 1}, {Number: 2}, {Number: 3, Protected: true}, {Number: 4, Protected: true}, {Number: 5, NoFlood: true}}
	b := bridge(t, ports, "priority=0 actions=NORMAL")
	from := func(src, dst string) forward.Frame { return frame(t, dst+src+"88b5") }
	const a, c, all = "02000000000a", "02000000000c", "ffffffffffff"
	for _, step := range []struct {
		name  string
		in    uint32
		frame forward.Frame
		want  string
	}{
		{"unknown is flooded", 1, from(a, c), "2 3 4"},
		{"learned", 2, from(c, a), "1"},
		{"not to protected ones from another", 3, from("02000000000d", all), "1 2"},
		{"known behind a protected port, from another", 4, from("02000000000e", "02000000000d"), ""},
		{"known behind a protected port", 1, from(a, "02000000000d"), "3"},
		{"known where nothing is flooded to", 5, from("02000000000f", all), "1 2 3 4"},
		{"to it", 1, from(a, "02000000000f"), "5"},
		{"moved", 2, from(a, all), "1 3 4"},
		{"to where it has moved", 3, from(c, a), "2"},
		{"to the port that it comes from", 2, from("020000000010", a), ""},
		{"a group does not send", 1, from("030000000000", all), "2 3 4"},
		{"nor is it learned", 2, from(c, "030000000000"), "1 3 4"},
		{"another VLAN is another place", 1, frame(t, a+c+"8100 0005 88b5"), "2 3 4"},
		{"reserved for bridges", 1, from(a, "0180c200000e"), ""},
		{"a port that is not the bridge's", 9, from(a, all), ""},
	} {
		if got := run(t, b, step.in, step.frame); got != step.want {
			t.Errorf("%s: leaves on %q, want %q", step.name, got, step.want)
		}
	}
	if at, ok := b.Learned([6]byte{2, 0, 0, 0, 0, 0x0a}); !ok || at != 2 {
		t.Errorf("learned at %d, %v", at, ok)
	}
	if _, ok := b.Learned([6]byte{3}); ok {
		t.Error("a group address is learned")
	}
	b.Forget()
	if got := run(t, b, 3, from(c, a)); got != "1 2" {
		t.Errorf("after all is forgotten: leaves on %q", got)
	}
}
