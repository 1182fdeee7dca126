package ovstest

import "testing"

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
