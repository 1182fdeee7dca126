// Package audit compares what ovsmesh wants with what switches hold, and says
// in plain words what follows from each difference.
//
// It is pure: it reads no switch and repairs nothing. Who looked, and whether
// at everything, the caller says in Report.
package audit

import (
	"cmp"
	"slices"
)

// Kinds of findings.
const (
	MissingFlow        = "missing-flow"
	UnexpectedFlow     = "unexpected-flow" // our cookie, not wanted
	ChangedFlow        = "changed-flow"
	MisplacedFlow      = "misplaced-flow" // in another table or of another priority
	ShadowedFlow       = "shadowed-flow"  // another program's flow swallows it
	ForeignFlow        = "foreign-flow"   // another program's; never touched
	MissingTunnel      = "missing-tunnel"
	UnexpectedTunnel   = "unexpected-tunnel"
	ChangedTunnel      = "changed-tunnel"
	TunnelError        = "tunnel-error"
	WrongBridgeSetting = "wrong-bridge-setting"
	UnreachableHost    = "unreachable-host" // makes the look incomplete
)

// Finding is one difference.
type Finding struct {
	Host     string `json:"host"`
	Bridge   string `json:"bridge"`
	Network  string `json:"network"`
	Kind     string `json:"kind"`
	Want     string `json:"want"`
	Got      string `json:"got"`
	Effect   string `json:"effect"` // in plain words
	Repaired bool   `json:"repaired"`
	Note     string `json:"note,omitempty"` // why it is not mended, and what the operator can do
}

// Checked counts what was looked at.
type Checked struct {
	Hosts   int `json:"hosts"`
	Bridges int `json:"bridges"`
	Tunnels int `json:"tunnels"`
	Flows   int `json:"flows"`
}

// Report is what a whole look found.
type Report struct {
	Clean    bool      `json:"clean"`    // nothing found but foreign flows and what has been repaired
	Complete bool      `json:"complete"` // every host could be looked at
	Checked  Checked   `json:"checked"`
	Findings []Finding `json:"findings"`
	DryRun   bool      `json:"dryRun,omitempty"`  // Repairs are what would be done
	Repairs  []Repair  `json:"repairs,omitempty"` // what was done
}

// NewReport sorts findings and draws the conclusions. A foreign flow is no
// difference, nor is what has been repaired: they are shown, and the report
// stays clean. Findings is never nil.
func NewReport(checked Checked, findings []Finding) Report {
	r := Report{Clean: true, Complete: true, Checked: checked, Findings: append([]Finding{}, findings...)}
	Sort(r.Findings)
	for _, f := range r.Findings {
		r.Clean = r.Clean && (f.Kind == ForeignFlow || f.Repaired)
		r.Complete = r.Complete && f.Kind != UnreachableHost
	}
	return r
}

// Sort orders findings by host, bridge, network, kind and text, in place.
func Sort(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Bridge, b.Bridge), cmp.Compare(a.Network, b.Network),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Want, b.Want), cmp.Compare(a.Got, b.Got))
	})
}
