package faults

import (
	"context"
	"math/rand/v2"
	"time"
)

// controllerFaults are those of the controller's process.
func controllerFaults() []Fault {
	return []Fault{
		{
			Name: "controller-kill", What: "controller: kill -9, started again",
			Expect: "no loss, nothing rewritten",
			Limits: Limits{Within: 10 * time.Second},
			Inject: killController,
		},
	}
}

func killController(ctx context.Context, m *Mesh, _ *rand.Rand) (Injected, error) {
	if err := m.Server.Kill(); err != nil {
		return Injected{}, err
	}
	in := Injected{Since: time.Now()}
	return in, m.Server.Start(ctx)
}
