package main

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// firstTunnelNumber is the first OpenFlow port number that the controller asks
// for.
const firstTunnelNumber = 20000

// object is one of JSON.
type object map[string]any

// row is what the controller writes of one tunnel port.
type row struct {
	name    string
	ofport  uint32
	key     string // options:key
	remote  string // options:remote_ip
	network string // external_ids:ovsmesh-network
	peer    string // external_ids:ovsmesh-peer
}

func tunnelRows(tunnels []tunnel) []row {
	rows := make([]row, len(tunnels))
	for i, t := range tunnels {
		rows[i] = row{
			name: t.port, ofport: t.ofport, key: strconv.Itoa(int(t.net.key())), remote: t.remote.String(),
			network: t.net.name(), peer: fmt.Sprintf("p%d", t.peer),
		}
	}
	return rows
}

// insertion returns the request that adds tunnel ports to a bridge.
func insertion(bridge string, rows []row) ([]byte, error) {
	var ops, ports []any
	for n, r := range rows {
		iface, port := "i"+strconv.Itoa(n), "p"+strconv.Itoa(n)
		ids := pairs("ovsmesh-owner", "00000000-0000-4000-8000-000000000000", "ovsmesh-network", r.network, "ovsmesh-peer", r.peer)
		ops = append(ops,
			object{"op": "insert", "table": "Interface", "uuid-name": iface, "row": object{
				"name": r.name, "type": "gre", "ofport_request": r.ofport, "external_ids": ids,
				"options": pairs("key", r.key, "remote_ip", r.remote)}},
			object{"op": "insert", "table": "Port", "uuid-name": port, "row": object{
				"name": r.name, "interfaces": []any{"named-uuid", iface}, "protected": true, "external_ids": ids}})
		ports = append(ports, []any{"named-uuid", port})
	}
	return transaction(append(ops, mutation(bridge, "insert", ports)))
}

// plugging returns the request that plugs a VM's port of a network into a
// bridge. It asks ovs-vswitchd for nothing.
func plugging(bridge, name, network string) ([]byte, error) {
	iface, port := []any{"named-uuid", "i"}, []any{"named-uuid", "p"}
	return json.Marshal(object{"id": 1, "method": "transact", "params": []any{"Open_vSwitch",
		object{"op": "insert", "table": "Interface", "uuid-name": "i", "row": object{
			"name": name, "type": "internal", "external_ids": pairs("ovsmesh-network", network)}},
		object{"op": "insert", "table": "Port", "uuid-name": "p", "row": object{"name": name, "interfaces": iface}},
		mutation(bridge, "insert", []any{port})}})
}

// deletion returns the request that takes ports of these UUIDs from a bridge.
// The database deletes rows that nothing refers to.
func deletion(bridge string, ids []string) ([]byte, error) {
	var ports []any
	for _, id := range ids {
		ports = append(ports, []any{"uuid", id})
	}
	return transaction([]any{mutation(bridge, "delete", ports)})
}

func mutation(bridge, mutator string, ports []any) object {
	return object{"op": "mutate", "table": "Bridge", "where": []any{[]any{"name", "==", bridge}},
		"mutations": []any{[]any{"ports", mutator, []any{"set", ports}}}}
}

// transaction returns the request of these operations, with the one that has
// ovs-vswitchd tell when it has carried them out.
func transaction(ops []any) ([]byte, error) {
	params := append([]any{"Open_vSwitch"}, ops...)
	params = append(params, object{"op": "mutate", "table": "Open_vSwitch", "where": []any{},
		"mutations": []any{[]any{"next_cfg", "+=", 1}}})
	return json.Marshal(object{"id": 1, "method": "transact", "params": params})
}

// pairs is a map in the notation of RFC 7047 §5.1.
func pairs(keysAndValues ...string) []any {
	var list [][2]string
	for i := 0; i < len(keysAndValues); i += 2 {
		list = append(list, [2]string{keysAndValues[i], keysAndValues[i+1]})
	}
	return []any{"map", list}
}
