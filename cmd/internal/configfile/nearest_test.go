package configfile

import "testing"

func TestNearest(t *testing.T) {
	words := []string{"networks", "hosts", "ports", "keypools"}
	for s, want := range map[string]string{"netwroks": "networks", "hosst": "hosts", "x": "", "zebra": "", "Ports": "ports", "": "", "host": "hosts", "keyp": "keypools", "n": ""} {
		if got := Nearest(s, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", s, got, want)
		}
	}
}
