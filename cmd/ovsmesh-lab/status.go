package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ovsmesh/ovsdb/ovstest"
)

// statusJSON is what "status -o json" prints.
type statusJSON struct {
	ID          string       `json:"id"`
	Controller  string       `json:"controller"`
	Controller6 string       `json:"controller6"`
	Hosts       []hostStatus `json:"hosts"`
	Networks    []network    `json:"networks"`
	VMs         []vmStatus   `json:"vms"`
}

type hostStatus struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	SystemID  string `json:"systemID"`
	Addr      string `json:"addr"`
	Addr6     string `json:"addr6"`
	OVSDB     int    `json:"ovsdbServerPID"` // 0: does not run
	VSwitchd  int    `json:"ovsVswitchdPID"`
}

type vmStatus struct {
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	Host      string   `json:"host"`
	Bridge    string   `json:"bridge"`
	Interface string   `json:"interface"`
	MAC       string   `json:"mac"`
	IPs       []string `json:"ips"`
	IfaceID   string   `json:"ifaceID"`
}

func newStatusCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show hosts, VMs and their addresses",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := openLab()
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			switch output {
			case "table":
				l.print(w)
				return nil
			case "json":
				enc := json.NewEncoder(w)
				enc.SetIndent("", "  ")
				return enc.Encode(l.status())
			default:
				return fmt.Errorf("--output %q: want table or json", output)
			}
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "how to print: table or json")
	return cmd
}

func (l *lab) status() statusJSON {
	s := statusJSON{
		ID: l.bed.ID, Controller: l.bed.Controller.String(), Controller6: l.bed.Controller6.String(),
		Hosts: []hostStatus{}, Networks: append([]network{}, l.Networks...), VMs: []vmStatus{},
	}
	for _, h := range l.bed.Hosts() {
		db, sw := h.Pids()
		s.Hosts = append(s.Hosts, hostStatus{
			Name: h.Name, Namespace: h.Namespace(), SystemID: h.SystemID,
			Addr: h.Addr.String(), Addr6: h.Addr6.String(), OVSDB: db, VSwitchd: sw,
		})
	}
	for _, vm := range l.bed.VMs() {
		s.VMs = append(s.VMs, vmStatus{
			Name: vm.Name, Namespace: vm.Namespace(), Host: vm.Host, Bridge: vm.Bridge,
			Interface: vm.Interface, MAC: vm.MAC.String(), IPs: addresses(vm), IfaceID: vm.IfaceID,
		})
	}
	return s
}

func addresses(vm *ovstest.VM) []string {
	list := []string{}
	for _, p := range vm.IPs {
		list = append(list, p.Addr().String())
	}
	return list
}

// print writes the lab's state for people.
func (l *lab) print(w io.Writer) {
	s := l.status()
	fmt.Fprintf(w, "controller's address: %s, %s (on link %s)\n\n", s.Controller, s.Controller6, s.ID)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tADDRESS\tIPV6\tOVS\tNAMESPACE")
	for _, h := range s.Hosts {
		state := "runs"
		switch {
		case h.OVSDB == 0 && h.VSwitchd == 0:
			state = "down"
		case h.OVSDB == 0:
			state = "no ovsdb-server"
		case h.VSwitchd == 0:
			state = "no ovs-vswitchd"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", h.Name, h.Addr, h.Addr6, state, h.Namespace)
	}
	table.Flush()
	if len(s.VMs) == 0 {
		return
	}
	fmt.Fprintln(table, "\nVM\tHOST\tPORT\tMAC\tADDRESSES")
	for _, vm := range s.VMs {
		fmt.Fprintf(table, "%s\t%s\t%s/%s\t%s\t%s\n", vm.Name, vm.Host, vm.Bridge, vm.Interface, vm.MAC, strings.Join(vm.IPs, " "))
	}
	table.Flush()
}

// printHints says what to do with a lab that has just come up.
func (l *lab) printHints(w io.Writer) {
	target := "tcp:" + l.bed.Controller.String() + ":6640"
	fmt.Fprintln(w, "  bin/ovsmesh serve                       # the controller, in another terminal")
	for _, h := range l.bed.Hosts() {
		fmt.Fprintf(w, "  bin/ovsmesh-lab vsctl %s set-manager %s\n", h.Name, target)
		if len(l.bed.Hosts()) > 5 {
			fmt.Fprintln(w, "  …                                       # or all at once: bin/ovsmesh-lab connect")
			break
		}
	}
	if len(l.Networks) > 0 {
		fmt.Fprintln(w, "  bin/ovsmesh-lab spec | bin/ovsmesh apply --wait -f -")
	}
	fmt.Fprintln(w, "  bin/ovsmesh topology")
	if vms := l.bed.VMs(); len(vms) > 1 {
		first, last := vms[0], lastOf(vms, vms[0].Bridge)
		fmt.Fprintf(w, "  bin/ovsmesh-lab exec %s -- ping -c 3 %s\n", first.Name, last.IPs[0].Addr())
		if last.Host != first.Host {
			fmt.Fprintf(w, "  bin/ovsmesh-lab vm move %s %s\n", first.Name, last.Host)
		}
	}
	fmt.Fprintln(w, "  bin/ovsmesh-lab down")
}

// lastOf returns the last VM on bridges of that name.
func lastOf(vms []*ovstest.VM, bridge string) *ovstest.VM {
	var last *ovstest.VM
	for _, vm := range vms {
		if vm.Bridge == bridge {
			last = vm
		}
	}
	return last
}
