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
	single   singleBench
	cloud    cloudBench
	audit    auditBench
	monitor  monitorBench
	verify   verifyBench
	trace    traceBench
	profile  string
}

// errTargetMissed ends a run in which a line of the table says "no".
var errTargetMissed = errors.New("a target was missed")

func newBenchCommand() *cobra.Command {
	b := &bench{
		single:  singleBench{rounds: 9, tunnels: 1000, laps: 10, samples: 4, crowd: 2000, changes: 100},
		cloud:   cloudBench{rounds: 5, cloud: cloud{hosts: 20, networks: 100}},
		audit:   auditBench{rounds: 3, flows: 100_000, laps: 5},
		monitor: monitorBench{rounds: 7, changes: 10_000},
		verify:  verifyBench{rounds: 2, laps: 30, cloud: cloud{hosts: 4, networks: 1000}},
		trace:   traceBench{rounds: 1, hosts: 200, laps: 9},
	}
	quick := false
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Compare ovsmesh's speed with the plugin's and with that of Open vSwitch itself",
		Long: `bench makes and deletes 1,000 tunnels on one real Open vSwitch (its dummy
datapath, so no packets) from a spec to all OpenFlow ports and flows, and
compares the time with that of the processes which CloudStack's ovstunnel plugin
starts for as many, and with the least that Open vSwitch needs for the same rows
and flows. It does so also for 100 changes that come one by one, and for 100
networks on 20 switches; and it measures what it costs to audit a large table, to
follow what others change, to verify and to trace. It ends with 1 if a target is
missed. docs/performance.md says more.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if quick {
				b.single.rounds, b.single.samples, b.cloud.rounds = 3, 2, 2
				b.audit.rounds, b.audit.laps = 1, 3
				b.monitor.rounds = 3
				b.verify.rounds = 1
			}
			b.out, b.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return b.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "fewer rounds")
	cmd.Flags().IntVar(&b.single.rounds, "rounds", b.single.rounds, "rounds on one switch")
	cmd.Flags().IntVar(&b.cloud.rounds, "cloud-rounds", b.cloud.rounds, "rounds on many switches")
	cmd.Flags().IntVar(&b.audit.rounds, "audit-rounds", b.audit.rounds, "rounds of the audit of a large table")
	cmd.Flags().IntVar(&b.monitor.rounds, "monitor-rounds", b.monitor.rounds, "rounds of a burst of changes by others")
	cmd.Flags().IntVar(&b.verify.rounds, "verify-rounds", b.verify.rounds, "rounds of the verification of one network")
	cmd.Flags().IntVar(&b.trace.rounds, "trace-rounds", b.trace.rounds, "rounds of a trace over 200 hosts")
	cmd.Flags().StringVar(&b.profile, "cpuprofile", "", "write a CPU profile of the controller's part into a file")
	return cmd
}

func (b *bench) run(ctx context.Context) error {
	defer controller.TuneMemory()() // as ovsmesh serve does
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
	var results []benchResult
	for _, part := range []struct {
		name    string
		rounds  int
		round   func(context.Context) error
		results func(io.Writer) []benchResult
	}{
		{"one switch", b.single.rounds, b.single.round, b.single.results},
		{fmt.Sprintf("%d switches", b.cloud.hosts), b.cloud.rounds, b.cloud.round, b.cloud.results},
		{"audit", b.audit.rounds, b.audit.round, b.audit.results},
		{"flow monitor", b.monitor.rounds, b.monitor.round, b.monitor.results},
		{"verify", b.verify.rounds, b.verify.round, b.verify.results},
		{"trace", b.trace.rounds, b.trace.round, b.trace.results},
	} {
		for i := range part.rounds {
			fmt.Fprintf(b.progress, "%s: round %d of %d\n", part.name, i+1, part.rounds)
			if err := part.round(ctx); err != nil {
				return fmt.Errorf("%s: round %d: %w", part.name, i+1, err)
			}
		}
		if part.rounds > 0 {
			results = append(results, part.results(b.progress)...)
		}
	}
	met, err := printResults(b.out, results)
	if err == nil && !met {
		err = errTargetMissed
	}
	return err
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
