package controller_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// envWalkSeed makes a walk that failed go the same way again.
const envWalkSeed = "OVSMESH_TEST_WALK_SEED"

const (
	walkSteps = 60
	walkHosts = 4
	walkVMs   = 9 // at most
)

// walk is a random walk over a mesh and what must be there after each step.
type walk struct {
	*mesh
	rand     *rand.Rand
	networks map[string]string // those that are declared: their line of the spec
	vms      map[string]*ovstest.VM
	next     int // number of the next VM, or key
}

// Whatever happens in whatever order: what is wanted is there in the end, and
// nothing else.
func TestRandomWalk(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(envWalkSeed); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("%s=%d", envWalkSeed, seed)
	w := &walk{
		mesh: startMesh(t, walkHosts), rand: rand.New(rand.NewPCG(seed, 0)),
		networks: map[string]string{}, vms: map[string]*ovstest.VM{}, next: 1,
	}
	w.bridges("br-int")
	steps := []struct {
		weight int
		name   string
		do     func() string
	}{
		{6, "add a VM", w.addVM},
		{3, "remove a VM", w.removeVM},
		{4, "move a VM", w.moveVM},
		{3, "move a VIF to another network", w.rewire},
		{5, "declare or change a network", w.declare},
		{2, "delete a network", w.undeclare},
		{1, "restart ovs-vswitchd", w.restartSwitch},
		{1, "restart the controller", w.restartController},
		{1, "delete a tunnel port", w.deleteTunnel},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	for i := range walkSteps {
		at := w.rand.IntN(total)
		for _, s := range steps {
			if at -= s.weight; at < 0 {
				t.Logf("step %d: %s: %s", i, s.name, s.do())
				break
			}
		}
		if w.rand.IntN(4) == 0 || i == walkSteps-1 {
			w.verify(i)
		}
	}
}

func (w *walk) pickHost() *ovstest.Host { return w.Hosts()[w.rand.IntN(walkHosts)] }

func (w *walk) pickNetwork() string { return []string{"blue", "red", "green"}[w.rand.IntN(3)] }

// pickVM returns some VM, nil if there is none.
func (w *walk) pickVM() *ovstest.VM {
	names := slices.Sorted(maps.Keys(w.vms))
	if len(names) == 0 {
		return nil
	}
	return w.vms[names[w.rand.IntN(len(names))]]
}

func (w *walk) number() int { w.next++; return w.next }

func (w *walk) addVM() string {
	if len(w.vms) == walkVMs {
		return "enough of them"
	}
	n, host, network := w.number(), w.pickHost().Name, w.pickNetwork()
	vm := w.vm(host, fmt.Sprintf("vm-%d", n), "br-int", n, network)
	w.vms[vm.Name] = vm
	return fmt.Sprintf("%s on %s in %s", vm.Name, host, network)
}

func (w *walk) removeVM() string {
	vm := w.pickVM()
	if vm == nil {
		return "none"
	}
	w.check(vm.Remove(w.ctx))
	delete(w.vms, vm.Name)
	return vm.Name
}

func (w *walk) moveVM() string {
	vm, to := w.pickVM(), w.pickHost()
	if vm == nil || vm.Host == to.Name {
		return "none"
	}
	w.check(vm.Move(w.ctx, to))
	return vm.Name + " to " + to.Name
}

func (w *walk) rewire() string {
	vm := w.pickVM()
	if vm == nil {
		return "none"
	}
	vm.Network = w.pickNetwork()
	w.vsctl(w.Host(vm.Host), "set", "Interface", vm.Interface, "external_ids:ovsmesh-network="+vm.Network)
	return vm.Name + " to " + vm.Network
}

func (w *walk) declare() string {
	name, encap := w.pickNetwork(), []string{"gre", "vxlan"}[w.rand.IntN(2)]
	w.networks[name] = fmt.Sprintf("{name: %s, encap: %s, key: %d}", name, encap, 100+w.number())
	_, err := w.ctl.Apply(w.ctx, api.ApplyRequest{Files: []api.File{{Name: "walk.yaml", Data: "networks: [" + w.networks[name] + "]"}}})
	w.check(err)
	return w.networks[name]
}

func (w *walk) undeclare() string {
	name := w.pickNetwork()
	if w.networks[name] == "" {
		return "none"
	}
	_, err := w.ctl.Delete(w.ctx, api.KindNetworks, name)
	w.check(err)
	delete(w.networks, name)
	return name
}

func (w *walk) restartSwitch() string {
	h := w.pickHost()
	w.check(h.RestartVSwitchd(w.ctx))
	return h.Name
}

func (w *walk) restartController() string {
	w.ctl.stop()
	w.start()
	return ""
}

func (w *walk) deleteTunnel() string {
	h := w.pickHost()
	names := w.ownPorts(h)
	if len(names) == 0 {
		return "none"
	}
	name := names[w.rand.IntN(len(names))]
	w.vsctl(h, "--if-exists", "del-port", name)
	return name + " on " + h.Name
}

// ownPorts returns the tunnel ports that a host has, sorted.
func (w *walk) ownPorts(h *ovstest.Host) []string {
	w.t.Helper()
	names := strings.Fields(w.vsctl(h, "--bare", "--columns=name", "find", "Port", "external_ids:ovsmesh-owner!=\"\""))
	slices.Sort(names)
	return names
}

// verify waits until what is wanted is there, and demands that nothing else is.
func (w *walk) verify(step int) {
	w.t.Helper()
	members := map[string][]string{} // hosts by network
	for _, vm := range w.vms {
		if w.networks[vm.Network] != "" && !slices.Contains(members[vm.Network], vm.Host) {
			members[vm.Network] = append(members[vm.Network], vm.Host)
		}
	}
	w.eventually(fmt.Sprintf("in sync after step %d", step), func() error {
		for _, h := range w.topology(api.TopologyFilter{}).Hosts {
			if !h.Connected || !h.InSync {
				return fmt.Errorf("%s: connected %v, in sync %v, %q", h.Name, h.Connected, h.InSync, h.Problems)
			}
		}
		for name := range w.networks {
			slices.Sort(members[name])
			if err := w.isMeshed(name, members[name]...); err != nil {
				return err
			}
		}
		for _, h := range w.Hosts() {
			want := 0
			for _, hosts := range members {
				if slices.Contains(hosts, h.Name) {
					want += len(hosts) - 1
				}
			}
			if got := w.ownPorts(h); len(got) != want {
				return fmt.Errorf("%s has tunnels %v, want %d", h.Name, got, want)
			}
		}
		if rep := w.audit(api.AuditRequest{}); !rep.Clean || !rep.Complete {
			return fmt.Errorf("audit: %+v", rep)
		}
		return nil
	})
	for _, from := range w.vms {
		for _, to := range w.vms {
			if from == to || from.Network != to.Network || w.networks[from.Network] == "" {
				continue
			}
			ctx, cancel := context.WithTimeout(w.ctx, patience)
			err := from.WaitPing(ctx, to.IPs[w.rand.IntN(2)].Addr())
			cancel()
			if err != nil {
				w.t.Fatalf("step %d: %s on %s to %s on %s: %v", step, from.Name, from.Host, to.Name, to.Host, err)
			}
		}
	}
}
