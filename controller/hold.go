package controller

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller/store"
)

// hold is why nothing is written to any host: no lock is asked for, no row and no
// flow is written. Hosts are followed and can be looked at all the same, and
// bridges that have this controller from before may dial in, to be read.
type hold struct {
	waits    string          // what hosts wait for
	observes bool            // the controller was started only to look on; nothing but another start ends that
	restored *store.Restored // a restored store waits to be accepted
}

const (
	observedText = "ovsmesh serve to be started without --observe: this controller only looks on"
	restoredText = "the restored store to be accepted (ovsmesh restore --accept)"
)

// hold returns why hosts are held; nil where they are not.
func (k *keeping) hold() *hold {
	h := &hold{observes: k.observe, restored: k.restore}
	switch {
	case k.observe:
		h.waits = observedText
	case k.restore != nil:
		h.waits = restoredText
	default:
		return nil
	}
	return h
}

// problems is what an operator must know of it.
func (h *hold) problems() []string {
	var out []string
	if h == nil {
		return nil
	}
	if h.observes {
		out = append(out, "nothing is written to hosts: this controller was started to look on (--observe); "+
			"ovsmesh plan shows what would be done, and a start of ovsmesh serve without --observe has it done")
	}
	if r := h.restored; r != nil {
		out = append(out, fmt.Sprintf("nothing is written to hosts: the store was restored from a backup of %s, and what they got since then would be taken away; "+
			"ovsmesh audit shows what differs, ovsmesh restore --accept lets it be carried out", r.Backup.Format(time.RFC3339)))
	}
	return out
}

// tell says it in the log, once at the start.
func (h *hold) tell(log *zap.Logger) {
	if h == nil {
		return
	}
	if h.observes {
		log.Warn("this controller observes: nothing is written to any host until it is started without --observe; ovsmesh plan shows what would be done")
	}
	if h.restored != nil {
		log.Warn("nothing is written to hosts until the restored store is accepted: ovsmesh restore --accept", zap.Time("backup", h.restored.Backup))
	}
}

// observes reports whether the controller only looks on.
func (h *hub) observes() bool {
	held := h.held.Load()
	return held != nil && held.observes
}
