package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"ovsmesh/ovsdb/ovstest"
)

// atOnce is how many VMs are started side by side.
const atOnce = 4

type size struct {
	hosts, networks, vms int
}

func (s size) validate() error {
	switch {
	case s.hosts < 1 || s.hosts > 200:
		return fmt.Errorf("--hosts %d: want 1 to 200", s.hosts)
	case s.networks < 0 || s.networks > 200:
		return fmt.Errorf("--networks %d: want 0 to 200", s.networks)
	case s.vms < 0 || s.vms > 200:
		return fmt.Errorf("--vms %d: want 0 to 200", s.vms)
	case s.vms > 0 && s.networks == 0:
		return errors.New("--vms are of networks: give --networks too")
	}
	return nil
}

func newUpCommand() *cobra.Command {
	s := size{hosts: 3}
	var opts ovstest.Options
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start hosts, and VMs on them",
		Long: `up starts hosts h1, h2, … and leaves them running. With --networks each host gets
a bridge for each network, xapi1, xapi2, …; with --vms each bridge gets VMs, named
NETWORK-HOST-NUMBER. No host knows a controller, and no network is joined by
tunnels, until ovsmesh does that.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.validate(); err != nil {
				return err
			}
			if err := free(); err != nil {
				return err
			}
			start := time.Now()
			l, err := up(cmd.Context(), s, opts)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			l.print(w)
			fmt.Fprintf(w, "\nup in %.1f s. What now:\n", time.Since(start).Seconds())
			l.printHints(w)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&s.hosts, "hosts", s.hosts, "number of hosts")
	flags.IntVar(&s.networks, "networks", 0, "number of networks to make bridges and VMs for")
	flags.IntVar(&s.vms, "vms", 0, "number of VMs of each network on each host")
	flags.BoolVar(&opts.Management, "management", false, "give hosts a link of its own to the controller, apart from the underlay")
	return cmd
}

// up makes the lab. Until it is complete it belongs to this process, so that a
// crash half way leaves nothing for long.
func up(ctx context.Context, s size, opts ovstest.Options) (_ *lab, err error) {
	bed, err := ovstest.NewBed(ctx, opts)
	if err != nil {
		return nil, err
	}
	l := &lab{Bed: bed.ID, bed: bed}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.remove())
		}
	}()
	for n := range s.networks {
		l.Networks = append(l.Networks, labNetwork(n+1))
	}
	if err := l.publish(); err != nil {
		return nil, err
	}
	if err := l.addHosts(ctx, s); err != nil {
		return nil, err
	}
	return l, bed.Keep()
}

func (l *lab) addHosts(ctx context.Context, s size) error {
	var names []string
	for i := range s.hosts {
		names = append(names, fmt.Sprintf("h%d", i+1))
	}
	hosts, err := l.bed.AddHosts(ctx, names...)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, h := range hosts {
		group.Go(func() error { return l.furnish(ctx, h, s.vms) })
	}
	return group.Wait()
}

// furnish gives a host the bridges of all networks, and their VMs.
func (l *lab) furnish(ctx context.Context, h *ovstest.Host, vms int) error {
	for _, n := range l.Networks {
		if err := h.AddBridge(ctx, n.Bridge); err != nil {
			return err
		}
		for k := range vms {
			if _, err := h.AddVM(ctx, n.vm(h, k+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func newDownCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop and remove everything that up made",
		Long: `down removes the lab, also one that a crash left half made, and what other
crashed processes left of such beds. Where nothing is up it does nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return down() },
	}
}

func down() error {
	l, err := readLab()
	switch {
	case errors.Is(err, errNoLab):
		return ovstest.Sweep()
	case err != nil:
		return err
	}
	return errors.Join(l.remove(), ovstest.Sweep())
}
