package controller

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ovsmesh/controller/api"
)

// The functions of CloudStack's ovstunnel plugin that concern the controller.
// The others, is_xcp and getLabel, are about the hypervisor alone and answered
// there.
const (
	fnSetupBridge   = "setup_ovs_bridge"
	fnSetupVPC      = "setup_ovs_bridge_for_distributed_routing"
	fnCreateTunnel  = "create_tunnel"
	fnDestroyTunnel = "destroy_tunnel"
	fnDestroyBridge = "destroy_ovs_bridge"
	fnTopology      = "configure_ovs_bridge_for_network_topology"
	fnPolicy        = "configure_ovs_bridge_for_routing_policies"
)

func tunnelFunctions() []string {
	return []string{fnSetupBridge, fnSetupVPC, fnCreateTunnel, fnDestroyTunnel, fnDestroyBridge, fnTopology, fnPolicy}
}

// tunnelArgs are the arguments of a call that make sense for its function; the
// others are zero.
type tunnelArgs struct {
	function      string
	bridge        string
	name          string // of the network: OVSTunnel103
	xsNetworkUUID string
	key           uint32
	remoteIP      netip.Addr
	from, to      int    // CloudStack's numbers of hosts
	host          int    // of the calling host, where from does not tell; 0: not told
	port          string // destroy_tunnel
	config        string // a VPC's document
	sequence      *uint64
}

// Bounds of what arguments may be, in bytes.
const (
	maxArg    = 255
	maxConfig = 1 << 20
)

// readTunnelArgs reads the arguments of a call; the error is an
// api.RequestError that names the one that is missing or makes no sense.
// Arguments that a function does not know are none of its business: each
// version of CloudStack sends some of its own.
func readTunnelArgs(call api.TunnelCall) (tunnelArgs, error) {
	if !slices.Contains(tunnelFunctions(), call.Function) {
		return tunnelArgs{}, badCall("there is no function %.64q: there are %s", call.Function, strings.Join(tunnelFunctions(), ", "))
	}
	r := argReader{call: call}
	a := tunnelArgs{function: call.Function, bridge: r.bridge()}
	switch call.Function {
	case fnSetupBridge, fnSetupVPC:
		a.name = r.text("key")
		a.xsNetworkUUID = r.optional("xs_nw_uuid")
		a.host = r.hostID("cs_host_id")
	case fnCreateTunnel:
		a.remoteIP = r.addr("remote_ip")
		a.key = uint32(r.number("key", 1, 1<<32-1))
		a.from = int(r.number("from", 1, maxTunnelHost))
		a.to = int(r.number("to", 1, maxTunnelHost))
		if r.err == nil && a.from == a.to {
			r.refuse("to", "is %d, as from is: a tunnel leads to another host", a.to)
		}
	case fnDestroyTunnel:
		a.port = r.text("in_port")
	case fnDestroyBridge:
		a.host = r.hostID("cs_host_id")
	case fnTopology, fnPolicy:
		a.config = r.config()
		a.host = r.hostID("host-id")
		if r.call.Args["seq-no"] != "" {
			n := r.number("seq-no", 0, 1<<63-1)
			a.sequence = &n
		}
	}
	return a, r.err
}

// maxTunnelHost bounds the numbers of hosts, as the spec does.
const maxTunnelHost = 1<<31 - 1

func badCall(format string, args ...any) error {
	return &api.RequestError{Text: fmt.Sprintf(format, args...)}
}

// argReader reads arguments until one is wrong.
type argReader struct {
	call api.TunnelCall
	err  error
}

func (r *argReader) refuse(name, format string, args ...any) {
	if r.err == nil {
		r.err = badCall("%s: argument %s %s", r.call.Function, name, fmt.Sprintf(format, args...))
	}
}

func (r *argReader) optional(name string) string {
	v := r.call.Args[name]
	if why := badArg(v); why != "" {
		r.refuse(name, "%s", why)
		return ""
	}
	return v
}

func badArg(v string) string {
	switch {
	case len(v) > maxArg:
		return fmt.Sprintf("is longer than %d bytes", maxArg)
	case strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\uFFFD' }):
		return fmt.Sprintf("%q holds a control or invalid character", v)
	}
	return ""
}

func (r *argReader) text(name string) string {
	v := r.optional(name)
	if v == "" {
		r.refuse(name, "is missing")
	}
	return v
}

// bridge reads the bridge's name, which becomes part of keys and texts.
func (r *argReader) bridge() string {
	v := r.text("bridge")
	if strings.ContainsAny(v, "/: \t\"") {
		r.refuse("bridge", "%q is not the name of a bridge", v)
	}
	return v
}

func (r *argReader) number(name string, least, most uint64) uint64 {
	v := r.text(name)
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil || n < least || n > most {
		r.refuse(name, "%q is not a number from %d to %d", v, least, most)
		return 0
	}
	return n
}

// hostID reads the number of the calling host; 0 where it is not told, which
// CloudStack writes as -1 at times.
func (r *argReader) hostID(name string) int {
	if v := r.optional(name); v == "" || v == "-1" {
		return 0
	}
	return int(r.number(name, 1, maxTunnelHost))
}

func (r *argReader) addr(name string) netip.Addr {
	v := r.text(name)
	a, err := netip.ParseAddr(v)
	if err != nil || a.Zone() != "" {
		r.refuse(name, "%q is not an IP address", v)
		return netip.Addr{}
	}
	return a.Unmap()
}

func (r *argReader) config() string {
	v := r.call.Args["config"]
	switch {
	case v == "":
		r.refuse("config", "is missing")
	case len(v) > maxConfig:
		r.refuse("config", "is longer than %d bytes", maxConfig)
	}
	return v
}
