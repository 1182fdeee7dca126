package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
)

// keepAgain is how long what hosts reported waits for the next attempt while
// the store can't be written, and how soon that it can be again is noticed.
const keepAgain = 2 * time.Second

// problemsTimeout bounds how long a probe waits for the hub.
const problemsTimeout = 2 * time.Second

// keeping is how the hub gets along with its store. A store that can't be
// written must not stop the data plane from following the VMs: what hosts
// report goes into the mesh all the same, and waits to be kept. What an
// operator asks for is refused instead.
type keeping struct {
	again   time.Time       // not before then is another attempt made without need
	unsaved int             // hosts whose reports wait
	problem string          // as it was told
	restore *store.Restored // hosts are held until somebody accepts it; nil: they are not
	observe bool            // hosts are held as long as this process runs
}

// keep writes what hosts reported. What can't be written stays in the batch.
func (h *hub) keep() {
	if h.batch.Empty() || time.Now().Before(h.keeping.again) {
		return
	}
	if h.store.Commit(&h.batch) == nil {
		h.batch = store.Batch{}
	}
	h.storeTried()
}

// storeTried takes note of how the last write went.
func (h *hub) storeTried() {
	k := &h.keeping
	_, err := h.store.Trouble()
	if err == nil {
		k.again = time.Time{}
	} else {
		k.again = time.Now().Add(keepAgain)
		slices.Sort(h.batch.Forget)
		h.batch.Forget = slices.Compact(h.batch.Forget) // it may be for long
	}
	k.unsaved = len(h.batch.Facts) + len(h.batch.Left)
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	switch {
	case problem == k.problem:
		return
	case problem != "":
		h.log.Error("changes are refused; hosts are served all the same", zap.Error(err))
	default:
		h.log.Info("the store can be written again")
	}
	h.told.events.publish(hostProblem(k.problem, problem)...)
	k.problem = problem
}

// untilKeep is how long the hub may wait before it looks at the store again;
// 0 where nothing is wrong with it.
func (h *hub) untilKeep() time.Duration {
	if h.keeping.again.IsZero() {
		return 0
	}
	return max(time.Until(h.keeping.again), time.Millisecond)
}

// retryStore finds out whether a store that could not be written can be again.
func (h *hub) retryStore() {
	if h.batch.Empty() {
		_ = h.store.Probe() // which the store remembers
		h.storeTried()
		return
	}
	h.keeping.again = time.Time{}
	h.keep()
}

// write writes what somebody waits for, who is told if it can't be kept.
func (h *hub) write(b *store.Batch) error {
	err := h.store.Commit(b)
	h.storeTried()
	var trouble *store.WriteError
	if errors.As(err, &trouble) {
		return fmt.Errorf("%w: %w", api.ErrNotKept, err)
	}
	return err
}

// storeProblems is what an operator must know of the store.
func (h *hub) storeProblems() []string {
	var out []string
	if since, err := h.store.Trouble(); err != nil {
		text := fmt.Sprintf("since %s changes are refused: %v", since.UTC().Format(time.RFC3339), err)
		if n := h.keeping.unsaved; n > 0 {
			text += fmt.Sprintf("; what %d hosts reported is not kept either: do not restart before", n)
		}
		out = append(out, text)
	}
	return append(out, h.keeping.hold().problems()...)
}

// Problems says what is wrong with the controller itself.
func (c *Controller) Problems() []string {
	ctx, cancel := context.WithTimeout(context.Background(), problemsTimeout)
	defer cancel()
	found := make(chan []string, 1)
	if err := c.hub.do(ctx, func() { found <- c.hub.storeProblems() }); err != nil {
		return nil // it stops
	}
	return <-found
}

// Backup returns a copy of the store; see store.ReadBackup.
func (c *Controller) Backup(context.Context) ([]byte, error) {
	return c.cfg.Store.Backup(time.Now(), c.cfg.Version)
}

// Accept lets what a restored store says be carried out on the hosts.
func (c *Controller) Accept(ctx context.Context) (api.Acceptance, error) {
	res := &api.Acceptance{}
	var err error
	if e := c.hub.do(ctx, func() { *res, err = c.hub.accept() }); e != nil {
		return api.Acceptance{}, e
	}
	if err != nil {
		return api.Acceptance{}, err
	}
	return *res, nil
}

func (h *hub) accept() (api.Acceptance, error) {
	r := h.keeping.restore
	if r == nil {
		return api.Acceptance{}, nil
	}
	err := h.store.SetRestored(nil)
	h.storeTried()
	if err != nil {
		return api.Acceptance{}, fmt.Errorf("%w: %w", api.ErrNotKept, err)
	}
	h.keeping.restore = nil
	h.held.Store(h.keeping.hold())
	for _, l := range h.hosts {
		l.wake()
	}
	h.log.Info("restored store accepted: what it says is carried out", zap.Bool("observing", h.keeping.observe))
	return api.Acceptance{Accepted: true, Restored: &api.Restored{
		Backup: r.Backup.Format(time.RFC3339), Time: r.Time.Format(time.RFC3339),
	}}, nil
}
