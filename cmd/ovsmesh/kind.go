package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ovsmesh/cmd/internal/configfile"
	"ovsmesh/controller/api"
)

// kinds are the objects of a spec, as in the API's paths.
func kinds() []string {
	return []string{api.KindNetworks, api.KindHosts, api.KindPorts, api.KindKeyPools}
}

// parseKind reads a kind as people write it: singular, plural or short.
func parseKind(s string) (string, error) {
	switch s {
	case "networks", "network", "nets", "net":
		return api.KindNetworks, nil
	case "hosts", "host":
		return api.KindHosts, nil
	case "ports", "port":
		return api.KindPorts, nil
	case "keypools", "keypool", "keyPools", "keyPool", "pools", "pool":
		return api.KindKeyPools, nil
	}
	hint := ""
	if k := configfile.Nearest(s, kinds()); k != "" {
		hint = fmt.Sprintf(" (did you mean %s?)", k)
	}
	return "", fmt.Errorf("unknown kind %q%s: want networks, hosts, ports or keypools", s, hint)
}

// kindName takes "KIND NAME", of which at least so many words must be there.
func kindName(least int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 2:
			if err := notWaitTime(args[2]); err != nil {
				return err
			}
			return fmt.Errorf("one name at a time, or none for all: what is %q?", args[2])
		case len(args) == 0:
			return fmt.Errorf("which kind? want one of %s", strings.Join(kinds(), ", "))
		}
		kind, err := parseKind(args[0])
		if err == nil && len(args) < least {
			err = fmt.Errorf("which of the %s? name it", kind)
		}
		return err
	}
}

// singular is a kind as it is printed before a name: network/blue.
func singular(kind string) string {
	k, err := parseKind(kind)
	if err != nil {
		return kind
	}
	return k[:len(k)-1]
}

// completionTime bounds how long a shell's completion waits for the server.
const completionTime = 2 * time.Second

// names returns the names of all objects of a kind.
func (g *globals) names(ctx context.Context, kind string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	all, err := g.client().Objects(ctx, kind, "")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range all.Networks {
		names = append(names, n.Name)
	}
	for _, h := range all.Hosts {
		names = append(names, h.Name)
	}
	for _, p := range all.Ports {
		names = append(names, p.Name)
	}
	for _, p := range all.KeyPools {
		names = append(names, p.Name())
	}
	return names, nil
}

// completeKindName completes "KIND NAME".
func (g *globals) completeKindName(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return kinds(), cobra.ShellCompDirectiveNoFileComp
	case 1:
		kind, err := parseKind(args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return g.completeNames(kind)(cmd, nil, "")
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeNames completes the name of an object of a kind.
func (g *globals) completeNames(kind string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		names, err := g.names(cmd.Context(), kind)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// fixedCompletions completes one of a few words.
func fixedCompletions[T ~string](words ...T) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var out []string
		for _, w := range words {
			out = append(out, string(w))
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
