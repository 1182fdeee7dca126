package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ovsmesh/controller"
)

// bench is one run of the benchmarks. What is compared is measured in turns,
// in one run, on fresh switches in every round, and only medians are compared:
// another machine, or a busier hour, gives other times and much the same
// ratios.
type bench struct {
	out      io.Writer // the table
	progress io.Writer
	tunnels  int
	rounds   int
	laps     int // single tunnels in a round
	samples  int // of the plugin's way, at each point of a round
	profile  string

	ours, floor, oneOurs, oneFloor []time.Duration
	plugin                         [][]time.Duration // by point
}

// errTargetMissed ends a run in which a line of the table says "no".
var errTargetMissed = errors.New("a target was missed")

func newBenchCommand() *cobra.Command {
	b := &bench{tunnels: 1000, rounds: 9, laps: 10, samples: 4}
	quick := false
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Compare ovsmesh's speed with the plugin's and with that of Open vSwitch itself",
		Long: `bench makes 1,000 tunnels on one real Open vSwitch (its dummy datapath, so no
packets) from a spec to all OpenFlow ports and flows, and compares the time with
that of the processes which CloudStack's ovstunnel plugin starts for as many,
and with the least that Open vSwitch needs for the same rows and flows. It ends
with 1 if a target is missed. docs/performance.md says more.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if quick {
				b.rounds, b.samples = 3, 2
			}
			b.out, b.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return b.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "fewer rounds")
	cmd.Flags().StringVar(&b.profile, "cpuprofile", "", "write a CPU profile of the controller's part into a file")
	return cmd
}

func (b *bench) run(ctx context.Context) error {
	controller.TuneMemory() // as ovsmesh serve does
	b.plugin = make([][]time.Duration, len(pluginPoints(b.tunnels)))
	if b.profile != "" {
		f, err := os.Create(b.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for i := range b.rounds {
		fmt.Fprintf(b.progress, "round %d of %d\n", i+1, b.rounds)
		if err := b.round(ctx); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
	}
	met, err := printResults(b.out, b.results())
	if err == nil && !met {
		err = errTargetMissed
	}
	return err
}

// round measures everything once.
func (b *bench) round(ctx context.Context) (err error) {
	if err := b.pluginRound(ctx); err != nil {
		return err
	}
	floor, err := startFloor(ctx)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	defer func() { err = errors.Join(err, floor.Close()) }()
	ours, err := startOurs(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.Close()) }()

	if err := b.lap(ctx, ours, floor, b.tunnels, &b.ours, &b.floor); err != nil {
		return err
	}
	for range b.laps {
		if err := b.lap(ctx, ours, floor, 1, &b.oneOurs, &b.oneFloor); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) pluginRound(ctx context.Context) error {
	costs, err := samplePlugin(ctx, pluginPoints(b.tunnels), b.samples)
	if err != nil {
		return err
	}
	for i, c := range costs {
		b.plugin[i] = append(b.plugin[i], c...)
	}
	return nil
}

// lap measures n tunnels more, on the one switch and on the other.
func (b *bench) lap(ctx context.Context, ours *benchOurs, floor *benchFloor, n int, o, f *[]time.Duration) error {
	took, err := ours.add(ctx, n)
	if err != nil {
		return fmt.Errorf("%d tunnels by ovsmesh: %w", n, err)
	}
	*o = append(*o, took)
	if took, err = floor.add(ctx, n); err != nil {
		return fmt.Errorf("%d tunnels by hand: %w", n, err)
	}
	*f = append(*f, took)
	return nil
}

func (b *bench) results() []benchResult {
	n := thousands(b.tunnels)
	points := pluginPoints(b.tunnels)
	costs := make([]time.Duration, len(points))
	for i, c := range b.plugin {
		costs[i] = median(c)
		fmt.Fprintf(b.progress, "the plugin's tunnel no. %d: %s\n", points[i], short(costs[i]))
	}
	ours, floor := median(b.ours), median(b.floor)
	return []benchResult{
		{name: n + " tunnels: the plugin's processes", ours: ours, other: integrate(points, costs), limit: 200, faster: true},
		{name: n + " tunnels: one transaction, flows", ours: ours, other: floor, limit: 1.5},
		{name: "one more at " + n + ": the same", ours: median(b.oneOurs), other: median(b.oneFloor), limit: 1.5},
	}
}

// thousands writes a number as people do.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// rest returns when this process has been idle for a while, and has no garbage
// of before to clear away, so that one measurement does not pay for another.
func rest(ctx context.Context) error {
	runtime.GC()
	deadline := time.Now().Add(benchWait)
	for {
		before, err := processTime()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(benchRest):
		}
		after, err := processTime()
		if err != nil {
			return err
		}
		if after-before < benchRest/10 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still busy after %v", benchWait)
		}
	}
}

// processTime is how long this process has been on a CPU.
func processTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
