package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// stamped is the version that the build gave the linker; see the Makefile.
var stamped string

// version returns the version that this program was built as: the stamp, else
// what the go command recorded of the module or the commit.
func version() string {
	if stamped != "" {
		return stamped
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// versions answers the version command.
type versions struct {
	Client  string `json:"client"`
	Server  string `json:"server,omitempty"`
	StoreID string `json:"storeID,omitempty"`

	Observing bool `json:"observing,omitempty"`
}

func newVersionCommand(g *globals) *cobra.Command {
	var clientOnly bool
	cmd := &cobra.Command{
		Use:   "version [--client]",
		Short: "Show the versions of this command and of the server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Client: version()}
			var unanswered error
			if !clientOnly {
				server, err := g.client().Version(cmd.Context())
				v.Server, v.StoreID, v.Observing, unanswered = server.Version, server.StoreID, server.Observing, err
			}
			err := g.print(cmd, v, func(w io.Writer, _ bool) error {
				fmt.Fprintf(w, "client: %s\n", v.Client)
				if v.Server != "" {
					fmt.Fprintf(w, "server: %s (store %s)\n", v.Server, v.StoreID)
				}
				if v.Observing {
					fmt.Fprintf(w, "        it observes (--observe): nothing is written to hosts; ovsmesh plan shows what would be\n")
				}
				return nil
			})
			if err != nil {
				return err
			}
			if unanswered != nil {
				// The client's version was what most users asked for.
				fmt.Fprintf(cmd.ErrOrStderr(), "server: %v\n", unanswered)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&clientOnly, "client", false, "don't ask the server")
	return cmd
}
