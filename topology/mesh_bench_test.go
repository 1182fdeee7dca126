package topology

import (
	"fmt"
	"runtime"
	"testing"
)

const (
	benchHosts    = 1000
	benchNetworks = 10000
	benchVMs      = 100 // on each host, each of another network
)

// cloud is a mesh of 1,000 hosts, 10,000 networks and 100,000 VMs on one
// integration bridge a host: ten hosts in each network.
func cloud() (*Mesh, []HostFacts) {
	m := NewMesh()
	for i := range benchNetworks {
		n := network(fmt.Sprintf("net-%d", i), "br-int")
		n.ID, n.Key = uint32(i+1), uint32(i+1)
		m.SetNetwork(n)
	}
	facts := make([]HostFacts, benchHosts)
	for h := range facts {
		vifs := make([]InterfaceFacts, benchVMs)
		for v := range vifs {
			vifs[v] = benchVM(h*benchVMs+v, (h+v*benchHosts/benchVMs*10+v)%benchNetworks)
		}
		facts[h] = reported(h+1, vifs...)
		facts[h].Bridges[0].Name = "br-int"
		name := fmt.Sprintf("host-%d", h)
		m.SetHost(HostRecord{Host: Host{Name: name, ID: h + 1}})
		m.SetFacts(name, facts[h])
	}
	return m, facts
}

func benchVM(id, network int) InterfaceFacts {
	return InterfaceFacts{
		Name: fmt.Sprintf("tap%06x", id), Network: fmt.Sprintf("net-%d", network),
		IfaceID: fmt.Sprintf("11111111-2222-3333-4444-%012x", id), IfaceStatus: "active",
		AttachedMAC: fmt.Sprintf("02:00:00:%02x:%02x:%02x", id>>16&0xff, id>>8&0xff, id&0xff),
	}
}

// BenchmarkBuild is a controller that starts anew on a whole cloud.
func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		m, _ := cloud()
		updates := len(m.Flush())
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(updates), "updates")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		runtime.KeepAlive(m)
	}
}

// BenchmarkMove is one VM that goes from one host to another and back.
func BenchmarkMove(b *testing.B) {
	m, facts := cloud()
	m.Flush()
	v := benchVM(1<<23, 77)
	with := func(h int, more ...InterfaceFacts) {
		f := facts[h]
		f.Bridges = []BridgeFacts{bridge("br-int", append(f.Bridges[0].Interfaces[:benchVMs:benchVMs], more...)...)}
		m.SetFacts(fmt.Sprintf("host-%d", h), f)
	}
	with(500, v)
	m.Flush()
	updates := 0
	for b.Loop() {
		with(500)
		with(501, v)
		updates = len(m.Flush())
		with(501)
		with(500, v)
		m.Flush()
	}
	b.ReportMetric(float64(updates), "updates/move")
}

// BenchmarkAddNetwork is one more network on the bridge that all share.
func BenchmarkAddNetwork(b *testing.B) {
	m, _ := cloud()
	m.Flush()
	n := network("one-more", "br-int")
	n.ID, n.Key = benchNetworks+1, benchNetworks+1
	for b.Loop() {
		m.SetNetwork(n)
		m.Flush()
		m.DeleteNetwork(n.Name)
		m.Flush()
	}
}
