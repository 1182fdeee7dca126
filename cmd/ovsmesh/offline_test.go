package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ovsmesh/controller/api"
)

// An inventory is read as it was written, in YAML and in JSON, whatever its
// texts look like.
func TestInventoryIsLossless(t *testing.T) {
	odd := map[string]string{}
	for i, v := range []string{"1e5", "0x10", "0o7", "012", "1_000", "true", "on", "no", "null", "~", "", " a ", "a: b", "# no", "2026-01-02", "12:34:56",
		"02:00:00:00:01:01", "-", "- a", "[a]", "{a}", `"`, "'", `\`, "a\nb", "ü", "!x", "&x", "*x", "%x", "@x", "|", ">", "1.", ".5", "1:20"} {
		odd[fmt.Sprintf("k%d", i)] = v
	}
	tag := int64(0)
	want := api.Inventory{StoreID: "5b3c0000-0000-4000-8000-00000000000a", Networks: []api.InventoryNetwork{{Name: "blue", ID: 4294967295, Encap: "gre", Key: 4294967295}},
		Hosts: []api.InventoryHost{{Name: "1e5", ID: 1, Left: true, Missing: "no: why", OVS: &api.InventoryOVS{Version: "3.1", Lacks: []string{"Port.protected"},
			Bridges: []api.InventoryBridge{{Name: "012", DatapathID: "0000000000000012", ExternalIDs: odd, Protocols: []string{"OpenFlow13"}, Ports: []api.InventoryPort{
				{Name: "null", Tag: &tag, Trunks: []int64{4095}, Interfaces: []api.InventoryInterface{{Name: "on", OFPort: -1, Options: odd}}}}}}}}}}
	for _, format := range []output{outputYAML, outputJSON} {
		var b strings.Builder
		if err := printData(&b, format, want); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "inventory")
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readInventory(file, nil)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		w, _ := json.MarshalIndent(want, "", " ")
		g, _ := json.MarshalIndent(got, "", " ")
		if d := cmp.Diff(strings.Split(string(w), "\n"), strings.Split(string(g), "\n")); d != "" {
			t.Errorf("%s:\n%s", format, d)
		}
	}
}
