package controller

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// storeGauges is a prometheus.Collector over the store.
type storeGauges struct{ hub *hub }

var (
	descWritable = prometheus.NewDesc("ovsmesh_store_writable", "1, or 0 while the store can't be written: changes are refused.", nil, nil)
	descFailures = prometheus.NewDesc("ovsmesh_store_write_errors_total", "Writes of the store that failed.", nil, nil)
	descUnkept   = prometheus.NewDesc("ovsmesh_store_unkept_hosts", "Hosts whose last reports are not in the store yet.", nil, nil)
	descHeld     = prometheus.NewDesc("ovsmesh_store_held", "1 while a restored store waits to be accepted: nothing is written to hosts.", nil, nil)
	descObserves = prometheus.NewDesc("ovsmesh_observing", "1 while this controller only looks on, as it was started with --observe: nothing is written to hosts.", nil, nil)
	descSize     = prometheus.NewDesc("ovsmesh_store_bytes", "Size of the store.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*storeGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descWritable, descFailures, descUnkept, descHeld, descObserves, descSize} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *storeGauges) Collect(ch chan<- prometheus.Metric) {
	unkept, restored, observes := 0, false, false
	if err := g.hub.do(context.Background(), func() {
		k := &g.hub.keeping
		unkept, restored, observes = k.unsaved, k.restore != nil, k.observe
	}); err != nil {
		return // stopping
	}
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	truth := map[bool]float64{true: 1}
	_, err := g.hub.store.Trouble()
	gauge(descWritable, truth[err == nil])
	ch <- prometheus.MustNewConstMetric(descFailures, prometheus.CounterValue, float64(g.hub.store.Failures()))
	gauge(descUnkept, float64(unkept))
	gauge(descHeld, truth[restored])
	gauge(descObserves, truth[observes])
	gauge(descSize, float64(g.hub.store.Size()))
}
