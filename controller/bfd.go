package controller

import (
	"strconv"
	"time"

	"ovsmesh/controller/api"
)

// bfdStatus tells what Open vSwitch reports of a tunnel's BFD session, and since
// when its state is what it is: as long as it has been so in the looks at it.
// It must run on the loop. It returns nil where nothing is reported.
func (h *host) bfdStatus(network string, t *wantedTunnel) *api.BFDStatus {
	if t.row == nil || len(t.row.BFDStatus) == 0 {
		return nil
	}
	got := t.row.BFDStatus
	s := &api.BFDStatus{
		State: bfdText(t.row), Forwarding: got["forwarding"] == "true", Diagnostic: noDiagnostic(got["diagnostic"]),
		RemoteState: got["remote_state"], RemoteDiagnostic: noDiagnostic(got["remote_diagnostic"]),
	}
	s.Flaps, _ = strconv.ParseInt(got["flap_count"], 10, 64) // absent from old versions
	if was := h.status.networks[network].ends.bfd[t.Peer]; was != nil && was.State == s.State {
		s.Since = was.Since
	} else {
		s.Since = time.Now().UTC().Format(time.RFC3339)
	}
	return s
}

// noDiagnostic returns a diagnostic as ovs-vswitchd words it, "" for its words
// that there is none.
func noDiagnostic(text string) string {
	if text == "No Diagnostic" {
		return ""
	}
	return text
}
