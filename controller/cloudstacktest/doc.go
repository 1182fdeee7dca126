// Package cloudstacktest is a model of CloudStack, as far as its OVS plugin
// goes: of the management server that decides which calls are made, of the
// resource that speaks to XenServer's toolstack, of the agent on a KVM host, and
// of XAPI. It was written from CloudStack's sources (OvsTunnelManagerImpl,
// OvsElement, CitrixResourceBase and its wrappers, LibvirtComputingResource and
// its wrappers, Script, OvsNetworkTopologyGuruImpl) and holds to them with all
// their oddities; it shares no code with them. What is said here of CloudStack
// was read, not tried on one.
//
//	Cloud ── remembers tunnels, decides ── OvsCreateTunnelCommand …
//	  │
//	Resource  XenServer: XAPI's networks, host.call_plugin ── XML-RPC ─► plugin
//	          KVM: makes the bridge, Script ── arguments, exit code ───► plugin
//	  │
//	ovstest.Host   a real Open vSwitch
//
// The plugin is either CloudStack's own, as commands of Open vSwitch, or a
// program that takes its place. The model serves tests only. It starts no
// goroutine; a Cloud is used by one at a time.
package cloudstacktest
