package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"ovsmesh/controller/adopt"
	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// Taking over what CloudStack's plugin has left is making the calls once more that
// made it, all at once and on paper: they become part of the intent, and the
// hosts' loops find rows that are as wanted, which they make their own in place.

// sources returns whose rows hosts carry: other stores', and the plugin's last.
func sources(hosts []adopt.Host) []string {
	list := adopt.Stores(hosts)
	for _, h := range hosts {
		if len(h.Plugin) > 0 {
			return append(list, adopt.Plugin)
		}
	}
	return list
}

// adoptPlugin takes over what the plugin has left, or only says what it would do.
func (c *Controller) adoptPlugin(ctx context.Context, r api.AdoptRequest, hosts []adopt.Host, pick adopt.Pick, unseen []string) (api.AdoptResult, error) {
	res := api.AdoptResult{DryRun: r.DryRun, Items: []topology.Item{}, Hosts: []api.AdoptedHost{}, Warnings: []string{}}
	if len(r.Files) > 0 {
		return res, &api.RequestError{Text: "-f is for rows of another ovsmesh store; what the plugin has left is told by its rows alone: apply the spec first"}
	}
	told := adopt.RebuildPlugin(hosts, pick)
	res.Warnings = append(res.Warnings, told.Left...)
	if len(told.Problems) > 0 {
		var problems []string
		for _, p := range told.Problems {
			problems = append(problems, p.String())
		}
		return res, &api.AdoptError{Problems: problems}
	}
	if len(told.Marks) == 0 {
		return res, nil
	}
	res.Store = told.Store
	a := &adoption{hosts: hosts}
	var err error
	if e := c.hub.do(ctx, func() { err = a.planPlugin(c.hub, told.Calls) }); e != nil {
		return res, e
	} else if err != nil {
		return res, &api.AdoptError{Problems: strings.Split(err.Error(), "\n")}
	}
	problems := a.tryPlugin(told)
	if len(problems) > 0 && !r.Force {
		return res, &api.AdoptError{Problems: problems}
	}
	res.Items = a.change.Items
	res.Warnings = slices.Concat(res.Warnings, problems, a.warnPlugin(told, pick))
	if len(unseen) > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("not connected, or silent: %s; run it again once they are there", strings.Join(unseen, ", ")))
	}
	for _, m := range told.Marks {
		res.Hosts = append(res.Hosts, api.AdoptedHost{Host: m.Host, Bridges: m.Bridges, Rows: pluginRows(told, m)})
	}
	slices.SortFunc(res.Hosts, func(a, b api.AdoptedHost) int { return cmp.Compare(a.Host, b.Host) })
	if r.DryRun {
		res.Generation = a.generation
		return res, nil
	}
	if e := c.hub.do(ctx, func() {
		err = c.hub.commit(a.change)
		res.Generation = c.hub.gen
	}); e != nil || err != nil {
		return res, errors.Join(e, err)
	}
	c.log.Info("rows of CloudStack's plugin are adopted", zap.Int("hosts", len(told.Marks)), zap.Int("networks", len(told.Networks)))
	return res, nil
}

// pluginRows counts the rows on a host that change hands: bridges and tunnels.
func pluginRows(told adopt.PluginTold, m adopt.Mark) int {
	n := 0
	for _, call := range told.Calls {
		if call.Host == m.Host {
			n++
		}
	}
	return n
}

// planPlugin works out the change. It must run on the hub's goroutine.
func (a *adoption) planPlugin(h *hub, calls []topology.PluginCall) error {
	change, err := h.intent.PlanTakeover(calls)
	if err != nil {
		return err
	}
	a.change, a.generation = change, h.gen
	a.networks, a.known, a.ports, a.facts = h.intent.Networks(), h.intent.Hosts(), h.intent.Ports(), maps.Clone(h.facts)
	return nil
}

// tryPlugin makes a mesh of what would be, and says which of the plugin's tunnels
// would then not be as they are.
func (a *adoption) tryPlugin(told adopt.PluginTold) (problems []string) {
	m := a.mesh()
	for _, call := range told.Calls {
		if call.Port == "" {
			continue
		}
		found, why := false, "nothing makes both ends members of its network"
		for _, u := range m.Views(call.Host) {
			if u.On == nil || u.On.Net.Encap != topology.GRE || u.On.Net.Key != call.Key {
				continue
			}
			if u.On.Bridge != call.Bridge {
				why = fmt.Sprintf("its network is on bridge %s there", cmp.Or(u.On.Bridge, "none"))
				continue
			}
			tunnels, failed := topology.Tunnels(u.On)
			for i := range tunnels {
				if t := &tunnels[i]; t.RemoteIP == call.RemoteIP && t.Carrier == "" {
					found = true
				} else if t.RemoteIP == call.RemoteIP {
					why = "the network's tunnelPorts are not per-network"
				}
			}
			for _, f := range failed {
				why += "; " + f.Text
			}
		}
		if !found {
			problems = append(problems, fmt.Sprintf("host %s: port %s would go: %s", call.Host, call.Port, why))
		}
	}
	return problems
}

// warnPlugin says what an operator should know.
func (a *adoption) warnPlugin(told adopt.PluginTold, pick adopt.Pick) (warnings []string) {
	for _, n := range told.Networks {
		var others []string
		for _, p := range n.On {
			if pick.Host != "" && p.Host != pick.Host {
				others = append(others, p.Host)
			}
		}
		if len(others) > 0 {
			warnings = append(warnings, fmt.Sprintf("network %s is taken over on %s, too: they are connected", n.Name, strings.Join(others, ", ")))
		}
	}
	for _, n := range told.Away {
		warnings = append(warnings, fmt.Sprintf("host %s (%s) is not connected: the plugin goes on running it; it is taken over when it dials in", n.Name, n.Endpoint))
	}
	return warnings
}
