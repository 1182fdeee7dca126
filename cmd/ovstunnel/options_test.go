package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKVMFormRefuses(t *testing.T) {
	tests := []struct {
		args string
		want string
	}{
		{"--bridge b", `unknown function ""`},
		{"setup_ovs_brige --bridge b", `unknown function "setup_ovs_brige" (did you mean setup_ovs_bridge?)`},
		{"is_xcp", `unknown function "is_xcp": want one of setup_ovs_bridge, `},
		{"zebra", "want one of setup_ovs_bridge, setup_ovs_bridge_for_distributed_routing, destroy_ovs_bridge, create_tunnel, destroy_tunnel, configure_ovs_bridge_for_network_topology, configure_ovs_bridge_for_routing_policies"},
		{"destroy_ovs_bridge", "it needs --bridge"},
		{"create_tunnel --bridge b --key 1", "it needs --remote_ip and --src_host and --dst_host"},
		{"destroy_tunnel --bridge b", "it needs --iface_name"},
		{"destroy_ovs_bridge --bridge", "--bridge needs a value"},
		{"destroy_ovs_bridge --brigde b", "unknown option --brigde (did you mean --bridge?)"},
		{"destroy_ovs_bridge --xyzzyx b", "unknown option --xyzzyx"},
		{"destroy_ovs_bridge -b b", "unknown option -b"},
		{"destroy_ovs_bridge --bridge b --strict=1", "--strict takes no value"},
		{"destroy_ovs_bridge --bridge b more", `one function at a time: what is "more"?`},
		{"destroy_ovs_bridge --bridge b --conf x", "--conf may be --config or --config-file"},
		{"destroy_ovs_bridge --= b", "--"},
	}
	for _, tt := range tests {
		f := newKVMForm(strings.Fields(tt.args))
		c, err := f.read()
		if err == nil || err.class != argumentError || !strings.Contains(err.text, tt.want) {
			t.Errorf("%s: %v, want %q", tt.args, err, tt.want)
			continue
		}
		if _, stderr, code := f.say(outcome{call: c, err: err}, false); stderr == "" || strings.Count(stderr, "\n") != 1 || code != map[bool]int{true: 0, false: 1}[c.function == createTunnel] {
			t.Errorf("%s: exit code %d, %q", tt.args, code, stderr)
		}
	}
}

// Whatever is wrong with a create_tunnel, its exit code is that of a failure to
// CloudStack.
func TestKVMFormKnowsCreateTunnel(t *testing.T) {
	for _, args := range []string{"create_tunnel", "--new option create_tunnel --bridge b", "create_tunnel more", "create_tunnel -x", "-x create_tunnel"} {
		f := newKVMForm(strings.Fields(args))
		c, err := f.read()
		if err == nil {
			t.Fatalf("%s: not refused", args)
		}
		if _, _, code := f.say(outcome{call: c, err: err}, false); code != 0 {
			t.Errorf("%s: exit code %d, which CloudStack takes for success", args, code)
		}
		if _, _, code := f.say(outcome{call: c, err: err}, true); code != 1 {
			t.Errorf("%s: exit code %d with --strict", args, code)
		}
	}
}

// The order of the words is that of Python's optparse: any.
func TestKVMFormReads(t *testing.T) {
	create := call{createTunnel, map[string]string{"bridge": "OVSTunnel103", "remote_ip": "192.0.2.2", "key": "103", "from": "1", "to": "2"}}
	tests := []struct {
		args []string
		want call
	}{
		{strings.Fields("create_tunnel --bridge OVSTunnel103 --remote_ip 192.0.2.2 --key 103 --src_host 1 --dst_host 2"), create},
		{strings.Fields("--bridge=OVSTunnel103 --remote_ip=192.0.2.2 create_tunnel --key=103 --src_host=1 --dst_host=2"), create},
		{strings.Fields("--bridge x --rem 192.0.2.2 --key 103 --src 1 --dst 2 --bridge OVSTunnel103 --strict -- create_tunnel"), create},
		{strings.Fields("create_tunnel --bridge OVSTunnel103 --remote_ip 192.0.2.2 --key 103 --src_host 1 --dst_host 2 --cs_host_id 7 --config-file /x"), create},
		{strings.Fields("setup_ovs_bridge --key OVSTunnel103 --cs_host_id 1 --bridge OVSTunnel103"),
			call{setupBridge, map[string]string{"bridge": "OVSTunnel103", "key": "OVSTunnel103", "cs_host_id": "1"}}},
		{strings.Fields("setup_ovs_bridge_for_distributed_routing --cs_host_id 1 --bridge b"),
			call{setupDistributed, map[string]string{"bridge": "b", "key": "b", "cs_host_id": "1"}}},
		{strings.Fields("destroy_ovs_bridge --bridge b"), call{destroyBridge, map[string]string{"bridge": "b"}}},
		{strings.Fields("destroy_tunnel --bridge b --iface_name t103-1-2"), call{destroyTunnel, map[string]string{"bridge": "b", "in_port": "t103-1-2"}}},
		{[]string{"destroy_tunnel", "--bridge=", "--iface_name", "--odd"}, call{destroyTunnel, map[string]string{"bridge": "", "in_port": "--odd"}}},
		{[]string{"configure_ovs_bridge_for_network_topology", "--bridge", "b", "--config", `{"vpc": {}}`},
			call{configureTopology, map[string]string{"bridge": "b", "config": `{"vpc": {}}`}}},
		{[]string{"configure_ovs_bridge_for_routing_policies", "--bridge", "b", "--config={=}"},
			call{configurePolicies, map[string]string{"bridge": "b", "config": "{=}"}}},
	}
	for _, tt := range tests {
		c, err := newKVMForm(tt.args).read()
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		if diff := cmp.Diff(tt.want, c, cmp.AllowUnexported(call{})); diff != "" {
			t.Errorf("%q: %s", tt.args, diff)
		}
	}
}

// Of XenServer's form is one argument that begins as XML, and nothing else.
func TestIsXAPI(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "<": true, " \r\n\t<?xml?>": true, "create_tunnel": false, "--help": false, "x<y>": false,
	} {
		if got := isXAPI([]string{text}); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if isXAPI(nil) || isXAPI([]string{"<a/>", "<b/>"}) {
		t.Error("none or two arguments are taken for XenServer's form")
	}
}

// XenServer's form says what is missing, as the plugin does.
func TestXAPIFormRefuses(t *testing.T) {
	tests := []struct {
		text string
		want failure
	}{
		{"<x", failure{argumentError, "not a methodCall: XML syntax error on line 1: unexpected EOF"}},
		{methodCallOf("make_coffee"), failure{unknownError, "make_coffee"}},
		{methodCallOf(createTunnel), failure{argumentError, "create_tunnel needs bridge and remote_ip and key and from and to"}},
		{methodCallOf(setupBridge, "bridge", "b", "key", "k"), failure{argumentError, "setup_ovs_bridge needs xs_nw_uuid and cs_host_id"}},
		{methodCallOf(destroyBridge, "bridge", "b"), failure{argumentError, "destroy_ovs_bridge needs cs_host_id"}},
		{methodCallOf(configurePolicies, "bridge", "b", "config", "{}"), failure{argumentError, "configure_ovs_bridge_for_routing_policies needs seq-no"}},
	}
	for _, tt := range tests {
		if _, err := (xapiForm{tt.text}).read(); err == nil || *err != tt.want {
			t.Errorf("%s: %v, want %v", tt.text, err, tt.want)
		}
	}
	// What a later CloudStack may send besides is no concern of the function's.
	c, err := xapiForm{methodCallOf(destroyTunnel, "bridge", "b", "in_port", "t1-1-2", "new", "x")}.read()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"bridge": "b", "in_port": "t1-1-2"}, c.args); diff != "" {
		t.Error(diff)
	}
}
