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
	"ovsmesh/topology"
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
	want := api.Inventory{StoreID: "5b3c0000-0000-4000-8000-00000000000a", Networks: []api.InventoryNetwork{{Name: "blue", ID: 4294967295, Encap: "gre", Key: 4294967295,
		Pins: []topology.Pin{{From: "xen1", Bridge: "xapi3"}, {From: "xen1", To: "cs-7", Port: "t103-1-7", Bridge: "xapi3"}}}},
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

// What is wrong with the arguments and the files is said, before anything is
// compared.
func TestAuditDumpRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	spec := write("spec.yaml", "networks: [{name: blue, encap: gre, key: 103, bridge: xapi1}]\nhosts: [{name: xen1, endpoint: 192.0.2.1}]\n")
	inventory := write("inventory.yaml", `
storeID: 5b3c0000-0000-4000-8000-00000000000a
networks: [{name: blue, id: 1, encap: gre, key: 103}]
hosts:
- name: xen1
  id: 1
  systemID: xen1
  ovs: {target: "tcp:192.0.2.9:6653", bridges: [{name: xapi1, failMode: secure, externalIDs: {ovsmesh-owner: 5b3c0000-0000-4000-8000-00000000000a}}, {name: xenbr0}]}
`)
	dump := write("xen1.flows", "nonsense\n actions=drop\n")
	files := []string{"--spec", spec, "--inventory", inventory}
	for _, c := range []struct {
		name string
		args []string
		want string // in what is printed
	}{
		{"no spec", []string{"--dump", "xen1/xapi1=" + dump, "--inventory", inventory}, "--dump needs --spec FILE"},
		{"no inventory", []string{"--dump", "xen1/xapi1=" + dump, "--spec", spec}, "--dump needs --inventory FILE"},
		{"no dump", files, "name at least one"},
		{"stdin twice", []string{"--dump", "xen1/xapi1=" + dump, "--spec", "-", "--inventory", "-"}, "stdin can be read only once"},
		{"no bridge", append([]string{"--dump", "xen1=" + dump}, files...), "want HOST/BRIDGE=FILE, like xen1/xapi1=xen1.flows"},
		{"no file", append([]string{"--dump", "xen1/xapi1="}, files...), "want HOST/BRIDGE=FILE"},
		{"twice", append([]string{"--dump", "xen1/xapi1=" + dump, "--dump", "xen1/xapi1=x"}, files...), "xen1/xapi1 is given twice"},
		{"unknown host", append([]string{"--dump", "xen9/xapi1=" + dump}, files...), "dump of xen9: there is no such host; there are xen1"},
		{"unknown bridge", append([]string{"--dump", "xen1/xenbr0=" + dump}, files...), "ovsmesh manages no such bridge there; it manages xapi1"},
		{"missing file", append([]string{"--dump", "xen1/xapi1=" + dump + ".not"}, files...), "no such file"},
		{"repair", append([]string{"--repair", "--dump", "xen1/xapi1=" + dump}, files...), "a file can't be repaired"},
		{"history", append([]string{"--history", "--dump", "xen1/xapi1=" + dump}, files...), "files have no history"},
		{"unknown network", append([]string{"--network", "red", "--dump", "xen1/xapi1=" + dump}, files...), `network "red": not found`},
		{"spec for inventory", []string{"--dump", "xen1/xapi1=" + dump, "--spec", spec, "--inventory", spec}, "this is not what ovsmesh export --inventory writes"},
		{"empty inventory", []string{"--dump", "xen1/xapi1=" + dump, "--spec", spec, "--inventory", write("empty", "{}")}, "names no storeID"},
		{"bad spec", []string{"--dump", "xen1/xapi1=" + dump, "--spec", inventory, "--inventory", inventory}, "storeID: unknown list"},
		{"bad line", append([]string{"--dump", "xen1/xapi1=" + dump}, files...), dump + `:1: no actions= in "nonsense"`},
		{"bad line in JSON", append([]string{"-o", "json", "--dump", "xen1/xapi1=" + dump}, files...), `"complete": false`},
	} {
		got := command(t, []string{"OVSMESH_SERVER=http://127.0.0.1:1"}, "", append([]string{"audit"}, c.args...)...)
		if got.code != exitError || !strings.Contains(got.stdout+got.stderr, c.want) {
			t.Errorf("%s: exit %d, want %s in\n%s%s", c.name, got.code, c.want, got.stdout, got.stderr)
		}
	}
	got := command(t, nil, "", "__complete", "audit", "--inventory", inventory, "--dump", "x")
	if !strings.HasPrefix(got.stdout, "xen1/xapi1=\n:") {
		t.Errorf("completed as\n%s", got.stdout)
	}
}
