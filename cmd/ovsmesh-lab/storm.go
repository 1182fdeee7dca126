package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ovsmesh/controller/faults"
)

func newStormCommand() *cobra.Command {
	hosts, rounds, binary := 200, 3, ""
	cmd := &cobra.Command{
		Use:   "storm",
		Short: "Have many hosts reconnect at once",
		Long: `storm starts many real switches (dummy datapath, no packets) that dial in to a
real "ovsmesh serve". Then it kills the controller and starts it again, and cuts
all connections at once while it runs, and measures each time how long it takes
until all are in sync again, what is written to them (nothing should be), and how
much memory the controller needs. It ends with 1 if anything is written.

200 hosts take about a minute to start on two cores, and some 6 GiB.`,
		Example: `  ovsmesh-lab storm
  ovsmesh-lab storm --hosts 50 --rounds 10`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := faults.StartCrowd(cmd.Context(), hosts, faults.Options{Binary: binary, Log: func(format string, args ...any) {
				fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
			}})
			if err != nil {
				return err
			}
			defer func() {
				if e := c.Close(); err == nil {
					err = e
				}
			}()
			written := false
			for range rounds {
				for _, s := range []struct {
					name string
					run  func() (faults.StormResult, error)
				}{
					{"controller killed and started", func() (faults.StormResult, error) { return c.Restart(cmd.Context()) }},
					{"all connections cut", func() (faults.StormResult, error) { return c.Cut(cmd.Context()) }},
				} {
					r, err := s.run()
					if err != nil {
						return fmt.Errorf("%s: %w", s.name, err)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%d hosts, %s tunnel ends, %s: %v\n", hosts, thousands(c.Tunnels), s.name, r)
					written = written || r.Transactions+r.FlowMods+r.Grown > 0
				}
			}
			if written {
				return errTargetMissed
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&hosts, "hosts", hosts, "number of hosts")
	cmd.Flags().IntVar(&rounds, "rounds", rounds, "how often both are done")
	cmd.Flags().StringVar(&binary, "ovsmesh", besideUs("ovsmesh"), "the controller's program")
	return cmd
}
