package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// tunnelPatience is how long a call of the plugin may take before it is given
// up: its callers wait for 30 s.
const tunnelPatience = 20 * time.Second

// How many calls may wait at once. A host that hangs must not keep all others
// from being served.
const (
	tunnelCalls       = 256
	tunnelCallsOfHost = 64
)

// Tunnel carries out a call of CloudStack's ovstunnel plugin: it makes it part
// of the intent, waits until it is true on the calling host, and answers as the
// plugin would. A call that fails leaves nothing behind that it has added; one
// that is repeated changes nothing.
func (c *Controller) Tunnel(ctx context.Context, r api.TunnelRequest) (api.TunnelAnswer, error) {
	began := time.Now()
	t := tunnelCall{ctl: c}
	err := t.serve(ctx, r)
	t.tell(r.Function, time.Since(began), err)
	if err != nil {
		return api.TunnelAnswer{}, err
	}
	return t.answer, nil
}

// tunnelCall is one call under way.
type tunnelCall struct {
	ctl    *Controller
	args   tunnelArgs
	host   string // that was called; "" until it is known
	answer api.TunnelAnswer
}

func (t *tunnelCall) serve(ctx context.Context, r api.TunnelRequest) (err error) {
	if t.args, err = readTunnelArgs(r.TunnelCall); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.ctl.env.patience)
	defer cancel()
	caller, err := t.ctl.caller(ctx, r)
	if err != nil {
		return err
	}
	t.host, t.answer.Host = caller.name, caller.name
	free, err := t.ctl.calls.enter(caller.name)
	if err != nil {
		return err
	}
	defer free()
	err = t.carryOut(ctx, caller)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("host %s: not done within %v: %w", t.host, t.ctl.env.patience, api.ErrUnavailable)
	}
	return err
}

func (t *tunnelCall) carryOut(ctx context.Context, caller callingHost) error {
	switch t.args.function {
	case fnTopology, fnPolicy:
		return t.keep(ctx)
	case fnSetupVPC:
		return t.setupVPC(ctx)
	}
	l, err := caller.ready(t.ctl)
	if err != nil {
		return err
	}
	if err := t.refuseVPC(ctx); err != nil {
		return err
	}
	switch t.args.function {
	case fnSetupBridge:
		err = t.setupBridge(ctx, l)
	case fnCreateTunnel:
		err = t.createTunnel(ctx, l)
	case fnDestroyTunnel:
		err = t.destroyTunnel(ctx, l)
	case fnDestroyBridge:
		err = t.destroyBridge(ctx, l)
	}
	return err
}

// plugin returns the call in the terms of the mesh. It must be called on the
// hub's goroutine.
func (t *tunnelCall) plugin() topology.PluginCall {
	p := topology.PluginCall{
		Host: t.host, Bridge: t.args.bridge, Name: t.args.name, XSNetworkUUID: t.args.xsNetworkUUID, Key: t.args.key,
		RemoteIP: t.args.remoteIP, From: t.args.from, To: t.args.to, Port: t.args.port,
	}
	if p.From == 0 {
		p.From = t.args.host
	}
	if p.RemoteIP.IsValid() {
		p.Remote, _ = t.ctl.hub.mesh.HostAt(p.RemoteIP)
	}
	return p
}

func (t *tunnelCall) setupBridge(ctx context.Context, l *host) error {
	p, err := t.ctl.pinAndWait(ctx, l, func() (*topology.Change, topology.Pinned, error) { return t.ctl.hub.intent.PlanSetupBridge(t.plugin()) },
		func(p pinned) verdict { return l.bridgeStands(p, t.args.bridge) })
	return t.answered(p, err, "SUCCESS:"+t.args.bridge)
}

func (t *tunnelCall) createTunnel(ctx context.Context, l *host) error {
	p, err := t.ctl.pinAndWait(ctx, l, func() (*topology.Change, topology.Pinned, error) {
		return t.ctl.hub.intent.PlanCreateTunnel(t.plugin())
	},
		func(p pinned) verdict { return l.tunnelStands(p, t.args.bridge) })
	return t.answered(p, err, "SUCCESS:"+p.Port)
}

func (t *tunnelCall) answered(p topology.Pinned, err error, value string) error {
	t.answer.Network, t.answer.Value = p.Network, value
	return err
}

func (t *tunnelCall) destroyTunnel(ctx context.Context, l *host) error {
	p, err := t.unpin(ctx, func() (*topology.Change, topology.Pinned, error) {
		return t.ctl.hub.intent.PlanDestroyTunnel(t.plugin())
	})
	if err == nil {
		err = l.until(ctx, func(context.Context) verdict { return l.tunnelGone(p.gen, t.args.port) })
	}
	return t.answered(p.Pinned, err, "SUCCESS")
}

// destroyBridge takes the network off the bridge and then the bridge away. One
// that is in use is refused before anything has changed.
func (t *tunnelCall) destroyBridge(ctx context.Context, l *host) error {
	bridge := t.args.bridge
	if err := l.until(ctx, func(context.Context) verdict { return l.bridgeFree(bridge) }); err != nil {
		return err
	}
	p, err := t.unpin(ctx, func() (*topology.Change, topology.Pinned, error) {
		return t.ctl.hub.intent.PlanDestroyBridge(t.plugin())
	})
	if err == nil {
		err = l.until(ctx, func(ctx context.Context) verdict { return l.bridgeGone(ctx, p.gen, bridge) })
	}
	if err == nil {
		err = t.ctl.forgetDocuments(ctx, t.host, bridge)
	}
	return t.answered(p.Pinned, err, "SUCCESS:"+bridge)
}

// unpin makes a change of the intent true that takes pins away.
func (t *tunnelCall) unpin(ctx context.Context, plan func() (*topology.Change, topology.Pinned, error)) (pinned, error) {
	done := make(chan pinned, 1)
	var err error
	if e := t.ctl.hub.do(ctx, func() {
		var p pinned
		if p, err = t.ctl.hub.pin(t.host, false, plan); err == nil {
			done <- p
		}
	}); e != nil {
		return pinned{}, e
	}
	if err != nil {
		return pinned{}, err
	}
	return <-done, nil
}

// tell logs and counts a call that has been answered.
func (t *tunnelCall) tell(function string, took time.Duration, err error) {
	outcome := tunnelOutcome(err)
	t.ctl.metrics.tunnelCalls.told(function, outcome, took)
	fields := []zap.Field{
		zap.String("function", fmt.Sprintf("%.64s", function)), zap.String("host", t.host), zap.String("bridge", t.args.bridge),
		zap.String("network", t.answer.Network), zap.Duration("took", took.Round(time.Millisecond)),
	}
	if err != nil {
		t.ctl.log.Warn("call of the plugin refused", append(fields, zap.String("outcome", outcome), zap.Error(err))...)
		return
	}
	t.ctl.log.Info("call of the plugin", append(fields, zap.String("value", t.answer.Value))...)
}

// callers counts the calls that wait.
type callers struct {
	mu     sync.Mutex
	all    int
	byHost map[string]int
}

// enter counts a call in, or refuses it; free counts it out.
func (c *callers) enter(host string) (free func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.all >= tunnelCalls:
		return nil, fmt.Errorf("%d calls wait already: %w", c.all, api.ErrUnavailable)
	case c.byHost[host] >= tunnelCallsOfHost:
		return nil, fmt.Errorf("%d calls of host %s wait already: %w", c.byHost[host], host, api.ErrUnavailable)
	}
	if c.byHost == nil {
		c.byHost = map[string]int{}
	}
	c.all++
	c.byHost[host]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all--
		if c.byHost[host]--; c.byHost[host] == 0 {
			delete(c.byHost, host)
		}
	}, nil
}

// waiting returns how many calls wait.
func (c *callers) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// isVPCBridge reports whether CloudStack gives that name to the bridge of a VPC
// with distributed routing.
func isVPCBridge(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "ovs-dr-vpc-bridge")
}
