package main

import (
	"fmt"
	"strings"
	"testing"

	"ovsmesh/controller/api"
	"ovsmesh/openflow/audit"
)

// manyFindings is what a host brings that has lost its tables: a thousand.
func manyFindings() []audit.Finding {
	var all []audit.Finding
	for n := range 1000 {
		all = append(all, audit.Finding{
			Host: fmt.Sprintf("xen%d", n%3+1), Bridge: "br-int", Network: fmt.Sprintf("net%d", n%5), Kind: audit.MissingFlow,
			Want: fmt.Sprintf("table=60, priority=1000,metadata=0x%x/0x1ffffffff,dl_dst=02:00:00:00:%02x:%02x actions=output:20001", n%5+1, n>>8, n&0xff),
			Effect: fmt.Sprintf("02:00:00:00:%02x:%02x can't be reached directly from xen%d: frames to it are flooded",
				n>>8, n&0xff, n%3+1),
		})
	}
	return append(all,
		audit.Finding{Host: "xen2", Bridge: "br-int", Network: "net1", Kind: audit.ShadowedFlow, Want: "table=0, priority=100,in_port=1 actions=goto_table:10",
			Got: "cookie=0x1234, table=0, priority=5000,in_port=1 actions=drop", Effect: "web-1 can send nothing", Note: "never touched"},
		audit.Finding{Host: "xen3", Kind: audit.UnreachableHost, Got: "it is not connected", Effect: "what xen3 holds is not known"},
		audit.Finding{Host: "xen1", Kind: audit.WrongBridgeSetting, Bridge: "br-int", Want: "stp_enable=false", Got: "stp_enable=true", Effect: "spanning tree may block tunnels of br-int"})
}

// alikeFindings are of two bridges, on each several with the same note.
func alikeFindings() []audit.Finding {
	var list []audit.Finding
	for _, note := range []string{"", "another controller holds the lock", "another controller holds the lock"} {
		for _, host := range []string{"xen1", "xen2"} {
			list = append(list, audit.Finding{Host: host, Bridge: "xapi1", Network: "blue", Kind: audit.MissingFlow,
				Want: fmt.Sprintf("table=0, priority=%d actions=drop", len(list)), Effect: "frames may be lost", Note: note})
		}
	}
	return list
}

func TestAuditText(t *testing.T) {
	missing := audit.Finding{Host: "xen1", Bridge: "xapi1", Network: "blue", Kind: audit.MissingFlow, Want: "table=0, priority=1000,in_port=20001,dl_dst=ff:ff:ff:ff:ff:ff actions=drop",
		Effect: "broadcast from xen3 loops"}
	mended, shadowed := missing, missing
	mended.Repaired = true
	shadowed.Kind, shadowed.Got, shadowed.Note = audit.ShadowedFlow, "cookie=0x1234, table=0, priority=5000 actions=drop", "never touched; to remove it: ovs-ofctl …"
	tunnel := audit.Finding{Host: "xen1", Bridge: "xapi1", Network: "blue", Kind: audit.MissingTunnel, Want: "xapi1 t103-1-3 type=gre", Effect: "VMs on xen3 can't be reached from xen1", Repaired: true}
	bundle := audit.Repair{Host: "xen1", Bridge: "xapi1", Flows: []string{"+ cookie=0x6f6d000000010004, " + missing.Want, "- cookie=0x6f6d000000010004, table=0, priority=900,in_port=20001 actions=drop"}}
	long := audit.Repair{Host: "xen2", Bridge: "xapi1"}
	for n := range 100 {
		long.Flows = append(long.Flows, fmt.Sprintf("+ cookie=0x6f6d000000010004, table=0, priority=%d actions=%s", n, strings.Repeat("output:20001,", 30)))
	}
	rows := audit.Repair{Host: "xen1", Rows: []string{"add tunnel t103-1-3 to bridge xapi1"}}
	checked := audit.Checked{Hosts: 3, Bridges: 3, Tunnels: 6, Flows: 57}
	report := func(dry bool, findings []audit.Finding, repairs ...audit.Repair) api.AuditReport {
		r := audit.NewReport(checked, findings)
		r.DryRun, r.Repairs = dry, repairs
		return r
	}
	for _, tt := range []struct {
		name   string
		report api.AuditReport
		wide   bool
	}{
		{"audit-text-clean", report(false, nil), false},
		{"audit-text-foreign", report(false, []audit.Finding{{Host: "xen1", Bridge: "xapi1", Kind: audit.ForeignFlow, Got: "cookie=0x1, table=0, priority=4000,in_port=1 actions=drop", Effect: "the VIF lock of web-1, which is left alone"}}), false},
		{"audit-text-dry-run", report(true, []audit.Finding{missing, shadowed}, bundle, rows, long), false},
		{"audit-text-repaired", report(false, []audit.Finding{mended, tunnel}, rows, bundle), false},
		{"audit-text-partly", report(false, []audit.Finding{mended, shadowed}, bundle), false},
		{"audit-text-dry-run-nothing", report(true, []audit.Finding{shadowed}), false},
		{"audit-text-alike", report(false, alikeFindings()), false},
		{"audit-text-many", report(false, manyFindings()), false},
	} {
		var b strings.Builder
		if err := writeAudit(&b, tt.report, tt.wide); err != nil {
			t.Fatal(err)
		}
		golden(t, tt.name, b.String())
	}
	var b strings.Builder
	if err := writeAudit(&b, report(false, manyFindings()), true); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "can't be reached directly"); got != 1000 {
		t.Errorf("wide: %d of 1000 findings", got)
	}
}
