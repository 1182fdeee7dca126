package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// claims are the pins that calls have added and that none of them has seen come
// true yet, by what they keep. They are the hub's.
type claims map[claimKey]*claim

type claimKey struct{ network, from, to string }

// claim is how many calls wait for a pin. Where all have waited in vain it goes.
type claim struct{ waiting int }

// pinned is what became of a call in the intent.
type pinned struct {
	topology.Pinned
	gen   uint64 // of the intent; hosts that have taken it up know of the call
	key   claimKey
	claim *claim // nil where an earlier call's pin has come true before
}

// pin plans a change of pins and makes it true in the intent. With wait the
// caller must settle what it gets. It must run on the hub's goroutine.
func (h *hub) pin(host string, wait bool, plan func() (*topology.Change, topology.Pinned, error)) (pinned, error) {
	c, done, err := plan()
	if err != nil {
		return pinned{}, argumentOf(err)
	}
	if err := h.commit(c); err != nil {
		return pinned{}, err
	}
	p := pinned{Pinned: done, gen: h.gen, key: claimKey{done.Network, host, done.Remote}}
	if !wait {
		return p, nil
	}
	p.claim = h.claims[p.key]
	if p.claim == nil && len(done.Added) > 0 {
		p.claim = &claim{}
		h.claims[p.key] = p.claim
	}
	if p.claim != nil {
		p.claim.waiting++
	}
	return p, nil
}

// settleClaim ends a call's wait. The pin of calls that have all waited in vain is
// taken away. It must run on the hub's goroutine.
func (h *hub) settleClaim(p pinned, stands bool) {
	if p.claim == nil || h.claims[p.key] != p.claim {
		return // another call has seen it come true
	}
	p.claim.waiting--
	if !stands && p.claim.waiting > 0 {
		return
	}
	delete(h.claims, p.key)
	if stands {
		return
	}
	r, ok := h.intent.Network(p.key.network)
	if !ok {
		return
	}
	var pins []topology.Pin
	for _, pin := range r.Pins {
		if pin.From == p.key.from && pin.To == p.key.to {
			pins = append(pins, pin)
		}
	}
	if err := h.commit(h.intent.PlanUnpin(p.key.network, pins)); err != nil {
		h.log.Error("what a call has asked for in vain stays wanted", zap.String("network", p.key.network), zap.String("host", p.key.from), zap.Error(err))
	}
}

// argumentOf turns what is wrong with an argument into words of the plugin's
// caller.
func argumentOf(err error) error {
	var e *topology.CallError
	if !errors.As(err, &e) {
		return err
	}
	names := map[string]string{
		"Bridge": "bridge", "Name": "key", "Key": "key", "XSNetworkUUID": "xs_nw_uuid", "RemoteIP": "remote_ip", "From": "from", "To": "to", "Port": "in_port",
	}
	name := names[e.Arg]
	if name == "" {
		name = e.Arg
	}
	return &api.RequestError{Text: fmt.Sprintf("argument %s: %s", name, e.Text)}
}

// settleTimeout bounds how long a call whose time is over waits for the hub, to
// take away what it has added.
const settleTimeout = 5 * time.Second

// pinAndWait makes a call's change of the intent true and waits until stands has
// seen it come true. A call that has waited in vain leaves nothing behind.
func (c *Controller) pinAndWait(ctx context.Context, l *host, plan func() (*topology.Change, topology.Pinned, error),
	stands func(pinned) verdict) (topology.Pinned, error) {
	var p pinned // the hub's, until it has been asked for something else
	var err error
	came := false
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		// Where the controller stops the pin is kept, and carried out by the
		// next one: as if it had stopped a moment later.
		_ = c.hub.do(ctx, func() { c.hub.settleClaim(p, came) })
	}()
	done := make(chan pinned, 1)
	if e := c.hub.do(ctx, func() {
		if p, err = c.hub.pin(l.name, true, plan); err == nil {
			done <- p
		}
	}); e != nil {
		return topology.Pinned{}, e
	}
	if err != nil {
		return topology.Pinned{}, err
	}
	now := <-done
	if err := l.until(ctx, func(context.Context) verdict { return stands(now) }); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("not done in time, and taken back: %w", err)
		}
		return now.Pinned, err
	}
	came = true
	return now.Pinned, nil
}
