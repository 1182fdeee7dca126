package controller

import (
	"context"
	"time"

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
	return loop.ask(ctx, func(context.Context) { loop.gate.compilers.network = f })
}

// Repipe has a controller put what f makes of each list of flows in the place of
// what package pipeline compiles: the pipeline of another version.
func Repipe(f func([]flow.Flow) []flow.Flow) func(*Config) {
	return func(c *Config) {
		c.compilers = compilers{
			network: func(n pipeline.Network) ([]flow.Flow, error) {
				flows, err := pipeline.Compile(n)
				return f(flows), err
			},
			base: func(b pipeline.Bridge) []flow.Flow { return f(pipeline.Base(b)) },
		}
	}
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

// Linger makes a host's loop, which has lost the lock, keep the bridges that are
// connected to it for longer than it would: a look at them may take a while.
func (c *Controller) Linger(ctx context.Context, name string) bool {
	var loop *host
	if err := c.hub.do(ctx, func() { loop = c.hub.hosts[name] }); err != nil || loop == nil {
		return false
	}
	return loop.ask(ctx, func(context.Context) { loop.writing.since = loop.writing.since.Add(time.Hour) })
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

// Unhear runs f while a host's loop stands still, and has it forget what its
// switches told meanwhile, once there is something.
func (c *Controller) Unhear(ctx context.Context, name string, f func()) bool {
	var loop *host
	if err := c.hub.do(ctx, func() { loop = c.hub.hosts[name] }); err != nil || loop == nil {
		return false
	}
	forgot := false
	return loop.ask(ctx, func(ctx context.Context) {
		f()
		for !forgot && ctx.Err() == nil {
			for _, b := range loop.bridges {
				forgot = forgot || len(b.sess.TakeFlows().Updates) > 0
			}
			time.Sleep(time.Millisecond)
		}
	}) && forgot
}
