package faults

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"
)

// controllerFaults are those of the controller's process. What counts as time
// begins with its new start.
func controllerFaults() []Fault {
	return []Fault{
		{
			Name: "controller-kill", What: "controller: kill -9, started again",
			Expect: "nothing written",
			Limits: Limits{Within: 10 * time.Second},
			Inject: killController,
		}, {
			Name: "controller-kills", What: fmt.Sprintf("controller: kill -9 %d times, also while %d networks come or go, or VIFs change", kills, bulk),
			Expect: "what was acknowledged is there; nothing rewritten that was right",
			Limits: Limits{Within: 10 * time.Second, Rows: Any, Flows: Any},
			Apart:  true, Prepare: gather,
			Inject: killOften,
		}, {
			Name: "controller-freeze", What: "controller: stopped for 3 s (SIGSTOP), then goes on",
			Expect: "nothing written",
			Limits: Limits{Within: 10 * time.Second},
			Inject: freezeController,
		}, {
			Name: "controller-restart", What: "controller: SIGTERM, started again",
			Expect: "ends within 5 s, nothing written",
			Limits: Limits{Within: 10 * time.Second},
			Inject: restartController,
		},
	}
}

func killController(ctx context.Context, m *Mesh, _ *rand.Rand) (Injected, error) {
	before, err := m.Writes(ctx)
	if err != nil {
		return Injected{}, err
	}
	if err := m.Server.Kill(); err != nil {
		return Injected{}, err
	}
	in := Injected{Since: time.Now(), Check: m.nothingWritten(before)}
	return in, m.Server.Start(ctx)
}

func freezeController(ctx context.Context, m *Mesh, _ *rand.Rand) (Injected, error) {
	before, err := m.Writes(ctx)
	if err != nil {
		return Injected{}, err
	}
	if err := m.Server.Pause(); err != nil {
		return Injected{}, err
	}
	time.Sleep(3 * time.Second)
	in := Injected{Since: time.Now(), Check: m.nothingWritten(before)}
	return in, m.Server.Resume()
}

func restartController(ctx context.Context, m *Mesh, _ *rand.Rand) (Injected, error) {
	before, err := m.Writes(ctx)
	if err != nil {
		return Injected{}, err
	}
	if err := m.Server.Stop(); err != nil {
		return Injected{}, err
	}
	in := Injected{Since: time.Now(), Check: m.nothingWritten(before)}
	return in, m.Server.Start(ctx)
}

// nothingWritten demands that no host has written anything.
func (m *Mesh) nothingWritten(before map[string]Writes) func(context.Context) error {
	return func(ctx context.Context) error {
		now, err := m.Writes(ctx)
		if err == nil && !maps.Equal(before, now) {
			err = fmt.Errorf("something was written: %+v before, %+v after", before, now)
		}
		return err
	}
}
