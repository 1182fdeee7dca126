package controller

import (
	"context"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ovsmesh/controller/api"
)

// metrics are the counters of the controller, and gauges that are read off the
// hosts' status when somebody asks.
type metrics struct {
	registry          *prometheus.Registry
	reconcile         prometheus.Histogram
	transactions      prometheus.Counter
	transactionErrors prometheus.Counter
	flowMods          prometheus.Counter
	bundleErrors      prometheus.Counter
	refused           prometheus.Counter
	drift             *prometheus.CounterVec
	driftRepaired     prometheus.Counter
	driftLeft         prometheus.Counter
	contested         prometheus.Gauge
	tunnelCalls       tunnelMetrics
	writerMetrics
}

func newMetrics(c *Controller) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "ovsmesh_" + name, Help: help})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		reconcile: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ovsmesh_reconcile_seconds", Help: "Time of one look at a host that wrote something, database and switches included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		transactions:      counter("ovsdb_transactions_total", "Transactions sent to hosts' databases."),
		transactionErrors: counter("ovsdb_transaction_errors_total", "Transactions that failed or were refused."),
		flowMods:          counter("openflow_flow_mods_total", "Flow-mods that switches have taken."),
		bundleErrors:      counter("openflow_bundle_errors_total", "Read-backs and bundles that failed."),
		refused:           counter("openflow_refused_total", "Times that a network's flows were not sent because they would have broken isolation or made a loop."),
	}
	m.writerMetrics.register(m.registry)
	m.driftCounters(c.switches.Counters())
	m.tunnelCalls = newTunnelMetrics(m.registry, c.calls.waiting)
	m.registry.MustRegister(m.reconcile, m.transactions, m.transactionErrors, m.flowMods, m.bundleErrors, m.refused, &gauges{c: c}, &storeGauges{c.hub},
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// gauges is a prometheus.Collector over the hosts' status.
type gauges struct{ c *Controller }

var (
	descHosts    = prometheus.NewDesc("ovsmesh_hosts", "Hosts by connection.", []string{"connected"}, nil)
	descHealth   = prometheus.NewDesc("ovsmesh_hosts_health", "Hosts by how they answer.", []string{"health"}, nil)
	descWriter   = prometheus.NewDesc("ovsmesh_hosts_writer", "Connected hosts by who may write there: this controller, another that holds the lock, or nobody of this store since their rows are another's.", []string{"writer"}, nil)
	descSync     = prometheus.NewDesc("ovsmesh_hosts_in_sync", "Connected hosts that have all that is wanted.", nil, nil)
	descNetworks = prometheus.NewDesc("ovsmesh_networks", "Networks.", nil, nil)
	descTunnels  = prometheus.NewDesc("ovsmesh_tunnels", "Tunnel ends by state.", []string{"state"}, nil)
	descBridges  = prometheus.NewDesc("ovsmesh_bridges", "Managed bridges by OpenFlow connection.", []string{"connected"}, nil)
	descRefused  = prometheus.NewDesc("ovsmesh_networks_refused", "Networks on hosts whose flows are not sent because they would break isolation or make a loop.", nil, nil)
	descFlows    = prometheus.NewDesc("ovsmesh_flows", "Flows of ours that switches hold.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descHosts, descHealth, descWriter, descSync, descNetworks, descTunnels, descBridges, descRefused, descFlows} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	var (
		hosts    []*host
		networks int
		wanted   = map[*host]int{} // tunnels, of hosts that may not be there to say
	)
	err := g.c.hub.do(context.Background(), func() {
		networks = g.c.hub.intent.Count()
		for name, h := range g.c.hub.hosts {
			hosts = append(hosts, h)
			for _, u := range g.c.hub.mesh.Views(name) {
				wanted[h] += len(u.On.Net.Members) - 1
			}
		}
	})
	if err != nil {
		return // stopping
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	var connected, inSync, refused, flows int
	bridges := map[bool]int{}
	writers := map[string]int{writerSelf: 0, writerOther: 0, writerForeign: 0}
	health := map[string]int{api.HealthOK: 0, api.HealthSlow: 0, api.HealthStuck: 0, api.HealthUnreachable: 0}
	tunnels := map[string]int{api.TunnelUp: 0, api.TunnelPending: 0, api.TunnelDown: 0, api.TunnelUnreachable: 0}
	for _, h := range hosts {
		word, _, _ := h.health.verdict()
		health[word]++
		s := h.status
		s.mu.Lock()
		if s.connected {
			connected++
			writers[s.writerWord()]++
			if s.waiting == "" {
				inSync++
			}
		} else {
			tunnels[api.TunnelUnreachable] += wanted[h]
		}
		for _, b := range s.bridges {
			bridges[b.Connected]++
			flows += b.FlowsInstalled
		}
		for _, n := range s.networks {
			if n.refused {
				refused++
			}
			for state, count := range n.ends.states() {
				tunnels[state] += count
			}
		}
		s.mu.Unlock()
	}
	gauge(descHosts, connected, "true")
	gauge(descHosts, len(hosts)-connected, "false")
	for word, n := range health {
		gauge(descHealth, n, word)
	}
	for word, n := range writers {
		gauge(descWriter, n, word)
	}
	gauge(descSync, inSync)
	gauge(descNetworks, networks)
	for state, n := range tunnels {
		gauge(descTunnels, n, state)
	}
	gauge(descBridges, bridges[true], "true")
	gauge(descBridges, bridges[false], "false")
	gauge(descRefused, refused)
	gauge(descFlows, flows)
}

// loopsNow returns the loops of all hosts.
func (c *Controller) loopsNow(ctx context.Context) ([]*host, error) {
	var hosts []*host
	err := c.hub.do(ctx, func() {
		for _, h := range c.hub.hosts {
			hosts = append(hosts, h)
		}
	})
	return hosts, err
}
