package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
)

// rowLimits are the targets of what the database tells of at once. Traffic on the
// host that is met may suffer: what it loses is counted.
func rowLimits() Limits {
	return Limits{Within: 2 * time.Second, Lost: Any, Rows: Any, Flows: Any}
}

// handFaults are changes of what is ours by somebody else.
func handFaults() []Fault {
	return []Fault{
		rowsByHand("port-removed", "a tunnel's port removed by hand", removePort, audit.MissingTunnel),
		rowsByHand("port-changed", "a tunnel's key or remote_ip changed by hand", changePort, audit.ChangedTunnel),
		{
			Name: "port-renumbered", What: "ofport_request of a tunnel or a VIF changed by hand",
			Expect: "our flows follow it; that of a tunnel is recorded", Limits: rowLimits(), Inject: renumberPort,
		},
		rowsByHand("controller-removed", "a bridge's controller removed by hand: the switch drops all its flows", removeController, audit.WrongBridgeSetting),
		rowsByHand("controller-changed", "the target of a bridge's controller changed by hand", changeController, audit.WrongBridgeSetting),
		rowsByHand("bridge-changed", "a setting of a bridge changed by hand", changeBridge, audit.WrongBridgeSetting),
		{
			Name: "bridge-removed", What: "a bridge that ovsmesh made (createBridge) removed by hand",
			Expect: "made again, with its tunnels", Limits: rowLimits(), Prepare: makeBridges, Inject: removeBridge,
		},
		{
			Name: "manager-removed", What: "a host's manager removed by hand (ovs-vsctl del-manager)",
			Expect: "no loss; shown as unreachable, with what to do on the host: we can't",
			Limits: Limits{Within: 10 * time.Second},
			Inject: removeManager,
		},
		flowsByHand("flow-removed", "a flow of ours deleted by hand", removeFlow, audit.MissingFlow),
		flowsByHand("flows-removed", "all flows of a bridge deleted by hand", removeFlows, audit.MissingFlow),
		flowsByHand("flow-changed", "a flow of ours changed by hand", changeFlow, audit.ChangedFlow),
		flowsByHand("flow-added", "a flow with our mark added by hand", addFlow, audit.UnexpectedFlow),
	}
}

// change makes a change at a place, by hand.
type change func(context.Context, *Mesh, place, *rand.Rand) error

// rowsByHand is a change of rows of ours that is to be mended and recorded.
func rowsByHand(name, what string, do change, kinds ...string) Fault {
	return Fault{
		Name: name, What: what, Expect: "put right, recorded in the history", Limits: rowLimits(),
		Inject: func(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
			p := m.pick(rng)
			since := time.Now()
			in := Injected{Host: p.host.Name, Since: since}
			in.Right = func(ctx context.Context) error {
				if err := m.recorded(ctx, p.host.Name, since, kinds...); err != nil {
					return err
				}
				return Until(ctx, m.Clean)
			}
			in.Undo = nothing // BFD takes its time
			return in, do(ctx, m, p, rng)
		},
	}
}

// flowsByHand is likewise a change of flows of ours, of which the switch tells.
func flowsByHand(name, what string, do change, kinds ...string) Fault {
	return Fault{
		Name: name, What: what, Expect: "put right, recorded in the history",
		Limits: Limits{Within: time.Second, Lost: Any, Flows: Any},
		Inject: func(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
			p := m.pick(rng)
			in := Injected{Host: p.host.Name}
			flows, err := m.flows(ctx, p.host, p.bridge)
			if err != nil {
				return in, err
			}
			since := time.Now()
			in.Since = since
			in.Right = func(ctx context.Context) error {
				return m.exact(ctx, p.host, map[string][]string{p.bridge: flows})
			}
			in.Undo = func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, rightLimit)
				defer cancel()
				return m.recorded(ctx, p.host.Name, since, kinds...)
			}
			return in, do(ctx, m, p, rng)
		},
	}
}

func removePort(ctx context.Context, _ *Mesh, p place, _ *rand.Rand) error {
	name, err := p.tunnel(ctx)
	if err == nil {
		_, err = p.host.VSCtl(ctx, "del-port", name)
	}
	return err
}

func changePort(ctx context.Context, _ *Mesh, p place, rng *rand.Rand) error {
	name, err := p.tunnel(ctx)
	if err == nil {
		set := []string{"options:key=99", "options:remote_ip=203.0.113.9", "options:key=flow"}[rng.IntN(3)]
		_, err = p.host.VSCtl(ctx, "set", "Interface", name, set)
	}
	return err
}

func renumberPort(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	p := m.pick(rng)
	in := Injected{Host: p.host.Name}
	name, err := p.tunnel(ctx)
	if err != nil {
		return in, err
	}
	kinds := []string{audit.ChangedTunnel}
	if vm := m.vmAt(p.name, p.host); vm != nil && rng.IntN(2) == 0 {
		name, kinds = vm.Interface, nil
	}
	number := fmt.Sprint(100 + rng.IntN(20_000))
	in.Since = time.Now()
	if _, err := p.host.VSCtl(ctx, "set", "Interface", name, "ofport_request="+number); err != nil {
		return in, err
	}
	since := in.Since
	in.Undo = nothing // BFD takes its time
	in.Right = func(ctx context.Context) error {
		if err := m.recorded(ctx, p.host.Name, since, kinds...); err != nil {
			return err
		}
		if got, err := p.host.VSCtl(ctx, "get", "Interface", name, "ofport"); err != nil || got != number {
			return errors.Join(err, fmt.Errorf("port %s of %s has number %s, want %s", name, p.host.Name, got, number))
		}
		return Until(ctx, func(ctx context.Context) error {
			flows, err := m.flows(ctx, p.host, p.bridge)
			if err == nil && !slices.ContainsFunc(flows, func(f string) bool { return strings.Contains(f, "in_port="+number) }) {
				err = fmt.Errorf("no flow of %s %s is for port %s, number %s", p.host.Name, p.bridge, name, number)
			}
			if err != nil {
				return err
			}
			return m.Clean(ctx)
		})
	}
	return in, nil
}

func removeController(ctx context.Context, _ *Mesh, p place, _ *rand.Rand) error {
	_, err := p.host.VSCtl(ctx, "del-controller", p.bridge)
	return err
}

func changeController(ctx context.Context, _ *Mesh, p place, _ *rand.Rand) error {
	_, err := p.host.VSCtl(ctx, "set", "Controller", p.bridge, `target="tcp:127.0.0.1:9"`)
	return err
}

func changeBridge(ctx context.Context, _ *Mesh, p place, rng *rand.Rand) error {
	set := []string{"fail_mode=standalone", "other_config:disable-in-band=false", "stp_enable=true"}
	_, err := p.host.VSCtl(ctx, "set", "Bridge", p.bridge, set[rng.IntN(len(set))])
	return err
}

// madeBridge is a network whose bridges we make.
const madeBridge = `networks: [{name: green, encap: gre, key: 104, bridge: xapi9, createBridge: true, datapathType: netdev, hosts: %s}]`

// makeBridges has a bridge made on every host.
func makeBridges(ctx context.Context, m *Mesh) (func(context.Context) error, error) {
	var names []string
	for _, h := range m.Hosts() {
		names = append(names, h.Name)
	}
	cleanUp := func(ctx context.Context) error {
		_, err := m.Server.Client.Delete(ctx, api.KindNetworks, "green")
		return errors.Join(err, m.settledWithin(ctx, settleLimit))
	}
	return cleanUp, m.Apply(ctx, fmt.Sprintf(madeBridge, "["+strings.Join(names, ", ")+"]"))
}

func removeBridge(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	in := Injected{Host: h.Name}
	in.Since = time.Now()
	_, err := h.VSCtl(ctx, "del-br", "xapi9")
	in.Right = func(ctx context.Context) error {
		return Until(ctx, func(ctx context.Context) error {
			if _, err := h.VSCtl(ctx, "br-exists", "xapi9"); err != nil {
				return fmt.Errorf("bridge xapi9 of %s: %w", h.Name, err)
			}
			return m.Settled(ctx)
		})
	}
	return in, err
}

func removeManager(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	h := m.pick(rng).host
	in := Injected{Host: h.Name, Since: time.Now()}
	_, err := h.VSCtl(ctx, "del-manager")
	in.Right = func(ctx context.Context) error {
		return m.alarmed(ctx, h.Name, "ovs-vsctl set-manager "+m.Server.Manager(), api.HealthUnreachable, api.HealthStuck)
	}
	in.Undo = func(ctx context.Context) error { return m.Join(ctx, h, m.Server) }
	return in, err
}

// anyFlow picks a flow of ours at a place.
func (m *Mesh) anyFlow(ctx context.Context, p place, rng *rand.Rand) (string, error) {
	flows, err := m.flows(ctx, p.host, p.bridge)
	if err == nil && len(flows) == 0 {
		err = fmt.Errorf("%s %s has no flows of ours", p.host.Name, p.bridge)
	}
	if err != nil {
		return "", err
	}
	return flows[rng.IntN(len(flows))], nil
}

func removeFlow(ctx context.Context, m *Mesh, p place, rng *rand.Rand) error {
	f, err := m.anyFlow(ctx, p, rng)
	if err == nil {
		_, err = p.host.OFCtl(ctx, "--strict", "del-flows", p.bridge, matchOf(f))
	}
	return err
}

func removeFlows(ctx context.Context, _ *Mesh, p place, _ *rand.Rand) error {
	_, err := p.host.OFCtl(ctx, "del-flows", p.bridge)
	return err
}

// changeFlow makes a flow do what none of ours does.
func changeFlow(ctx context.Context, m *Mesh, p place, rng *rand.Rand) error {
	f, err := m.anyFlow(ctx, p, rng)
	if err == nil {
		_, err = p.host.OFCtl(ctx, "--strict", "mod-flows", p.bridge, matchOf(f)+",actions=in_port")
	}
	return err
}

func addFlow(ctx context.Context, _ *Mesh, p place, rng *rand.Rand) error {
	_, err := p.host.OFCtl(ctx, "add-flow", p.bridge,
		fmt.Sprintf("cookie=%s0000ffff0001,table=60,priority=%d,dl_type=0x88cc,actions=drop", ourCookie, 2+rng.IntN(100)))
	return err
}

// nothing is to be undone; the mesh has still to settle.
func nothing(context.Context) error { return nil }
