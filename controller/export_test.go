package controller

import (
	"context"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/pipeline"
)

// Miscompile has a host's loop make flows with f instead of pipeline.Compile, or
// with that again where f is nil: there is no other way to a compiler that is
// wrong. It reports whether there is such a loop.
func (c *Controller) Miscompile(ctx context.Context, name string, f func(pipeline.Network) ([]flow.Flow, error)) bool {
	var loop *host
	if err := c.hub.do(ctx, func() { loop = c.hub.hosts[name] }); err != nil || loop == nil {
		return false
	}
	return loop.ask(ctx, func(context.Context) { loop.gate.compiler = f })
}

// Unpush makes a host's loop take its switches for ones that can't tell of
// changes of their flows.
func (c *Controller) Unpush(ctx context.Context, name string) bool {
	var loop *host
	if err := c.hub.do(ctx, func() { loop = c.hub.hosts[name] }); err != nil || loop == nil {
		return false
	}
	return loop.ask(ctx, func(context.Context) {
		for _, b := range loop.bridges {
			b.drift.push = false
		}
		loop.republish()
	})
}

// Calm takes a minute off the time since anybody last changed a setting that
// another program insists on.
func (c *Controller) Calm(ctx context.Context, name string) bool {
	var loop *host
	if err := c.hub.do(ctx, func() { loop = c.hub.hosts[name] }); err != nil || loop == nil {
		return false
	}
	return loop.ask(ctx, func(context.Context) {
		for _, b := range loop.bridges {
			for _, k := range b.contests {
				k.began, k.last = k.began.Add(-fightWindow), k.last.Add(-fightWindow)
			}
		}
		loop.wake()
	})
}
