package ovstest

import (
	"testing"
	"time"
)

func TestParsePing(t *testing.T) {
	for _, tt := range []struct {
		out  string
		want PingResult
		ok   bool
	}{
		{"", PingResult{}, false},
		{"ping: unknown host", PingResult{}, false},
		{"3 packets transmitted", PingResult{}, false},
		{"3 packets transmitted, 3 received, 0% packet loss, time 20ms", PingResult{3, 3, 0}, true},
		{"3 packets transmitted, 0 received, +3 errors, 100% packet loss", PingResult{3, 0, 0}, true},
		{"5 packets transmitted, 5 received, +10 duplicates, 0% packet loss", PingResult{5, 5, 10}, true},
	} {
		got, err := parsePing(tt.out)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q = %+v, %v; want %+v", tt.out, got, err, tt.want)
		}
	}
	if lost := (PingResult{Sent: 5, Received: 3}).Lost(); lost != 2 {
		t.Errorf("lost = %d, want 2", lost)
	}
}

func TestLastReply(t *testing.T) {
	for _, tt := range []struct {
		out  string
		want int
	}{
		{"", 0},
		{"PING 10.1.1.2 (10.1.1.2) 56(84) bytes of data.", 0},
		{"64 bytes from 10.1.1.2: icmp_seq=7 ttl=64 time=0.1 ms", 7},
		{"64 bytes from fd00::2: icmp_seq=2 ttl=64 time=0.1 ms\n64 bytes from fd00::2: icmp_seq=1 ttl=64 time=9 ms (DUP!)", 2},
		{"8 bytes from x: icmp_seq=40000 t\n8 bytes from x: icmp_seq=65535 t\n8 bytes from x: icmp_seq=0 t\n8 bytes from x: icmp_seq=3 t\n8 bytes from x: icmp_seq=65534 t", 65539},
	} {
		if got := lastReply(tt.out); got != tt.want {
			t.Errorf("%q = %d, want %d", tt.out, got, tt.want)
		}
	}
}

func TestAnsweredSince(t *testing.T) {
	for _, tt := range []struct {
		out  string
		want bool
	}{
		{"", false},
		{"PING 10.1.1.2 (10.1.1.2) 56(84) bytes of data.\n", false},
		{"[1700000000.499999] 64 bytes from x: icmp_seq=1 ttl=64 time=0.1 ms\n", false}, // came before
		{"[1700000000.600000] 64 bytes from x: icmp_seq=1 ttl=64 time=150 ms\n", false}, // sent before
		{"[1700000000.600000] 64 bytes from x: icmp_seq=1 ttl=64 time=50.5 ms\n", true},
		{"[1700000000.600000] 64 bytes from x: icmp_seq=1 ttl=64 time=50.5 ms", false}, // not all of the line
		{"[1700000000.400000] 64 bytes from x: icmp_seq=1 ttl=64 time=1 ms\n[1700000000.600000] 64 bytes from x: icmp_seq=2 ttl=64 time=1 ms\n[170", true},
		{"[1700000000.600000] 64 bytes from x: icmp_seq=1 ttl=64 time=1 ms\nping: sendmsg: Network is unreachable\n", true},
	} {
		if got := answeredSince(tt.out, time.UnixMilli(1_700_000_000_500)); got != tt.want {
			t.Errorf("%q = %t, want %t", tt.out, got, tt.want)
		}
	}
}
