package controller

import (
	"github.com/prometheus/client_golang/prometheus"

	"ovsmesh/openflow"
)

// driftCounters makes the counters of what others change.
func (m *metrics) driftCounters(c *openflow.Counters) {
	m.drift = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ovsmesh_drift_total", Help: "Differences that others made in rows and flows of ours, by kind.",
	}, []string{"kind"})
	m.driftRepaired = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ovsmesh_drift_repaired_total", Help: "Of these, the ones that were mended.",
	})
	m.driftLeft = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ovsmesh_drift_left_total", Help: "Times that a flow, or the tunnel ports of a network, were left to another program, which changes them again and again.",
	})
	m.contested = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ovsmesh_drift_contested", Help: "Settings of bridges that another program changes again and again, and that are put right less often therefore.",
	})
	updates := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "ovsmesh_openflow_updates_total", Help: "Changes of flows by others, of foreign ones too, that switches have told.",
	}, func() float64 { return float64(c.FlowUpdates.Load()) })
	pauses := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "ovsmesh_openflow_pauses_total", Help: "Times that a switch had more such changes to tell than was taken, and was read back.",
	}, func() float64 { return float64(c.FlowPauses.Load()) })
	m.registry.MustRegister(m.drift, m.driftRepaired, m.driftLeft, m.contested, updates, pauses)
}
