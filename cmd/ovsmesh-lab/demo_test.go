package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovsmesh/ovsdb/ovstest"
)

func TestDemoOfABrokenControllerFailsAndCleansUp(t *testing.T) {
	ownLab(t)
	binary := filepath.Join(t.TempDir(), "ovsmesh")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho no store here\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := runLab(t, "demo", "--hosts", "1", "--ovsmesh", binary)
	if err == nil || !strings.Contains(err.Error(), "it ended at once") {
		t.Errorf("demo = %v", err)
	}
	if !strings.Contains(out, "no store here") {
		t.Errorf("the controller's last words are not shown:\n%s", out)
	}
	if _, err := readLab(); err == nil {
		t.Error("the lab is still up")
	}
}

func TestMarkedFramesAreTold(t *testing.T) {
	frame := marked(floodedAddresses[0], floodedAddresses[3], "xapi1")
	for _, tt := range []struct {
		data []byte
		want string
	}{
		{frame, "xapi1"},
		{frame[:13], ""},
		{frame[:14], ""},
		{nil, ""},
		{append(append([]byte{}, frame[:12]...), 0x08, 0x06, 'x'), ""},
	} {
		if got := markOf(ovstest.Frame{Data: tt.data}); got != tt.want {
			t.Errorf("mark of %x = %q, want %q", tt.data, got, tt.want)
		}
	}
}
