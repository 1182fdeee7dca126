package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ErrUnavailable is wrapped by errors of what can't be told now, but may be
// later: a switch does not answer.
var ErrUnavailable = errors.New("not available now")

// Views of a bridge's flows.
const (
	ViewWant = "want" // what should be there
	ViewGot  = "got"  // what the switch holds
	ViewDiff = "diff" // where these differ
)

// FlowsRequest is GET /v1/flows/HOST/BRIDGE[?view=V][&network=N][&foreign=true].
type FlowsRequest struct {
	Host, Bridge string
	View         string // one of the Views
	Network      string // only this network's flows; "": all
	Foreign      bool   // others' flows too
}

// FlowList answers GET /v1/flows/HOST/BRIDGE: flows by table, the highest
// priority first. With ViewDiff a flow that is there otherwise than wanted
// comes twice, as it should be and as it is.
type FlowList struct {
	Host    string      `json:"host"`
	Bridge  string      `json:"bridge"`
	View    string      `json:"view"`
	Foreign int         `json:"foreign"` // flows of others, which are listed only on request
	Flows   []FlowEntry `json:"flows"`
}

// FlowEntry is one flow of a list.
type FlowEntry struct {
	Sign    string `json:"sign,omitempty"` // with ViewDiff: "-" wanted and not there, "+" there and not wanted
	Flow    string `json:"flow"`           // in the syntax of ovs-ofctl add-flows
	Table   int    `json:"table"`
	Purpose string `json:"purpose"` // what the table does; "" of one that is not ours
	Network string `json:"network"` // "" of one that belongs to none
	Reason  string `json:"reason"`  // what the flow is for, as in its cookie; "" of another program's
	About   string `json:"about"`   // the port, host or address that it is about, as people know it; "" where it is about none
	Foreign bool   `json:"foreign"` // another program's
	Opaque  bool   `json:"opaque"`  // has parts that ovs-ofctl has no words for, and can't be put in again by it
}

func (s *Server) flows(r *http.Request) (any, error) {
	q := r.URL.Query()
	req := FlowsRequest{Host: r.PathValue("host"), Bridge: r.PathValue("bridge"), View: cmp.Or(q.Get("view"), ViewGot), Network: q.Get("network")}
	if views := []string{ViewWant, ViewGot, ViewDiff}; !slices.Contains(views, req.View) {
		return nil, fmt.Errorf("%w: view=%s: want one of %s", errBadRequest, req.View, strings.Join(views, ", "))
	}
	var err error
	if req.Foreign, err = flag(r, "foreign"); err != nil {
		return nil, err
	}
	return s.backend.Flows(r.Context(), req)
}

// Flows returns a bridge's flows; GET /v1/flows/HOST/BRIDGE.
func (c *Client) Flows(ctx context.Context, req FlowsRequest) (FlowList, error) {
	var out FlowList
	q := query("view", req.View, "network", req.Network)
	if req.Foreign {
		q.Set("foreign", "true")
	}
	return out, c.do(ctx, http.MethodGet, "/v1/flows/"+url.PathEscape(req.Host)+"/"+url.PathEscape(req.Bridge), q, nil, &out)
}
