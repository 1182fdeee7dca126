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
	bulk  = 50       // networks that come and go at once
	broad = 2        // hosts that have these networks
	crowd = bulk + 1 // VIFs of a host that change at once; one stays when the networks take theirs

	bulkBridge = "xapi3"
	bulkPrefix = "bulk-"
)

// crowdSpec adds a network in which every host has many VIFs. They are plugged
// once, before there is traffic: a switch that makes fifty devices forwards
// nothing meanwhile, whoever its controller is.
const crowdSpec = `
networks:
  - {name: crowd, tenant: initech, encap: gre, key: 1999, bridge: ` + bulkBridge + `}
`

// siege kills the controller again and again, at moments of which it knows
// nothing: while it rests, starts, or carries out a large change.
type siege struct {
	m   *Mesh
	rng *rand.Rand

	networks known  // the bulk networks, as far as the controller's answers tell
	vifs     string // host whose VIFs of the crowd have MACs; "": none
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

// gather makes the crowd.
func gather(ctx context.Context, m *Mesh) (func(context.Context) error, error) {
	cleanUp := func(ctx context.Context) error { return scatter(ctx, m) }
	for _, h := range m.Hosts() {
		if err := addCrowd(ctx, h); err != nil {
			return cleanUp, err
		}
	}
	return cleanUp, m.Apply(ctx, crowdSpec)
}

// scatter makes the mesh what it was before gather.
func scatter(ctx context.Context, m *Mesh) error {
	var errs []error
	if !m.Server.Running() {
		errs = append(errs, m.Server.Start(ctx))
	}
	_, err := m.Server.Client.Apply(ctx, intent(false, false))
	errs = append(errs, err)
	for _, h := range m.Hosts() {
		_, err := h.VSCtl(ctx, "--if-exists", "del-br", bulkBridge)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, m.settledWithin(ctx, settleLimit))...)
}

func killOften(ctx context.Context, m *Mesh, rng *rand.Rand) (Injected, error) {
	s := &siege{m: m, rng: rng}
	witness, err := m.Witness(ctx)
	if err != nil {
		return Injected{}, err
	}
	for i := range kills {
		if err := s.strike(ctx, i == kills-1); err != nil {
			return Injected{}, fmt.Errorf("kill %d of %d: %w", i+1, kills, err)
		}
	}
	m.log("killed %d times, in sync %d times between, at worst %v after a start", kills, s.checked, s.worst.Round(time.Millisecond))
	return Injected{Took: s.worst, Check: witness.Untouched}, nil
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
	case len(all.Networks)-n != len(networks)+1:
		return fmt.Errorf("%d networks beside the bulk, want %d", len(all.Networks)-n, len(networks)+1)
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
	doing, then := fmt.Sprintf("%d networks go", bulk), absent
	if s.networks == absent || s.networks == unclear && s.rng.IntN(2) == 0 {
		doing, then = fmt.Sprintf("%d networks come", bulk), present
	}
	answer := make(chan error, 1)
	go func() {
		_, err := s.m.Server.Client.Apply(ctx, intent(true, then == present))
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

// changeVIFs gives all VIFs of a host's crowd their MACs, or takes them away.
// What a host's database holds no kill can take back.
func (s *siege) changeVIFs(ctx context.Context) (string, func() error, error) {
	none := func() error { return nil }
	if host := s.vifs; host != "" {
		s.vifs = ""
		return fmt.Sprintf("%d VIFs of %s lose their MACs", crowd, host), none, setCrowd(ctx, s.m.Host(host), false)
	}
	hosts := s.m.Hosts()
	h := hosts[s.rng.IntN(len(hosts))]
	s.vifs = h.Name
	return fmt.Sprintf("%d VIFs of %s get MACs", crowd, h.Name), none, setCrowd(ctx, h, true)
}

// intent is all that the controller is to have, with or without the network
// besides, that of the crowd, and the bulk networks.
func intent(besides, networks bool) api.ApplyRequest {
	req := api.ApplyRequest{Prune: true, Files: []api.File{{Name: "faults.yaml", Data: spec}}}
	if besides {
		req.Files = append(req.Files, api.File{Name: "crowd.yaml", Data: crowdSpec})
	}
	if networks {
		req.Files = append(req.Files, api.File{Name: "bulk.yaml", Data: bulkSpec()})
	}
	return req
}

// bulkSpec is that of many networks, each of which takes one VIF of the crowd on
// each of the first hosts.
func bulkSpec() string {
	var nets, ports strings.Builder
	for k := range bulk {
		fmt.Fprintf(&nets, "  - {name: %s%d, encap: gre, key: %d}\n", bulkPrefix, k, 2000+k)
		for h := range broad {
			fmt.Fprintf(&ports, "  - {name: %s%d-%d, network: %[1]s%[2]d, match: {host: h%[3]d, interface: %s}}\n", bulkPrefix, k, h+1, crowdVIF(k))
		}
	}
	return "networks:\n" + nets.String() + "ports:\n" + ports.String()
}

func crowdVIF(k int) string { return fmt.Sprintf("crowd%d", k) }

// addCrowd plugs the VIFs of the crowd on a host, in one transaction. They are
// of no VM.
func addCrowd(ctx context.Context, h *ovstest.Host) error {
	if err := h.AddBridge(ctx, bulkBridge); err != nil {
		return err
	}
	var args []string
	for k := range crowd {
		args = append(args, "--", "add-port", bulkBridge, crowdVIF(k), "--", "set", "Interface", crowdVIF(k), "type=internal")
	}
	_, err := h.VSCtl(ctx, args[1:]...)
	return err
}

// setCrowd gives the VIFs of a host's crowd MACs of their own, or none, in one
// transaction.
func setCrowd(ctx context.Context, h *ovstest.Host, macs bool) error {
	var args []string
	for k := range crowd {
		if macs {
			args = append(args, "--", "set", "Interface", crowdVIF(k), fmt.Sprintf(`external_ids:attached-mac="02:00:01:00:%02x:%02x"`, h.Index, k))
		} else {
			args = append(args, "--", "remove", "Interface", crowdVIF(k), "external_ids", "attached-mac")
		}
	}
	_, err := h.VSCtl(ctx, args[1:]...)
	return err
}
