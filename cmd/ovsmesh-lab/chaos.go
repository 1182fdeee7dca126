package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ovsmesh/controller/faults"
)

// chaos is one run: every fault once, then random ones.
type chaos struct {
	out, progress io.Writer
	binary        string
	hosts         int
	duration      time.Duration
	seed          uint64
	names         []string // of the faults that are made; none: all
	markdown      string

	mesh    *faults.Mesh
	started time.Time
}

func newChaosCommand() *cobra.Command {
	c := &chaos{hosts: 4, duration: 10 * time.Minute}
	list := false
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Break things under traffic and see them put right",
		Long: `chaos makes a mesh of real hosts with VMs that send each other 1,000 packets a
second, breaks one thing after the other (the controller, switches, databases,
links, rows and flows changed by hand), waits each time until all is right again
and audited, and counts what was lost and written. First every fault is made
once, then faults are picked at random until the time is over; memory, goroutines
and descriptors of the controller must then be what they were.

It ends with 1 if a target is missed. A seed repeats the same random faults.
docs/reliability.md says more.`,
		Example: `  ovsmesh-lab chaos
  ovsmesh-lab chaos --list
  ovsmesh-lab chaos --fault controller-kill --fault controller-freeze --duration 0
  ovsmesh-lab chaos --duration 1h --seed 42`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.out, c.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			if list {
				return listFaults(c.out, faults.Faults())
			}
			if !cmd.Flags().Changed("seed") {
				c.seed = rand.Uint64N(1e6)
			}
			err := c.run(cmd.Context())
			if cmd.Context().Err() != nil {
				return errors.New("interrupted")
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&c.duration, "duration", c.duration, "how long random faults are made; 0: not at all")
	flags.Uint64Var(&c.seed, "seed", 0, "repeat the random faults of this seed (default: a new one, which is printed)")
	flags.StringSliceVar(&c.names, "fault", nil, "make only this fault; repeatable (default: all)")
	flags.BoolVar(&list, "list", false, "only list the faults")
	flags.StringVar(&c.markdown, "markdown", "", "also put the table into this file, between its two marker lines")
	flags.StringVar(&c.binary, "ovsmesh", besideUs("ovsmesh"), "the controller's program")
	flags.IntVar(&c.hosts, "hosts", c.hosts, "number of hosts")
	cmd.RegisterFlagCompletionFunc("fault", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, f := range faults.Faults() {
			names = append(names, f.Name+"\t"+f.What)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// chosen returns the faults that are made.
func (c *chaos) chosen() ([]faults.Fault, error) {
	if len(c.names) == 0 {
		return faults.Faults(), nil
	}
	var list []faults.Fault
	for _, name := range c.names {
		f, err := faults.Find(name)
		if err != nil {
			return nil, fmt.Errorf("--fault: %w: see ovsmesh-lab chaos --list", err)
		}
		list = append(list, f)
	}
	return list, nil
}

func (c *chaos) run(ctx context.Context) (err error) {
	list, err := c.chosen()
	if err != nil {
		return err
	}
	if c.hosts < minChaosHosts {
		return fmt.Errorf("--hosts %d: faults want %d at least", c.hosts, minChaosHosts)
	}
	if c.markdown != "" {
		if err := checkMarkdown(c.markdown); err != nil {
			return fmt.Errorf("--markdown: %w", err)
		}
	}
	c.started = time.Now()
	defer func() { err = errors.Join(err, c.close()) }()
	t := chaosTable{seed: c.seed, hosts: c.hosts}
	for i, f := range list {
		r, err := c.once(ctx, f)
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		c.say(fmt.Sprintf("%d of %d", i+1, len(list)), r)
		t.once = append(t.once, r)
	}
	if err := cmp.Or(c.random(ctx, list, &t), ctx.Err()); err != nil {
		return err
	}
	if err := t.print(c.out); err != nil {
		return err
	}
	if c.markdown != "" {
		if err := t.writeMarkdown(c.markdown); err != nil {
			return fmt.Errorf("--markdown: %w", err)
		}
	}
	if !t.met() {
		return errTargetMissed
	}
	return nil
}

// minChaosHosts is how many hosts a fault needs: one that it meets, its peer,
// and two that have nothing to do with it.
const minChaosHosts = 4

// once makes one fault. After one that went wrong the mesh is made anew, so that
// the next one meets a sound one. The error is that there is none.
func (c *chaos) once(ctx context.Context, f faults.Fault) (faults.Result, error) {
	if err := c.open(ctx); err != nil {
		return faults.Result{}, err
	}
	r, err := c.mesh.Run(ctx, f, c.seed)
	if err != nil && ctx.Err() == nil {
		return r, c.close()
	}
	return r, nil
}

// random makes random faults for the rest of the run.
func (c *chaos) random(ctx context.Context, list []faults.Fault, t *chaosTable) error {
	var some []faults.Fault
	for _, f := range list {
		if !f.Apart {
			some = append(some, f)
		}
	}
	if c.duration <= 0 || len(some) == 0 {
		return nil
	}
	if err := c.open(ctx); err != nil {
		return err
	}
	fmt.Fprintf(c.progress, "%s  random faults for %v, seed %d\n", c.clock(), c.duration, c.seed)
	n := 0
	var err error
	t.report, err = c.mesh.Chaos(ctx, faults.ChaosOptions{Seed: c.seed, Duration: c.duration, Faults: some, Each: func(r faults.Result) {
		n++
		c.say(fmt.Sprintf("random %d", n), r)
	}})
	t.duration, t.wrong = c.duration, err
	return nil
}

// open makes the mesh, where there is none.
func (c *chaos) open(ctx context.Context) error {
	if c.mesh != nil {
		return nil
	}
	fmt.Fprintf(c.progress, "%s  %d hosts, a controller, two networks\n", c.clock(), c.hosts)
	var err error
	c.mesh, err = faults.Start(ctx, faults.Options{Binary: c.binary, Hosts: c.hosts})
	return err
}

func (c *chaos) close() error {
	if c.mesh == nil {
		return nil
	}
	err := c.mesh.Close()
	c.mesh = nil
	return err
}

func (c *chaos) clock() string {
	d := time.Since(c.started)
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// say tells at once what became of a fault.
func (c *chaos) say(which string, r faults.Result) {
	verdict := "ok"
	if !r.Met {
		verdict = "NO: " + r.Why
	}
	where := ""
	if r.Host != "" {
		where = " on " + r.Host
	}
	fmt.Fprintf(c.progress, "%s  %s: %s%s: lost %d of %s, %s: %s\n", c.clock(), which, r.Fault.Name, where, r.Lost, thousands(r.Sent), short(r.Took), verdict)
}

func listFaults(w io.Writer, list []faults.Fault) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tWHAT\tEXPECTED\tTARGET")
	for _, f := range list {
		fmt.Fprintln(table, strings.Join([]string{f.Name, f.What, f.Expect, f.Limits.String()}, "\t"))
	}
	return table.Flush()
}
