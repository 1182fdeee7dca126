package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ovsmesh/openflow/ofctl"
	"ovsmesh/ovsdb/schema"
)

func newJoinCommand() *cobra.Command {
	var target string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "join --controller tcp:IP:6640 [--timeout 15s]",
		Short: "Make this hypervisor dial in to a controller, and check that it does",
		Long: `Adds the controller to the managers of this hypervisor's Open vSwitch, as
"ovs-vsctl set-manager" would, but beside those that are there, and waits until
the connection stands. Run again, it changes nothing and checks.`,
		Example: `  ovsmesh host join --controller tcp:192.0.2.10:6640
  ovsmesh host join --controller tcp:[2001:db8::10]:6640 --timeout 1m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if target == "" {
				return errors.New("which controller? name it with --controller tcp:IP:6640")
			}
			if err := checkTarget(target, 6640); err != nil {
				return fmt.Errorf("--controller: %w", err)
			}
			return join(cmd.Context(), ofctl.NewHost(""), target, timeout, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&target, "controller", "", "where the controller listens for hosts: tcp:IP:PORT")
	cmd.Flags().DurationVar(&timeout, "timeout", 15*time.Second, "how long to wait for the connection")
	return cmd
}

// join adds target to a host's managers where it is not among them, takes back
// an earlier leave, and waits for the connection.
func join(ctx context.Context, h *ofctl.Host, target string, timeout time.Duration, stdout, stderr io.Writer) error {
	id, err := h.ExternalID(ctx, "system-id")
	if err != nil {
		return err
	}
	if id == "" {
		return errors.New("this Open vSwitch has no external_ids:system-id, by which the controller knows a host; its start script sets one, or:\n" +
			"  ovs-vsctl set Open_vSwitch . external_ids:system-id=$(cat /proc/sys/kernel/random/uuid)")
	}
	managers, err := h.Managers(ctx)
	if err != nil {
		return err
	}
	var others []string
	for _, m := range managers {
		if m.Target != target {
			others = append(others, m.Target)
		}
	}
	if len(others) > 0 {
		fmt.Fprintf(stderr, "keeping other managers of this host: %s\n", strings.Join(others, ", "))
	}
	if err := h.RemoveExternalID(ctx, schema.KeyLeave); err != nil {
		return err
	}
	if len(others) == len(managers) {
		if err := h.AddManager(ctx, target); err != nil {
			return err
		}
	}
	m, err := waitConnected(ctx, h, target, timeout)
	if err != nil {
		return err
	}
	if !m.Connected {
		return fmt.Errorf("no connection to %s within %v: %s\nthe host goes on dialling; to stop it: ovsmesh host leave --controller %s",
			target, timeout, diagnose(ctx, m), target)
	}
	_, err = fmt.Fprintf(stdout, "joined: connected to %s as system-id %s\n", target, id)
	return err
}

// waitConnected returns a manager's row when it is connected, or as it is
// after timeout.
func waitConnected(ctx context.Context, h *ofctl.Host, target string, timeout time.Duration) (ofctl.Manager, error) {
	deadline := time.Now().Add(timeout)
	for {
		managers, err := h.Managers(ctx)
		if err != nil {
			return ofctl.Manager{}, err
		}
		i := slices.IndexFunc(managers, func(m ofctl.Manager) bool { return m.Target == target })
		if i < 0 {
			return ofctl.Manager{}, fmt.Errorf("manager %s is gone: something else on this host sets managers", target)
		}
		if managers[i].Connected || time.Now().After(deadline) {
			return managers[i], nil
		}
		select {
		case <-ctx.Done():
			return ofctl.Manager{}, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// dialTime is how long diagnose waits for an answer.
const dialTime = 3 * time.Second

// diagnose dials a manager's target itself, as ovsdb-server does not say why
// it can't.
func diagnose(ctx context.Context, m ofctl.Manager) string {
	address := strings.TrimPrefix(m.Target, "tcp:")
	d := net.Dialer{Timeout: dialTime}
	conn, err := d.DialContext(ctx, "tcp", address)
	var ne net.Error
	switch {
	case err == nil:
		_ = conn.Close() // nothing was said on it
		text := "this machine reaches it, but ovsdb-server's connection does not stand: see ovsdb-server.log"
		if m.LastError != "" {
			text += " (" + m.LastError + ")"
		}
		return text
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is ovsmesh serve running, and is this its address and OVSDB port?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to it, or a firewall refuses: look at \"ip route get\" and at the firewalls between"
	case errors.As(err, &ne) && ne.Timeout():
		return "no answer at all: a firewall drops it, or the address is wrong"
	}
	return err.Error()
}
