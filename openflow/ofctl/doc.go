// Package ofctl reads and changes the Open vSwitch of this machine through
// ovs-vsctl and ovs-ofctl, as an operator on it would. It is for commands that
// run on the hypervisor itself; the controller speaks to switches through
// packages ovsdb and openflow.
//
// It starts processes and waits for them, and starts no goroutines. A Host may
// be used by several goroutines.
package ofctl
