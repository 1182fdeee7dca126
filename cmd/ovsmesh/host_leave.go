package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ovsmesh/openflow/ofctl"
	"ovsmesh/ovsdb/schema"
)

// The values of external_ids:ovsmesh-leave: the host's wish, and the
// controller's answer.
const (
	leaveRequested = "requested"
	leaveDone      = "done"
)

// leaveOptions are the flags of host leave.
type leaveOptions struct {
	controller string // "": the only one that this host dials
	timeout    time.Duration
	local      bool
}

func newLeaveCommand() *cobra.Command {
	var o leaveOptions
	cmd := &cobra.Command{
		Use:   "leave [--controller tcp:IP:6640] [--timeout 30s] [--local]",
		Short: "Take this hypervisor out of the mesh and put everything back",
		Long: `Asks the controller to let this hypervisor go: it takes the tunnels away first,
then puts the bridges' former settings back. When it has said so, the controller
is removed from the managers of this hypervisor; other managers stay.

Where the controller is not connected, or with --local, this command does the
same by itself. Flows and ports that are not ovsmesh's stay either way.`,
		Example: `  ovsmesh host leave
  ovsmesh host leave --controller tcp:192.0.2.10:6640   # where it has several
  ovsmesh host leave --local                            # don't ask the controller`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.controller != "" {
				if err := checkTarget(o.controller, 6640); err != nil {
					return fmt.Errorf("--controller: %w", err)
				}
			}
			return leave(cmd.Context(), ofctl.NewHost(""), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&o.controller, "controller", "", "which manager of this host is the controller: tcp:IP:PORT")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 30*time.Second, "how long to wait for the controller")
	cmd.Flags().BoolVar(&o.local, "local", false, "put everything back without the controller")
	return cmd
}

func leave(ctx context.Context, h *ofctl.Host, o leaveOptions, stdout, stderr io.Writer) error {
	managers, err := h.Managers(ctx)
	if err != nil {
		return err
	}
	ours, err := controllerOf(managers, o.controller)
	if err != nil {
		return err
	}
	if ours.Connected && !o.local {
		fmt.Fprintf(stderr, "asking %s to let this host go\n", ours.Target)
		if err := askToLeave(ctx, h, ours.Target, o.timeout); err != nil {
			return err
		}
		if err := h.RemoveManager(ctx, ours); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "left: %s has put everything back; this host no longer dials it\n", ours.Target)
		return err
	}
	return leaveLocally(ctx, h, ours, stdout, stderr)
}

// controllerOf picks the manager that is the controller: the one that the user
// named, or the only one that is dialled. The zero Manager is none.
func controllerOf(managers []ofctl.Manager, named string) (ofctl.Manager, error) {
	var dialled []ofctl.Manager
	var targets []string
	for _, m := range managers {
		if named != "" && m.Target == named {
			return m, nil
		}
		if !strings.HasPrefix(m.Target, "p") { // ptcp, pssl, punix wait for others
			dialled = append(dialled, m)
			targets = append(targets, m.Target)
		}
	}
	switch {
	case named != "" && len(dialled) > 0:
		return ofctl.Manager{}, fmt.Errorf("%s is not among the managers of this host: %s", named, strings.Join(targets, ", "))
	case len(dialled) > 1:
		return ofctl.Manager{}, fmt.Errorf("this host has several managers: name the controller with --controller: %s", strings.Join(targets, ", "))
	case len(dialled) == 1:
		return dialled[0], nil
	}
	return ofctl.Manager{}, nil
}

// askToLeave asks a connected controller to let the host go and waits until it
// has.
func askToLeave(ctx context.Context, h *ofctl.Host, target string, timeout time.Duration) error {
	if err := h.SetExternalID(ctx, schema.KeyLeave, leaveRequested); err != nil {
		return err
	}
	deadline := time.Now().Add(timeout)
	for {
		answer, err := h.ExternalID(ctx, schema.KeyLeave)
		switch {
		case err != nil:
			return err
		case answer == leaveDone:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%s has not let this host go within %v; the request stands: wait longer with --timeout, look at the controller's log, "+
				"or put everything back without it: ovsmesh host leave --local", target, timeout)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped waiting; the request stands: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// leaveLocally does by itself what a controller would have done. The manager
// goes first, so that a controller that comes back can't build anew meanwhile.
func leaveLocally(ctx context.Context, h *ofctl.Host, ours ofctl.Manager, stdout, stderr io.Writer) error {
	if ours.Target != "" {
		fmt.Fprintf(stderr, "without %s, which is no longer dialled: putting everything back by this command alone\n", ours.Target)
		if err := h.RemoveManager(ctx, ours); err != nil {
			return err
		}
	}
	steps, err := releaseHost(ctx, h)
	for _, s := range steps {
		fmt.Fprintln(stdout, s)
	}
	if err != nil {
		return err
	}
	if err := h.SetExternalID(ctx, schema.KeyLeave, leaveDone); err != nil {
		return err
	}
	if len(steps) == 0 && ours.Target == "" {
		_, err = fmt.Fprintln(stdout, "nothing to do: no manager is dialled and nothing of ovsmesh is on this host")
		return err
	}
	_, err = fmt.Fprintln(stdout, "left: everything is put back; for the controller this host is a member until: ovsmesh delete host NAME")
	return err
}
