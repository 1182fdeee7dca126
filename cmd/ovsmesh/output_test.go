package main

import (
	"strings"
	"testing"
)

func TestSome(t *testing.T) {
	long := "xenserver-rack-12-host-7"
	tests := []struct{ names, want string }{
		{"", ""},
		{"h1", "h1"},
		{long, long},
		{"h1,h2,h3,h4,h5,h6", "h1,h2,h3,h4,h5,h6"},
		{"h1,h2,h3,h4,h5,h6,h7", "h1,h2,h3,h4,h5,+2"},
		{"xen1,xen2,xen3,xen4", "xen1,xen2,xen3,+1"},
		{"xen1," + long, "xen1,+1"},
		{long + ",xen1,xen2", long + ",+2"},
	}
	for _, tt := range tests {
		names := strings.Split(tt.names, ",")
		if got := some(names, false); got != tt.want {
			t.Errorf("some(%s) = %s, want %s", tt.names, got, tt.want)
		}
		if got := some(names, true); got != tt.names {
			t.Errorf("wide: %s, want %s", got, tt.names)
		}
	}
}
