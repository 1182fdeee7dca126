package main

import (
	"fmt"
	"strings"
	"time"

	"ovsmesh/controller/api"
)

// eventText says in a line what became true; "" where the tables say it well
// enough.
func eventText(e api.Event) string {
	what := ""
	switch e.Kind {
	case api.EventHost:
		what = e.Host + " is " + e.State
	case api.EventBridge:
		what = fmt.Sprintf("%s: bridge %s is %s", e.Host, e.Bridge, e.State)
	case api.EventMember:
		what = fmt.Sprintf("%s: %s has %s", e.Network, e.Host, e.State)
	case api.EventTunnel:
		what = fmt.Sprintf("%s: tunnel from %s to %s is %s", e.Network, e.Host, e.Peer, e.State)
	case api.EventChange:
		what = changeText(e)
	case api.EventProblem:
		what = strings.Join(strings.Fields(e.Host+" "+e.Network+" "+e.Bridge), " ") + ": problem " + e.State
	case api.EventDrift:
		what = strings.Join(strings.Fields(e.Host+" "+e.Network+" "+e.Bridge), " ") + ": " + driftText(e.State)
	case api.EventHealth:
		what = e.Host + " is " + e.State
	case api.EventReset:
		what = "too much happened to tell it all"
	default:
		return ""
	}
	if e.Error != "" {
		what += ": " + e.Error
	}
	if at, err := time.Parse(time.RFC3339Nano, e.Time); err == nil {
		what = at.Local().Format(time.TimeOnly) + "  " + what
	}
	return what
}

func driftText(state string) string {
	switch state {
	case api.EventRepaired:
		return "changed by another program, and mended"
	case api.EventContested:
		return "changed by another program again and again, and mended less often from now on"
	case api.EventSettled:
		return "no longer changed by another program"
	}
	return "changed by another program, and left as it is"
}

func changeText(e api.Event) string {
	if n := len(e.Items) + e.Omitted; n != 1 {
		return plural(n, "object") + " of the spec changed"
	}
	it := e.Items[0]
	return fmt.Sprintf("%s/%s %s", singular(it.Kind), it.Name, it.Verb)
}
