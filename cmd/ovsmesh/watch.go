package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
)

func newWatchCommand(g *globals, req *api.TopologyFilter) *cobra.Command {
	limit := rowsShown
	cmd := &cobra.Command{
		Use:   "watch [--network N] [--host H] [--tenant T] [--down] [--limit N]",
		Short: "Show the topology live: what becomes true, as it does",
		Long: `On a terminal, shows the tables of "ovsmesh topology" and draws them anew as
things change, until q or Ctrl-C. The arrow keys, PgUp, PgDn, Home and End scroll,
d shows only what is not as wanted, w more columns. Without a terminal, or with -o json, writes what
becomes true from now on, one JSON object a line: hosts and bridges that connect
and disconnect, members of networks that come and go, tunnels that go up and
down, hosts that get in sync, changes of the spec, problems that appear and go.
The objects are those of the server's /v1/events, described at /openapi.json;
one of kind "reset" says that some were lost. With --down only those that tell of
something that is no longer as wanted.

When the server goes away it is asked again until it is back; nothing that
happened meanwhile is missing, unless a reset says so.`,
		Example: `  ovsmesh topology watch
  ovsmesh topology watch --network blue -o wide
  ovsmesh topology watch --down
  ovsmesh topology watch -o json | jq -c 'select(.kind == "tunnel" and .state == "down")'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if g.output == outputYAML {
				return errors.New("topology watch writes lines of JSON, or tables on a terminal; not yaml")
			}
			if err := wantLimit(limit); err != nil {
				return err
			}
			f := follower{client: g.client(), filter: *req}
			if err := f.known(cmd.Context(), g); err != nil {
				return err
			}
			var err error
			if s := newScreen(cmd.OutOrStdout()); s != nil && g.output != outputJSON {
				v := newLiveView(f, s, tables{wide: g.output == outputWide, limit: limit, detail: req.Network != ""}, cmd.ErrOrStderr())
				err = v.run(cmd.Context())
			} else {
				err = watchLines(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			if cmd.Context().Err() != nil {
				return nil // it was asked to end, and this is the only way that it does
			}
			return err
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "rows of a table at most, beyond which it is summed up; 0: no limit")
	return cmd
}

// watchLines writes each event as a line of JSON until ctx ends.
func watchLines(ctx context.Context, f follower, stdout, stderr io.Writer) error {
	out := json.NewEncoder(stdout)
	out.SetEscapeHTML(false)
	f.said = func(text string) { fmt.Fprintln(stderr, "ovsmesh: "+text) }
	f.event = func(e api.Event) error {
		if f.filter.Down && !unwelcome(e) {
			return nil
		}
		if err := out.Encode(e); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	}
	return f.run(ctx)
}

// unwelcome reports whether an event is of something that is no longer as wanted,
// or of events that are lost.
func unwelcome(e api.Event) bool {
	switch e.Kind {
	case api.EventTunnel:
		return e.State == api.TunnelDown || e.State == api.TunnelUnreachable
	case api.EventHost, api.EventBridge:
		return e.State == api.EventDisconnected
	case api.EventHealth:
		return e.State != api.HealthOK
	case api.EventProblem:
		return e.State == api.EventAppeared
	case api.EventDrift:
		return e.State != api.EventSettled
	}
	return e.Kind == api.EventReset
}

// follower follows the events of a server, through its absences.
type follower struct {
	client *api.Client
	filter api.TopologyFilter
	event  func(api.Event) error // an error ends it
	came   func()                // a connection stands; nil: nobody wants to know
	said   func(string)          // what people should know of the connection
	last   uint64                // number of the last event
}

// Times between attempts to reach a server that has gone away.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 15 * time.Second
)

// known returns an error where the filter names what isn't there: nothing
// would ever be told of it.
func (f *follower) known(ctx context.Context, g *globals) error {
	ask := f.filter
	ask.Limit = api.NoTunnels
	top, err := f.client.Topology(ctx, ask)
	if err != nil {
		return err
	}
	return g.knownTenant(ctx, f.filter.Tenant, top)
}

// run follows until ctx ends or event returns an error. A server that can't be
// reached at first, or does not want to, is an error, too.
func (f *follower) run(ctx context.Context) error {
	wait, away := firstRetry, false
	for first := true; ; first = false {
		s, err := f.client.Events(ctx, f.filter.Events(), f.last)
		if err == nil {
			if away {
				f.said("connected again")
			}
			if f.came != nil {
				f.came()
			}
			wait, away = firstRetry, false
			err, ours := f.read(s)
			if ours || ctx.Err() != nil {
				return err
			}
			f.said(lost(err))
			away = true
		} else if ctx.Err() != nil || first || hopeless(err) {
			return err
		} else if !away {
			f.said(lost(err))
			away = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}

// read reads a stream to its end. ours says that the error is not the stream's.
func (f *follower) read(s *api.EventStream) (err error, ours bool) {
	defer s.Close()
	for {
		e, err := s.Next()
		f.last = s.Last()
		if err != nil {
			return err, false
		}
		if err := f.event(e); err != nil {
			return err, true
		}
	}
}

func lost(err error) string {
	why := "the server has ended the stream"
	if !errors.Is(err, io.EOF) {
		why = err.Error()
	}
	return why + "; trying again until it is back"
}

// hopeless reports whether a server has answered, and would answer the same
// again.
func hopeless(err error) bool {
	var status *api.StatusError
	return errors.As(err, &status) && status.Status/100 == 4
}
