package controller

import (
	"context"
	"fmt"

	"ovsmesh/controller/api"
)

// Tunnel carries out a call of CloudStack's ovstunnel plugin.
func (c *Controller) Tunnel(_ context.Context, r api.TunnelRequest) (api.TunnelAnswer, error) {
	args, err := readTunnelArgs(r.TunnelCall)
	if err != nil {
		return api.TunnelAnswer{}, err
	}
	return api.TunnelAnswer{}, fmt.Errorf("%s: %w", args.function, api.ErrNotThere)
}
