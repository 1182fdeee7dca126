package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

const (
	kills = 50
	bulk  = 50 // networks, or VIFs of one network on one host, that come and go at once
	broad = 2  // hosts that have the networks

	bulkBridge = "xapi3"
	bulkPrefix = "bulk-"
)

// guests is the network to which VIFs come and go.
var guests = networks[1]

// siege kills the controller again and again, at moments of which it knows
// nothing: while it rests, starts, or carries out a large change.
type siege struct {
	m   *Mesh
	rng *rand.Rand

	networks known  // the bulk networks, as far as the controller's answers tell
	vifs     string // host that has the bulk VIFs among the guests; "": none has
	worst    time.Duration
	checked  int // times that the mesh was in sync between two kills
}

// known is what is known of an intent whose writer may have died.
type known int

const (
	absent  known = iota
	present       // acknowledged
	unclear       // asked for, and no answer came: all of it or nothing
)

func killOften(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	s := &siege{m: m, rng: rng}
	in := Injected{Undo: s.cleanUp}
	for _, h := range m.Hosts()[:broad] {
		if err := addVIFs(ctx, h, bulkBridge, 0); err != nil {
			return in, err
		}
	}
	if err := m.Settled(ctx); err != nil {
		return in, err
	}
	witness, err := m.Witness(ctx)
	if err != nil {
		return in, err
	}
	for i := range kills {
		if err := s.strike(ctx, i == kills-1); err != nil {
			return in, fmt.Errorf("kill %d of %d: %w", i+1, kills, err)
		}
	}
	m.log("killed %d times, in sync %d times between, at worst %v after a start", kills, s.checked, s.worst.Round(time.Millisecond))
	in.Took = s.worst
	// What a network floods to is the one flow that VIFs change that come to it.
	in.Check = func(ctx context.Context) error {
		return witness.Untouched(ctx, func(what string) bool {
			return strings.Contains(what, " "+guests.bridge+" ") && strings.Contains(what, " table=70,")
		})
	}
	return in, nil
}

// strike begins something, or nothing, kills the controller at some moment of
// it, and starts it again. Every other time, and the last, it waits until all
// is in sync; else the next kill meets a controller that has only started.
func (s *siege) strike(ctx context.Context, wait bool) error {
	if !s.m.Server.Running() {
		return errors.New("the controller does not run")
	}
	doing, done, err := s.begin(ctx)
	if err != nil {
		return err
	}
	time.Sleep(s.moment(500 * time.Millisecond))
	if err := s.m.Server.Kill(); err != nil {
		return err
	}
	if err := done(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	started := time.Now()
	if err := s.m.Server.Launch(); err != nil {
		return err
	}
	if s.rng.IntN(2) == 0 && !wait {
		s.m.log("killed (%s)", doing)
		time.Sleep(s.moment(time.Second))
		return nil
	}
	if err := s.inSync(ctx, started); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	s.m.log("killed (%s), in sync again after %v", doing, time.Since(started).Round(time.Millisecond))
	return nil
}

// moment is any time up to limit, often a short one.
func (s *siege) moment(limit time.Duration) time.Duration {
	return time.Duration(s.rng.Float64() * s.rng.Float64() * float64(limit))
}

// inSync waits until a controller that was started carries out what it has
// acknowledged, and all else is as before.
func (s *siege) inSync(ctx context.Context, started time.Time) error {
	if err := s.m.Server.Ready(ctx); err != nil {
		return err
	}
	ready := time.Now()
	limit, cancel := context.WithTimeout(ctx, rightLimit)
	defer cancel()
	if err := s.m.Settled(limit); err != nil {
		return err
	}
	// A process with the race detector on a busy machine needs a while to
	// begin; how fast the hosts are back is another matter.
	s.worst = max(s.worst, time.Since(ready))
	s.checked++
	if took := time.Since(started); took > rightLimit {
		return fmt.Errorf("in sync only %v after the start", took)
	}
	return s.acknowledged(ctx)
}

// acknowledged demands that what was acknowledged is there, and that of what
// was not all is there or nothing.
func (s *siege) acknowledged(ctx context.Context) error {
	all, err := s.m.Server.Client.Objects(ctx, api.KindNetworks, "")
	if err != nil {
		return err
	}
	ports, err := s.m.Server.Client.Objects(ctx, api.KindPorts, "")
	if err != nil {
		return err
	}
	n := 0
	for _, net := range all.Networks {
		if strings.HasPrefix(net.Name, bulkPrefix) {
			n++
		}
	}
	switch got := len(ports.Ports); {
	case len(all.Networks)-n != len(networks):
		return fmt.Errorf("%d networks beside the bulk, want %d", len(all.Networks)-n, len(networks))
	case n == bulk && got == bulk*broad && s.networks != absent:
		s.networks = present
	case n == 0 && got == 0 && s.networks != present:
		s.networks = absent
	default:
		return fmt.Errorf("%d bulk networks and %d ports are there: acknowledged were %s", n, got, [...]string{"none", "all", "all or none"}[s.networks])
	}
	return nil
}

// begin starts something large, or nothing. Done waits for its end after the
// kill, and notes what is known of it.
func (s *siege) begin(ctx context.Context) (doing string, done func() error, err error) {
	switch s.rng.IntN(3) {
	case 0:
		return "at rest", func() error { return nil }, nil
	case 1:
		doing, done = s.changeIntent(ctx)
		return doing, done, nil
	}
	return s.changeVIFs(ctx)
}

// changeIntent asks for the bulk networks, or for their end.
func (s *siege) changeIntent(ctx context.Context) (string, func() error) {
	req := api.ApplyRequest{Prune: true, Files: []api.File{{Name: "faults.yaml", Data: spec}}}
	doing, then := fmt.Sprintf("%d networks go", bulk), absent
	if s.networks == absent || s.networks == unclear && s.rng.IntN(2) == 0 {
		req.Files = append(req.Files, api.File{Name: "bulk.yaml", Data: bulkSpec()})
		doing, then = fmt.Sprintf("%d networks come", bulk), present
	}
	answer := make(chan error, 1)
	go func() {
		_, err := s.m.Server.Client.Apply(ctx, req)
		answer <- err
	}()
	return doing, func() error {
		err := <-answer
		var refused *api.StatusError
		switch {
		case err == nil:
			s.networks = then
		case errors.As(err, &refused):
			return err
		case s.networks != then:
			s.networks = unclear
		}
		return nil
	}
}

// changeVIFs brings many VIFs to a network on one host, or takes them away.
// What a host's database holds no kill can take back.
func (s *siege) changeVIFs(ctx context.Context) (string, func() error, error) {
	if host := s.vifs; host != "" {
		s.vifs = ""
		return fmt.Sprintf("%d VIFs leave %s", bulk, host), func() error { return nil }, removeVIFs(ctx, s.m.Host(host), guests.bridge)
	}
	hosts := s.m.Hosts()
	h := hosts[s.rng.IntN(len(hosts))]
	s.vifs = h.Name
	return fmt.Sprintf("%d VIFs come to %s", bulk, h.Name), func() error { return nil }, addVIFs(ctx, h, guests.bridge, 100)
}

// cleanUp makes the mesh what it was.
func (s *siege) cleanUp(ctx context.Context) error {
	var errs []error
	if !s.m.Server.Running() {
		errs = append(errs, s.m.Server.Start(ctx))
	}
	_, err := s.m.Server.Client.Apply(ctx, api.ApplyRequest{Prune: true, Files: []api.File{{Name: "faults.yaml", Data: spec}}})
	errs = append(errs, err)
	for _, h := range s.m.Hosts() {
		_, err := h.VSCtl(ctx, "--if-exists", "del-br", bulkBridge)
		errs = append(errs, err, removeVIFs(ctx, h, guests.bridge))
	}
	return errors.Join(errs...)
}

// bulkSpec is that of many networks, each with a VIF on the first hosts.
func bulkSpec() string {
	var nets, ports strings.Builder
	for k := range bulk {
		fmt.Fprintf(&nets, "  - {name: %s%d, encap: gre, key: %d}\n", bulkPrefix, k, 2000+k)
		for h := range broad {
			fmt.Fprintf(&ports, "  - {name: %s%d-%d, network: %[1]s%[2]d, match: {host: h%[3]d, interface: %s}}\n", bulkPrefix, k, h+1, bulkVIF(bulkBridge, k))
		}
	}
	return "networks:\n" + nets.String() + "ports:\n" + ports.String()
}

// bulkVIF names the bulk VIF k on a bridge.
func bulkVIF(bridge string, k int) string { return fmt.Sprintf("%s.%d", bridge, k) }

// addVIFs adds the bulk VIFs to a bridge in one transaction; the bridge is made
// if need be. They are of no VM. Their MACs differ by host, and by first from
// those of others there.
func addVIFs(ctx context.Context, h *ovstest.Host, bridge string, first int) error {
	if err := h.AddBridge(ctx, bridge); err != nil {
		return err
	}
	var args []string
	for k := range bulk {
		name := bulkVIF(bridge, k)
		args = append(args, "--", "add-port", bridge, name, "--", "set", "Interface", name, "type=internal",
			fmt.Sprintf(`external_ids:attached-mac="02:00:01:00:%02x:%02x"`, h.Index, first+k))
	}
	_, err := h.VSCtl(ctx, args[1:]...)
	return err
}

// removeVIFs undoes addVIFs, save for the bridge.
func removeVIFs(ctx context.Context, h *ovstest.Host, bridge string) error {
	var args []string
	for k := range bulk {
		args = append(args, "--", "--if-exists", "del-port", bridge, bulkVIF(bridge, k))
	}
	_, err := h.VSCtl(ctx, args[1:]...)
	return err
}
