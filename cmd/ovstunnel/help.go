package main

// help teaches both forms.
const help = `ovstunnel stands in for CloudStack's plugin of that name: it is called as the
plugin is, has the controller (ovsmesh serve) carry the call out, and answers as
CloudStack expects. It makes no bridge, port or flow itself.

On XenServer and XCP-ng the toolstack calls it:
  ovstunnel '<methodCall>…</methodCall>'
One argument, XML-RPC; the answer is one methodResponse on stdout, and the exit
code is 0 for failures, too. Try it by way of the toolstack:
  xe host-call-plugin host-uuid=… plugin=ovstunnel fn=is_xcp

On KVM CloudStack's agent calls it:
  ovstunnel setup_ovs_bridge --bridge BRIDGE --key NAME --cs_host_id ID
  ovstunnel create_tunnel --bridge BRIDGE --remote_ip IP --key KEY \
            --src_host ID --dst_host ID
  ovstunnel destroy_tunnel --bridge BRIDGE --iface_name PORT
  ovstunnel destroy_ovs_bridge --bridge BRIDGE
  ovstunnel setup_ovs_bridge_for_distributed_routing --bridge BRIDGE \
            --cs_host_id ID
  ovstunnel configure_ovs_bridge_for_network_topology --bridge BRIDGE \
            --config JSON
  ovstunnel configure_ovs_bridge_for_routing_policies --bridge BRIDGE \
            --config JSON
The exit codes are those that the agent expects, which are not what you expect:
  setup_…, destroy_…   0 is success, 1 is failure
  create_tunnel        1 is success, 0 is failure
  configure_…          always 1; success prints SUCCESS and nothing else
By hand use --strict: 0 is success, 1 is failure, for all of them. A harmless try
that goes all the way to the controller and this host's switch:
  ovstunnel --strict destroy_tunnel --bridge none --iface_name none

Options:
  --strict            exit codes as for any command
  --config-file FILE  configuration, instead of /etc/ovsmesh/ovstunnel.yaml
                      (--config is the agent's: JSON of the configure_… functions)
  --help, --version

Configuration, in /etc/ovsmesh/ovstunnel.yaml; all of it may be left out:
  server: http://192.0.2.10:8640  # ovsmesh serve; default http://127.0.0.1:8640
  tokenFile: /etc/ovsmesh/token   # or token: the token itself
  host: xen1                      # this host's name there; default: the one whose
                                  # token it is, else the one of our address
  timeout: 28s                    # of a whole call, at most 30s
  strict: false                   # as --strict
  logFile: FILE                   # or none; default: see below
  xe: /opt/xensource/bin/xe       # XenServer's command line
Environment, which goes before the file: OVSMESH_SERVER, OVSMESH_TOKEN, and
OVSMESH_OVSTUNNEL_CONFIG for another file.

Files:
  XenServer  /etc/xapi.d/plugins/ovstunnel
             /var/log/cloud/ovstunnel.log
  KVM        /usr/share/cloudstack-common/scripts/vm/network/vnet/ovstunnel.py
             /var/log/cloudstack/agent/ovstunnel.log
Install this file in the plugin's place, mode 0755, and keep the plugin's own to
go back. Each call is one line in the log, if the log's directory is there.
`
