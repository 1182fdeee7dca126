package api

import (
	"context"
	"net/http"

	"ovsmesh/openflow/verify"
)

// VerifyRequest is the body of POST /v1/verify: what to prove.
type VerifyRequest struct {
	Network string `json:"network,omitempty"` // this one only
	Host    string `json:"host,omitempty"`    // networks on it only, and frames that come in there
	Got     bool   `json:"got,omitempty"`     // by the flows that the switches hold now, not by those that they should hold
	After   string `json:"after,omitempty"`   // networks that come after this one by name; see VerifyReport.Next
	Limit   int    `json:"limit,omitempty"`   // networks at most; 0: all
}

// VerifyReport answers POST /v1/verify.
type VerifyReport struct {
	OK         bool            `json:"ok"`       // nothing was violated
	Complete   bool            `json:"complete"` // everything could be looked at
	Tables     string          `json:"tables"`   // want or got
	Checked    VerifyChecked   `json:"checked"`
	Violations []Violation     `json:"violations"`
	Omitted    int             `json:"omitted,omitempty"` // violations that are not listed
	Unseen     []verify.Unseen `json:"unseen"`            // what makes it incomplete
	Networks   int             `json:"networks"`          // that there are to verify
	Next       string          `json:"next,omitempty"`    // ask on with this as After; "": that was all
}

// Violation is an invariant that does not hold.
type Violation = verify.Violation

// VerifyChecked counts what was looked at.
type VerifyChecked struct {
	Networks int `json:"networks"`
	Bridges  int `json:"bridges"` // of a network each
	Flows    int `json:"flows"`
	Frames   int `json:"frames"` // that were followed
}

// Verify has the server prove the invariants; POST /v1/verify.
func (c *Client) Verify(ctx context.Context, req VerifyRequest) (VerifyReport, error) {
	var out VerifyReport
	return out, c.do(ctx, http.MethodPost, "/v1/verify", nil, req, &out)
}

func (s *Server) verify(r *http.Request) (any, error) {
	var req VerifyRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, err
	}
	if req.Limit < 0 {
		return nil, &RequestError{Text: "limit: a number of networks, or 0 for all"}
	}
	return s.backend.Verify(r.Context(), req)
}

// verifyMeanings are what the description says of these types.
func verifyMeanings() map[string]string {
	return map[string]string{
		"VerifyRequest":         "What to prove.",
		"VerifyRequest.after":   "Only networks that come after this one by name: next of the report before.",
		"VerifyRequest.got":     "By the flows that the switches hold now, not by those that they should hold.",
		"VerifyRequest.host":    "Only networks on this host, and frames that come in there.",
		"VerifyRequest.limit":   "How many networks to look at; 0 is all.",
		"VerifyRequest.network": "Only this network.",

		"VerifyReport":            "What was proved.",
		"VerifyReport.checked":    "How much was looked at.",
		"VerifyReport.complete":   "Everything could be looked at.",
		"VerifyReport.networks":   "How many networks there are to look at in all.",
		"VerifyReport.next":       "Ask on with this as after; left out where that was all.",
		"VerifyReport.ok":         "Nothing was violated.",
		"VerifyReport.omitted":    "How many violations more there are than are listed.",
		"VerifyReport.tables":     "Which flows it is by: want or got.",
		"VerifyReport.unseen":     "What makes it incomplete.",
		"VerifyReport.violations": "The invariants that do not hold.",

		"VerifyChecked":          "How much was looked at.",
		"VerifyChecked.bridges":  "Bridges, once for each network on them.",
		"VerifyChecked.flows":    "Flows of the networks.",
		"VerifyChecked.frames":   "Frames that were followed.",
		"VerifyChecked.networks": "Networks.",

		"Violation":           "An invariant that does not hold, by the frame that shows it.",
		"Violation.bridge":    "The bridge where it goes wrong.",
		"Violation.effect":    "What happens, in plain words.",
		"Violation.flow":      "The flow that does it, or at which the frame ends; empty where none matches.",
		"Violation.frame":     "The frame, as ovs-ofctl writes it; empty where the flow alone shows it.",
		"Violation.frames":    "How many frames show the same.",
		"Violation.from":      "Where the frame comes in, as HOST/INTERFACE; empty where no frame is needed.",
		"Violation.host":      "The host where it goes wrong.",
		"Violation.invariant": "Which: isolation, loop, unicast, broadcast, port-security or answers.",
		"Violation.network":   "The network.",
		"Violation.trace":     "A command that shows the frame's way; empty where there is none.",

		"Unseen":        "Something that could not be looked at.",
		"Unseen.bridge": "The bridge; empty where it is the whole host.",
		"Unseen.host":   "The host.",
		"Unseen.reason": "Why.",
	}
}
