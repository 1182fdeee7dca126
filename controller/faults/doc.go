// Package faults breaks a mesh of real hosts under real traffic, and measures
// what that does: what is lost, what is written, and how long until all is
// right again.
//
//	Start     hosts, VMs, a real "ovsmesh serve", two networks, all in sync
//	Faults    the table: what is injected, and what may come of it
//	Run       traffic, one fault, until settled: a Result
//	Chaos     faults picked by a seed, one after the other, for some time
//
// It is for tests and for ovsmesh-lab, as package ovstest is, and no part of the
// product. It needs root and Open vSwitch. What it makes lies in an ovstest.Bed
// and goes with it; the server ends with the process that started it, however
// that ends.
//
// A Traffic owns the goroutines that send and receive, a Server the one that
// waits for its process; Stop and Kill wait for them.
package faults
