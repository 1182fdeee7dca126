package main

import (
	"fmt"
	"slices"
	"strings"

	"ovsmesh/cmd/internal/configfile"
)

// The functions of CloudStack's plugin.
const (
	setupBridge       = "setup_ovs_bridge"
	setupDistributed  = "setup_ovs_bridge_for_distributed_routing"
	destroyBridge     = "destroy_ovs_bridge"
	createTunnel      = "create_tunnel"
	destroyTunnel     = "destroy_tunnel"
	configureTopology = "configure_ovs_bridge_for_network_topology"
	configurePolicies = "configure_ovs_bridge_for_routing_policies"
	isXCP             = "is_xcp"   // answered here, on XenServer only
	getLabel          = "getLabel" // likewise
)

// function is one function of the plugin and what it is called with.
type function struct {
	name string
	args []argument
}

// argument is an argument of a function.
type argument struct {
	name     string // XenServer's, which is the controller's too
	option   string // the KVM agent's option for it; "": it gives none
	optional bool
}

// functions are those that there are, in the order in which --help names them.
func functions() []function {
	bridge := argument{name: "bridge", option: "bridge"}
	key := argument{name: "key", option: "key"}
	uuid := argument{name: "xs_nw_uuid"}
	host := argument{name: "cs_host_id", option: "cs_host_id"}
	document := []argument{bridge, {name: "config", option: "config"}, {name: "host-id", optional: true}, {name: "seq-no"}}
	return []function{
		{setupBridge, []argument{bridge, key, uuid, host}},
		{setupDistributed, []argument{bridge, {name: "key", option: "key", optional: true}, uuid, host}},
		{destroyBridge, []argument{bridge, {name: "cs_host_id"}}},
		{createTunnel, []argument{
			bridge, {name: "remote_ip", option: "remote_ip"}, key, {name: "from", option: "src_host"}, {name: "to", option: "dst_host"},
			{name: "cloudstack-network-id", optional: true},
		}},
		{destroyTunnel, []argument{bridge, {name: "in_port", option: "iface_name"}}},
		{configureTopology, document},
		{configurePolicies, document},
		{isXCP, nil},
		{getLabel, nil},
	}
}

// onKVM reports whether the KVM agent knows the function.
func (f function) onKVM() bool { return len(f.args) > 0 }

// findFunction returns the function of a name.
func findFunction(name string) (function, bool) {
	all := functions()
	i := slices.IndexFunc(all, func(f function) bool { return f.name == name })
	if i < 0 {
		return function{}, false
	}
	return all[i], true
}

// unknownFunction is the error about a name that is none of the agent's.
func unknownFunction(name string) error {
	var names []string
	for _, f := range functions() {
		if f.onKVM() {
			names = append(names, f.name)
		}
	}
	if near := configfile.Nearest(name, names); near != "" {
		return fmt.Errorf("unknown function %q (did you mean %s?)", name, near)
	}
	return fmt.Errorf("unknown function %q: want one of %s", name, strings.Join(names, ", "))
}

// call is one call of the plugin.
type call struct {
	function string
	args     map[string]string // by XenServer's names, and only those that the function has
}

// String is the call as the log shows it: documents by their length only.
func (c call) String() string {
	var b strings.Builder
	b.WriteString(c.function)
	f, _ := findFunction(c.function)
	for _, a := range f.args {
		value, ok := c.args[a.name]
		switch {
		case !ok:
		case a.name == "config":
			fmt.Fprintf(&b, " config=(%d bytes)", len(value))
		case value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == '"' || r > '~' }):
			fmt.Fprintf(&b, " %s=%q", a.name, value)
		default:
			fmt.Fprintf(&b, " %s=%s", a.name, value)
		}
	}
	return b.String()
}

// failure is a call that did not succeed. Class and text are what XenServer's
// toolstack shows of it.
type failure struct {
	class, text string
}

// The classes of failures.
const (
	unknownError       = "UnknownFunction"    // the plugin has no such function
	argumentError      = "ArgumentError"      // a call that can't be read, or lacks something
	configurationError = "ConfigurationError" // of this command, on this host
	controllerError    = "ControllerError"    // it refuses, can't, or can't be reached
	timeoutError       = "TimeoutError"       // no answer within the time of a call
	interruptedError   = "InterruptedError"   // ended by a signal
	toolstackError     = "ToolstackError"     // of xe
	internalError      = "InternalError"      // of this command's programmers
)

func failed(class, format string, args ...any) *failure {
	return &failure{class, fmt.Sprintf(format, args...)}
}

func (f *failure) Error() string { return f.class + ": " + f.text }

// outcome is how a call ended. One with a failure has no value.
type outcome struct {
	call  call
	value string // what the function returns: SUCCESS:t103-1-3
	note  string // for the log: what went wrong beside a call that succeeded; "": nothing
	err   *failure
}
