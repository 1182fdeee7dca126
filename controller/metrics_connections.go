package controller

import (
	"github.com/prometheus/client_golang/prometheus"

	"ovsmesh/openflow"
	"ovsmesh/ovsdb"
)

// connections makes the counters of who dialled in.
func (m *metrics) connections(db *ovsdb.Server, of *openflow.Counters) {
	counter := func(name, help string, get func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "ovsmesh_" + name, Help: help}, func() float64 { return float64(get()) })
	}
	m.registry.MustRegister(
		counter("ovsdb_connections_total", "Connections to the OVSDB ports that were taken.", func() uint64 { return db.Stats().Accepted }),
		counter("ovsdb_connections_refused_total", "Connections to the OVSDB ports beyond a limit, closed at once.", func() uint64 { return db.Stats().Refused }),
		counter("openflow_connections_total", "Connections of switches that were expected and are taken.", of.Accepted.Load),
		counter("openflow_connections_refused_total", "Connections to the OpenFlow ports that were not: beyond a limit, of peers that are no switch or do not speak OpenFlow 1.3, of datapaths that nobody expects or that are connected already.",
			func() uint64 {
				return of.RefusedLimit.Load() + of.RefusedVersion.Load() + of.RefusedHandshake.Load() + of.RefusedUnexpected.Load() + of.RefusedDuplicate.Load()
			}),
	)
}
