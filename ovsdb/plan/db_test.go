package plan_test

import (
	"fmt"
	"strconv"
	"testing"

	"ovsmesh/ovsdb/schema"
)

func one(v value) string {
	if len(v.atoms) == 0 {
		return ""
	}
	return v.atoms[0]
}

func num(v value, none int64) int64 {
	n := none
	fmt.Sscan(one(v), &n)
	return n
}

func nums(t testing.TB, v value) []int64 {
	var list []int64
	for _, a := range v.atoms {
		n, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// database is what a session with a switch that has these rows holds.
func database(t testing.TB, r rows) *schema.DB {
	t.Helper()
	return databaseOf(t, schema.Full(), r)
}

func databaseOf(t testing.TB, host *schema.Schema, r rows) *schema.DB {
	t.Helper()
	var all []schema.RowUpdate
	for id, x := range r["Open_vSwitch"] {
		all = append(all, schema.Put(&schema.OpenvSwitch{
			UUID: id, Bridges: x["bridges"].atoms, NextCfg: num(x["next_cfg"], 0), CurCfg: num(x["cur_cfg"], 0),
			ExternalIDs: x["external_ids"].pairs, OtherConfig: x["other_config"].pairs,
		}))
	}
	for id, x := range r["Bridge"] {
		all = append(all, schema.Put(&schema.Bridge{
			UUID: id, Name: one(x["name"]), DatapathID: one(x["datapath_id"]), DatapathType: one(x["datapath_type"]),
			Ports: x["ports"].atoms, Controllers: x["controller"].atoms,
			FailMode: one(x["fail_mode"]), Protocols: x["protocols"].atoms,
			STPEnable: one(x["stp_enable"]) == "true", RSTPEnable: one(x["rstp_enable"]) == "true",
			ExternalIDs: x["external_ids"].pairs, OtherConfig: x["other_config"].pairs,
		}))
	}
	for id, x := range r["Port"] {
		all = append(all, schema.Put(&schema.Port{
			UUID: id, Name: one(x["name"]), Interfaces: x["interfaces"].atoms,
			VLANMode: one(x["vlan_mode"]), Tag: num(x["tag"], -1), Trunks: nums(t, x["trunks"]), CVLANs: nums(t, x["cvlans"]),
			FakeBridge: one(x["fake_bridge"]) == "true", Protected: one(x["protected"]) == "true", ExternalIDs: x["external_ids"].pairs,
		}))
	}
	for id, x := range r["Interface"] {
		all = append(all, schema.Put(&schema.Interface{
			UUID: id, Name: one(x["name"]), Type: one(x["type"]), OFPort: num(x["ofport"], 0), OFPortRequest: num(x["ofport_request"], 0),
			Error: one(x["error"]), MTU: num(x["mtu"], 0), BFD: x["bfd"].pairs, BFDStatus: x["bfd_status"].pairs, Options: x["options"].pairs, ExternalIDs: x["external_ids"].pairs, Status: x["status"].pairs,
		}))
	}
	for id, x := range r["Controller"] {
		all = append(all, schema.Put(&schema.Controller{
			UUID: id, Target: one(x["target"]), Type: one(x["type"]), ConnectionMode: one(x["connection_mode"]), ExternalIDs: x["external_ids"].pairs,
		}))
	}
	db := schema.NewDB(host)
	if _, err := db.Apply(all); err != nil {
		t.Fatal(err)
	}
	return db
}
