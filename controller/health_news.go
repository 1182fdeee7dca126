package controller

import (
	"context"
	"time"

	"go.uber.org/zap"

	"ovsmesh/controller/api"
)

// healthEvery is how often hosts are looked at for news of their health. It costs
// a few atomic reads a session, and sends nothing.
const healthEvery = time.Second

// watchHealth tells of hosts that get stuck and of those that answer again, until
// ctx ends.
func (c *Controller) watchHealth(ctx context.Context) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	stuck := map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		hosts, err := c.loopsNow(ctx)
		if err != nil {
			return // stopping
		}
		there := make(map[string]bool, len(hosts))
		for _, h := range hosts {
			there[h.name] = true
			e, news := healthNews(stuck, h.name, h.health)
			if !news {
				continue
			}
			h.status.tell(e)
			if e.State == api.HealthOK {
				h.log.Info("host answers again")
			} else {
				h.log.Warn("host does not answer", zap.String("health", e.State), zap.String("reason", e.Error))
			}
		}
		for name := range stuck {
			if !there[name] {
				delete(stuck, name)
			}
		}
	}
}

// healthNews compares how a host is with what was told of it, which stuck holds
// by host. One that is not connected is told of by that; one that is slow is as
// it was before: that may change with every echo.
func healthNews(stuck map[string]string, name string, k *health) (e api.Event, news bool) {
	word, reason, _ := k.verdict()
	was, told := stuck[name]
	if !k.connected() {
		delete(stuck, name)
		return e, false
	}
	e = api.Event{Kind: api.EventHealth, State: word, Was: was, Error: reason}
	switch {
	case word == api.HealthSlow || word == was || word == api.HealthOK && !told:
		return e, false
	case word == api.HealthOK:
		delete(stuck, name)
		return e, true
	}
	if stuck[name] = word; !told {
		e.Was = api.HealthOK
	}
	return e, true
}

// connected reports whether the host's database is connected.
func (k *health) connected() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.database != nil
}
