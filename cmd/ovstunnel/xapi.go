package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// toolstack is XenServer's own, asked by its command xe. CloudStack keeps notes
// in a network's other-config there: which of its hosts have set the network's
// bridge up, and of which kind the network is.
type toolstack struct {
	xe string // path of the command
}

// The notes in a network's other-config.
const (
	noteHosts       = "ovs-host-setup" // CloudStack's ids of hosts, with commas
	noteTunnels     = "is-ovs-tun-network"
	noteDistributed = "is-ovs-vpc-distributed-vr-network"
)

// noteSetup notes that a host has set a network's bridge up.
func (t toolstack) noteSetup(ctx context.Context, uuid, kind, host string) error {
	if _, err := t.run(ctx, "network-param-set", "uuid="+uuid, "other-config:"+kind+"=True"); err != nil {
		return err
	}
	hosts, err := t.hosts(ctx, uuid)
	if err != nil || slices.Contains(hosts, host) {
		return err
	}
	return t.setHosts(ctx, uuid, append([]string{host}, hosts...))
}

// noteDestroyed notes that a host has no longer the bridge.
func (t toolstack) noteDestroyed(ctx context.Context, bridge, host string) error {
	uuid, err := t.network(ctx, bridge)
	if err != nil {
		return err
	}
	hosts, err := t.hosts(ctx, uuid)
	if err != nil || !slices.Contains(hosts, host) {
		return err
	}
	return t.setHosts(ctx, uuid, slices.DeleteFunc(hosts, func(h string) bool { return h == host }))
}

// network returns the UUID of the network of a bridge.
func (t toolstack) network(ctx context.Context, bridge string) (string, error) {
	all, err := t.list(ctx, "network-list", "bridge="+bridge)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("xe network-list: %d networks have bridge %s", len(all), bridge)
	}
	if err != nil {
		return "", err
	}
	return all[0], nil
}

// hosts returns the hosts that have set a network's bridge up.
func (t toolstack) hosts(ctx context.Context, uuid string) ([]string, error) {
	text, err := t.run(ctx, "network-param-get", "uuid="+uuid, "param-name=other-config", "param-key="+noteHosts)
	if err != nil {
		// xe has no exit code of its own for a key that is not there.
		all, other := t.run(ctx, "network-param-get", "uuid="+uuid, "param-name=other-config")
		if other == nil && !strings.Contains(all, noteHosts+":") {
			return nil, nil
		}
		return nil, err
	}
	return words(text), nil
}

func (t toolstack) setHosts(ctx context.Context, uuid string, hosts []string) error {
	_, err := t.run(ctx, "network-param-set", "uuid="+uuid, "other-config:"+noteHosts+"="+strings.Join(hosts, ","))
	return err
}

// platform is what is_xcp answers: the platform's name up to its first dot, as
// XCP, or FALSE where this toolstack knows none.
func (t toolstack) platform(ctx context.Context) (string, error) {
	hosts, err := t.list(ctx, "host-list")
	if err != nil {
		return "", err
	}
	if len(hosts) == 0 {
		return "", errors.New("xe host-list: no host")
	}
	name, err := t.run(ctx, "host-param-get", "uuid="+hosts[0], "param-name=software-version", "param-key=platform_name")
	if err != nil && ctx.Err() == nil {
		return "FALSE", nil
	}
	return untilDot(name), err
}

// label is what getLabel answers: the name, up to its first dot, of the network
// of the first PIF whose bridge has an address.
func (t toolstack) label(ctx context.Context) (string, error) {
	pifs, err := t.list(ctx, "pif-list")
	if err != nil {
		return "", err
	}
	for _, pif := range pifs {
		network, err := t.run(ctx, "pif-param-get", "uuid="+pif, "param-name=network-uuid")
		if err != nil {
			return "", err
		}
		bridge, err := t.run(ctx, "network-param-get", "uuid="+network, "param-name=bridge")
		if err != nil {
			return "", err
		}
		if !hasAddress(bridge) {
			continue
		}
		name, err := t.run(ctx, "network-param-get", "uuid="+network, "param-name=name-label")
		return untilDot(name), err
	}
	return "", fmt.Errorf("none of the bridges of %d PIFs has an address", len(pifs))
}

func hasAddress(device string) bool {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return false
	}
	addresses, err := i.Addrs()
	return err == nil && len(addresses) > 0
}

// list returns the UUIDs that a list command answers with.
func (t toolstack) list(ctx context.Context, args ...string) ([]string, error) {
	text, err := t.run(ctx, append(args, "--minimal")...)
	return words(text), err
}

// maxXE bounds what is kept of the output of xe, in bytes.
const maxXE = 256 << 10

// run runs xe and returns what it printed, without blanks around it.
func (t toolstack) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.xe, args...)
	cmd.WaitDelay = 200 * time.Millisecond // for what it may have started
	stdout, stderr := &head{most: maxXE}, &head{most: 4 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.New("no answer in time")
	}
	if err != nil {
		reason := oneLine(stderr.String())
		if reason == "" {
			reason = oneLine(stdout.String())
		}
		if reason != "" {
			return "", fmt.Errorf("xe %s: %w: %.400s", args[0], err, reason)
		}
		return "", fmt.Errorf("xe %s: %w", args[0], err)
	}
	if stdout.cut {
		return "", fmt.Errorf("xe %s: more than %d bytes", args[0], maxXE)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// head keeps the first bytes of what is written.
type head struct {
	kept []byte
	most int
	cut  bool
}

func (h *head) Write(p []byte) (int, error) {
	room := h.most - len(h.kept)
	h.cut = h.cut || len(p) > room
	h.kept = append(h.kept, p[:min(len(p), room)]...)
	return len(p), nil
}

func (h *head) String() string { return string(h.kept) }

// words are what commas separate.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r <= ' ' })
}

func untilDot(s string) string {
	before, _, _ := strings.Cut(s, ".")
	return before
}
