package controller

import (
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ovsmesh/controller/api"
	"ovsmesh/topology"
)

// How calls of the plugin ended, as metrics say it.
const (
	tunnelDone        = "done"
	tunnelRefused     = "refused"     // as it makes no sense, or clashes with what is there
	tunnelUnsupported = "unsupported" // a document of a VPC that is kept, or what only routing would bring
	tunnelUnavailable = "unavailable" // the host is not connected, or did not get there in time
	tunnelFailed      = "failed"
)

func tunnelOutcome(err error) string {
	var bad *api.RequestError
	switch {
	case err == nil:
		return tunnelDone
	case errors.Is(err, api.ErrNotThere):
		return tunnelUnsupported
	case errors.As(err, &bad), errors.Is(err, api.ErrForbidden), errors.Is(err, topology.ErrConflict), errors.Is(err, topology.ErrNotFound):
		return tunnelRefused
	case errors.Is(err, api.ErrUnavailable):
		return tunnelUnavailable
	}
	return tunnelFailed
}

// tunnelMetrics count the calls of the plugin.
type tunnelMetrics struct {
	calls *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newTunnelMetrics(r *prometheus.Registry, waiting func() int) tunnelMetrics {
	m := tunnelMetrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ovsmesh_ovstunnel_calls_total", Help: "Calls of CloudStack's ovstunnel plugin by how they ended.",
		}, []string{"function", "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ovsmesh_ovstunnel_seconds", Help: "Time until a call of CloudStack's ovstunnel plugin was answered.",
			Buckets: prometheus.ExponentialBuckets(0.004, 2, 14),
		}, []string{"function"}),
	}
	r.MustRegister(m.calls, m.took, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ovsmesh_ovstunnel_waiting", Help: "Calls of CloudStack's ovstunnel plugin that wait for their hosts.",
	}, func() float64 { return float64(waiting()) }))
	return m
}

func (m tunnelMetrics) told(function, outcome string, took time.Duration) {
	if !slices.Contains(tunnelFunctions(), function) {
		function = "unknown"
	}
	m.calls.WithLabelValues(function, outcome).Inc()
	m.took.WithLabelValues(function).Observe(took.Seconds())
}
