package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// PlanRequest is GET /v1/plan[?hosts=H,H…][&network=N][&details=true][&flows=true].
type PlanRequest struct {
	Hosts   []string // only these; none: all
	Network string   // only what serves this network; "": all
	Details bool     // each row that would change, as against how many
	Flows   bool     // each flow, likewise
}

// Plan answers GET /v1/plan: what is not yet as it is wanted on hosts, and so
// what the controller does there next; while it is held, what it would do.
type Plan struct {
	Observing bool       `json:"observing"` // the controller only looks on: nothing of it is done
	Held      string     `json:"held"`      // why nothing of it is done; "" where it is
	Clean     bool       `json:"clean"`     // nothing is to be done, and all is possible
	Complete  bool       `json:"complete"`  // every host could be looked at whole
	Hosts     []PlanHost `json:"hosts"`     // all that were looked at or should have been, by name
}

// PlanHost is what is to be done on one host.
type PlanHost struct {
	Host     string       `json:"host"`
	Unseen   []string     `json:"unseen,omitempty"` // what could not be looked at, and why
	Bridges  []PlanBridge `json:"bridges"`          // those on which something is to be done or is not possible, by name
	Rows     []PlanRow    `json:"rows"`             // of no bridge; with details
	Changes  int          `json:"changes"`          // of columns of these
	Problems []string     `json:"problems"`         // what is wanted and not possible
}

// PlanBridge is what is to be done on one bridge.
type PlanBridge struct {
	Bridge   string    `json:"bridge"`
	Verb     string    `json:"verb"`     // of the bridge itself
	Settings int       `json:"settings"` // columns of the bridge and of its controller that change, notes included
	Make     int       `json:"make"`     // ports
	Take     int       `json:"take"`     // ports that are nobody's and become ours in place
	Change   int       `json:"change"`   // ports
	Delete   int       `json:"delete"`   // ports
	Rows     []PlanRow `json:"rows"`     // with details; the bridge's own first, then by port
	Flows    PlanFlows `json:"flows"`
}

// PlanFlows is what is to be done to the flows of a bridge. Those that it holds
// can be compared only over OpenFlow, which takes its being managed.
type PlanFlows struct {
	Wanted int      `json:"wanted"`         // flows of ours that it is to hold
	Read   bool     `json:"read"`           // what it holds was read: the three below count
	Add    int      `json:"add"`            // of those wanted
	Change int      `json:"change"`         // likewise, in place of one of the same match
	Delete int      `json:"delete"`         // flows of ours that are not wanted
	List   []string `json:"list,omitempty"` // in the syntax of ovs-ofctl: "+ " goes in, "- " goes out; with flows
}

// PlanRow is what becomes of one row of a host's database.
type PlanRow struct {
	Table   string       `json:"table"`
	Name    string       `json:"name"` // of a Controller its target
	Verb    string       `json:"verb"`
	Network string       `json:"network"` // of a tunnel's rows: the network, or what several share
	Peer    string       `json:"peer"`    // likewise: the host at the far end
	Columns []PlanColumn `json:"columns"`
}

// PlanColumn is one column, or one key of a map.
type PlanColumn struct {
	Column string `json:"column"` // COLUMN or COLUMN:KEY
	Old    string `json:"old"`    // "": not set
	New    string `json:"new"`
}

// What becomes of a bridge, a port or a row; as package ovsdb/plan has it.
const (
	PlanMake    = "make"
	PlanTake    = "take"
	PlanChange  = "change"
	PlanRelease = "release"
	PlanDelete  = "delete"
	PlanNothing = "" // of a bridge on which other things change
)

func (s *Server) plan(r *http.Request) (any, error) {
	q := r.URL.Query()
	req := PlanRequest{Network: q.Get("network")}
	if text := q.Get("hosts"); text != "" {
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name == "" {
				return nil, fmt.Errorf("%w: hosts=%.64s: want names of hosts, separated by commas", errBadRequest, text)
			}
			req.Hosts = append(req.Hosts, name)
		}
	}
	var err error
	if req.Details, err = flag(r, "details"); err != nil {
		return nil, err
	}
	if req.Flows, err = flag(r, "flows"); err != nil {
		return nil, err
	}
	return s.backend.Plan(r.Context(), req)
}

// Plan asks what is to be done on hosts; GET /v1/plan.
func (c *Client) Plan(ctx context.Context, req PlanRequest) (Plan, error) {
	var out Plan
	q := query("hosts", strings.Join(req.Hosts, ","), "network", req.Network)
	if req.Details {
		q.Set("details", "true")
	}
	if req.Flows {
		q.Set("flows", "true")
	}
	return out, c.do(ctx, http.MethodGet, "/v1/plan", q, nil, &out)
}

// planMeanings returns what the description says of plans.
func planMeanings() map[string]string {
	return map[string]string{
		"Plan":           "What is not yet as it is wanted on hosts, and so what the controller does next, or would do if it were not held.",
		"Plan.clean":     "Nothing is to be done, and all that is wanted is possible.",
		"Plan.complete":  "Every host could be looked at whole.",
		"Plan.held":      "What has to happen before any of it is done; empty where nothing is in the way.",
		"Plan.hosts":     "All hosts that were looked at, or should have been.",
		"Plan.observing": "The controller was started with --observe: it writes nothing to any host.",

		"PlanHost":          "What is to be done on one host.",
		"PlanHost.bridges":  "Bridges on which something is to be done.",
		"PlanHost.changes":  "How many columns of the rows that belong to no bridge.",
		"PlanHost.host":     "The host.",
		"PlanHost.problems": "What is wanted there and not possible, and what the operator can do.",
		"PlanHost.rows":     "Rows that belong to no bridge; empty without details.",
		"PlanHost.unseen":   "What could not be looked at, and why; absent where all could.",

		"PlanBridge":          "What is to be done on one bridge.",
		"PlanBridge.bridge":   "Its name.",
		"PlanBridge.change":   "Ports that are changed in place.",
		"PlanBridge.delete":   "Ports that go.",
		"PlanBridge.flows":    "Its flows.",
		"PlanBridge.make":     "Ports that are made.",
		"PlanBridge.rows":     "Its rows, each column with what it holds before and after; empty without details.",
		"PlanBridge.settings": "How many columns of the bridge itself and of its controller change, notes included.",
		"PlanBridge.take":     "Ports that are nobody's and become ours in place, with the number that they have.",
		"PlanBridge.verb":     "What becomes of the bridge itself: make, take: it becomes managed; change, release: it is given back; delete; empty where only its ports or flows change.",

		"PlanFlows":        "What is to be done to the flows of a bridge.",
		"PlanFlows.add":    "Flows that go in, where what it holds was read.",
		"PlanFlows.change": "Likewise, in place of one of the same match.",
		"PlanFlows.delete": "Flows of ours that go out, where what it holds was read.",
		"PlanFlows.list":   "One a line, in the syntax of ovs-ofctl: + goes in, - goes out; absent without flows.",
		"PlanFlows.read":   "What the bridge holds was read over OpenFlow and compared; a bridge that is not managed yet has no such connection.",
		"PlanFlows.wanted": "How many flows of ours it is to hold.",

		"PlanRow":         "What becomes of one row of a host's database.",
		"PlanRow.columns": "What changes.",
		"PlanRow.name":    "Its name, of a controller its target.",
		"PlanRow.network": "The network that a tunnel's rows serve, or what several networks share; empty of others.",
		"PlanRow.peer":    "The host at the far end of a tunnel; empty of other rows.",
		"PlanRow.table":   "The table.",
		"PlanRow.verb":    "make, take: it is nobody's and becomes ours in place; change, release: it was ours and is nobody's; delete.",

		"PlanColumn":        "One column of a row, or one key of a map.",
		"PlanColumn.column": "COLUMN, or COLUMN:KEY.",
		"PlanColumn.new":    "What it holds afterwards; empty where it is not set.",
		"PlanColumn.old":    "What it holds now; empty where it is not set.",
	}
}
