package controller

import (
	"maps"
	"slices"

	"ovsmesh/controller/api"
)

// of returns what tells of one host.
func (s *events) of(host string) func(...api.Event) {
	return func(list ...api.Event) {
		for i := range list {
			list[i].Host = host
		}
		s.publish(list...)
	}
}

// news compares what a look at the host has found with what is published of it.
// It must run on the loop, before the new status replaces the old one. Its cost
// is that of the networks and bridges that were looked at; what is new of
// networks, by far the most, is left out unless somebody follows events.
func (h *host) news(fresh map[string]networkStatus, bridges map[string]api.TopologyBridge, followed bool) []api.Event {
	var news []api.Event
	for _, name := range h.status.released {
		news = append(news, api.Event{Kind: api.EventBridge, Bridge: name, State: api.EventReleased})
	}
	h.status.released = nil
	for _, name := range slices.Sorted(maps.Keys(bridges)) {
		news = append(news, bridgeNews(h.status.bridges[name], bridges[name])...)
	}
	if !followed {
		return news
	}
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		from := len(news)
		news = networkNews(news, h.status.networks[name], fresh[name])
		for i := from; i < len(news); i++ {
			news[i].Network, news[i].Tenant = name, h.on[name].Net.Tenant
		}
	}
	return news
}

// bridgeNews compares two looks at a bridge; was is zero at the first.
func bridgeNews(was, is api.TopologyBridge) []api.Event {
	var news []api.Event
	if was.Connected != is.Connected {
		e := api.Event{Kind: api.EventBridge, State: api.EventConnected, Was: api.EventDisconnected}
		if was.Connected {
			e.State, e.Was = e.Was, e.State
		}
		news = append(news, e)
	}
	if was.Error != is.Error {
		news = append(news, problems(one(was.Error), one(is.Error))...)
	}
	for i := range news {
		news[i].Bridge = is.Name
	}
	return news
}

// networkNews compares two looks at a network on one host, and appends what is
// other; was is zero at the first since the host has connected. The tunnels of
// both are sorted by peer.
func networkNews(news []api.Event, was, is networkStatus) []api.Event {
	before, now := was.ends.tunnels(), is.ends.tunnels()
	for i := range now {
		t := &now[i]
		for len(before) > 0 && before[0].To < t.To {
			news = append(news, tunnelGone(before[0]))
			before = before[1:]
		}
		state, text := "", ""
		if len(before) > 0 && before[0].To == t.To {
			state, text = before[0].State, before[0].Error
			before = before[1:]
		}
		if state != t.State || text != t.Error {
			news = append(news, api.Event{Kind: api.EventTunnel, Peer: t.To, State: t.State, Was: state, Error: t.Error})
		}
	}
	for _, t := range before {
		news = append(news, tunnelGone(t))
	}
	news = append(news, problems(was.problems, is.problems)...)
	if was.inSync != is.inSync {
		news = append(news, syncEvent(is.inSync, ""))
	}
	return news
}

func tunnelGone(t api.Tunnel) api.Event {
	return api.Event{Kind: api.EventTunnel, Peer: t.To, State: api.EventRemoved, Was: t.State}
}

// problems tells which texts of a list are new and which are gone. Lists are
// short: what can't be done on one host.
func problems(was, is []string) []api.Event {
	var news []api.Event
	for _, p := range was {
		if !slices.Contains(is, p) {
			news = append(news, api.Event{Kind: api.EventProblem, State: api.EventGone, Was: api.EventAppeared, Error: p})
		}
	}
	for _, p := range is {
		if !slices.Contains(was, p) {
			news = append(news, api.Event{Kind: api.EventProblem, State: api.EventAppeared, Error: p})
		}
	}
	return news
}

func one(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// hostProblem tells of what is wrong with a host as a whole; "" is nothing.
func hostProblem(was, is string) []api.Event {
	if was == is {
		return nil
	}
	return problems(one(was), one(is))
}

// hostSync tells whether a host has come to wait for something, or to wait for
// nothing any longer.
func hostSync(was, is string) []api.Event {
	if (was == "") == (is == "") {
		return nil
	}
	return []api.Event{syncEvent(is == "", is)}
}

func syncEvent(inSync bool, why string) api.Event {
	if inSync {
		return api.Event{Kind: api.EventSync, State: api.EventInSync, Was: api.EventSyncing}
	}
	return api.Event{Kind: api.EventSync, State: api.EventSyncing, Was: api.EventInSync, Error: why}
}
