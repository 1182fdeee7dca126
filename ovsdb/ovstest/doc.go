// Package ovstest runs real Open vSwitch: for tests, for the lab and for
// benchmarks, as net/http/httptest does for HTTP. It imitates nothing; what a
// switch decides is decided by ovs-vswitchd.
//
//	StartSwitch   one ovsdb-server and ovs-vswitchd with the dummy datapath:
//	              rows and flows as on any switch, no packets, 25 ms;
//	              StartOVS outside of tests
//	NewBed        many hosts, each a network namespace with its own pair and
//	              the userspace datapath, joined by an underlay; VMs in
//	              namespaces of their own; real packets. VMs run real daemons
//	              (DHCP, router advertisements, VRRP); a VTEP is an endpoint
//	              without Open vSwitch
//
// It needs root and the Debian package openvswitch-switch; neither the system's
// own Open vSwitch service nor the kernel datapath is used or touched. All that
// it makes carries the prefix "om-" and is removed by Close, Cleanup, or, after
// a crash of the process that made it, by Sweep.
//
// The daemons detach themselves: no goroutine waits for them, and they outlive
// the process that started them until they are stopped.
package ovstest
