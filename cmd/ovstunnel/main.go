// Command ovstunnel takes the place of CloudStack's plugin of that name, on
// XenServer and XCP-ng as on KVM: it is called as the plugin is, has the controller
// of ovsmesh carry the call out, and answers as CloudStack expects it. It makes no
// bridge, port or flow itself.
//
// # How it is called
//
// With one argument that begins with "<", by XenServer's toolstack: an XML-RPC
// methodCall. It is answered by one methodResponse on stdout, and nothing else is
// ever printed there. The exit code is 0 for failures, too, as with every plugin
// that Python's XenAPIPlugin dispatches; the toolstack takes another one for a
// crash. It is 1 only where the answer can't be written.
//
//	success                              {Status: Success, Value: VALUE}
//	a function that there is not         {Status: Failure, ErrorDescription: [UNKNOWN_XENAPI_PLUGIN_FUNCTION, FUNCTION]}
//	every other failure                  {Status: Failure, ErrorDescription: [XENAPI_PLUGIN_FAILURE, FUNCTION, CLASS, TEXT]}
//
// CLASS is ArgumentError, ConfigurationError, ControllerError, TimeoutError,
// InterruptedError, ToolstackError or InternalError.
//
// With anything else, by CloudStack's KVM agent: a function and options. The exit
// codes and texts are those that the agent takes for success and failure, which
// differs from function to function:
//
//	function                             success                    failure
//	setup_ovs_bridge                     0, VALUE                   1, the reason
//	setup_…_for_distributed_routing      0, VALUE                   1, the reason
//	destroy_ovs_bridge                   0, VALUE                   1, the reason
//	destroy_tunnel                       0, VALUE                   1, the reason
//	create_tunnel                        1, VALUE                   0, the reason
//	configure_…_for_network_topology     1, "SUCCESS"               1, the reason
//	configure_…_for_routing_policies     1, "SUCCESS"               1, the reason
//	unknown function or option           -                          1, the reason
//	any of them with --strict            0, VALUE                   1, the reason
//
// VALUE goes to stdout, reasons to stderr. An unknown option beside create_tunnel
// ends with 0, as that one's failures do, and so does a call that a signal ends or
// that takes too long. What no exit code can help: the agent takes a create_tunnel
// that it can't run at all, that is killed by SIGKILL, or that takes longer than
// the agent's own limit (scripts.timeout, half an hour unless set) for a success.
//
// # Files
//
//	/etc/ovsmesh/ovstunnel.yaml                  the configuration; see examples/ovstunnel.yaml
//	/etc/xapi.d/plugins/ovstunnel                where XenServer looks for it
//	/usr/share/cloudstack-common/scripts/vm/network/vnet/ovstunnel.py
//	                                             where the KVM agent looks for it
//	/var/log/cloud/ovstunnel.log                 one line a call on XenServer, where the directory is there
//	/var/log/cloudstack/agent/ovstunnel.log      likewise on KVM
//
// # Time
//
// A call ends within its timeout (28 s unless set, at most 30), whatever the
// controller, xe or a file system does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stamped is the version, set by the linker; see the Makefile.
var stamped = "unknown"

func main() {
	// Nobody reading a reason must not change the exit code.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code := program{os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr, wholeLimit}.run(ctx)
	stop()
	os.Exit(code)
}
