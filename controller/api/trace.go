package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// TraceRequest is the body of POST /v1/trace: which packet to follow, from
// where. A place is the name of a port, HOST/INTERFACE, a MAC address or an IP
// address.
type TraceRequest struct {
	From      string `json:"from"`
	To        string `json:"to,omitempty"`        // "": everybody
	Network   string `json:"network,omitempty"`   // of both, where a place is in several
	Packet    string `json:"packet,omitempty"`    // fields as ovs-ofctl has them
	ARP       bool   `json:"arp,omitempty"`       // the question who has To's IPv4 address
	Broadcast bool   `json:"broadcast,omitempty"` // to everybody, whether To gets it
	Want      bool   `json:"want,omitempty"`      // by the flows that the switches should hold, not by those that they hold
}

// TraceReport answers POST /v1/trace.
type TraceReport struct {
	Delivered bool           `json:"delivered"`        // it has arrived where it was to
	Copies    int            `json:"copies"`           // that have arrived at VMs' ports
	Complete  bool           `json:"complete"`         // every bridge on the way could be looked at, and all that its flows do followed
	Reason    string         `json:"reason"`           // why it has not arrived; "" where it has
	Advice    string         `json:"advice,omitempty"` // what to do about it
	From      TracePlace     `json:"from"`
	To        []TracePlace   `json:"to"`               // several during a migration; none where it is for everybody
	Target    string         `json:"target,omitempty"` // what it was asked to arrive at
	Packet    string         `json:"packet"`           // as ovs-ofctl writes its fields
	Tables    string         `json:"tables"`           // got, want or dump
	Visits    []TraceVisit   `json:"visits"`
	Hops      []TraceHop     `json:"hops"`
	Arrivals  []TraceArrival `json:"arrivals"`
	Missed    []TraceMiss    `json:"missed"` // members of the network that got none, of a packet for everybody
	Unseen    []TraceUnseen  `json:"unseen"` // what makes it incomplete
	Notes     []string       `json:"notes,omitempty"`
}

// What flows a trace is by.
const (
	TraceGot  = "got"  // those that the switches hold now
	TraceWant = "want" // those that they should hold
	TraceDump = "dump" // those of files
)

// TracePlace is a port.
type TracePlace struct {
	Port      string `json:"port"` // what people call it
	Network   string `json:"network,omitempty"`
	Host      string `json:"host"`
	Bridge    string `json:"bridge,omitempty"`
	Interface string `json:"interface"`
	MAC       string `json:"mac,omitempty"`
}

// TraceVisit is one way of the packet through one bridge.
type TraceVisit struct {
	ID      int           `json:"id"`             // from 1
	From    int           `json:"from,omitempty"` // the visit that it comes from
	Host    string        `json:"host"`
	Bridge  string        `json:"bridge"`
	Port    string        `json:"port"`           // by which it comes in
	Peer    string        `json:"peer,omitempty"` // the host that it comes from
	Packet  string        `json:"packet"`         // as it comes in
	Outputs []TraceOutput `json:"outputs"`
	Doubts  []string      `json:"doubts,omitempty"` // what could not be followed
	Error   string        `json:"error,omitempty"`  // why the bridge could not be looked at
}

// What becomes of a packet that a bridge sends.
const (
	TraceDelivered  = "delivered"  // to a VM
	TraceAnswer     = "answer"     // back to the VM that it comes from
	TracePassed     = "passed"     // to another bridge
	TraceHost       = "host"       // to the host itself
	TraceOutside    = "outside"    // to a network outside, or by a port of which nothing is known
	TraceController = "controller" // to a controller
	TraceExternal   = "external"   // to a tunnel endpoint that something else programs
	TraceLost       = "lost"
	TraceUnlooked   = "unseen" // to a host that could not be looked at
)

// TraceOutput is one copy that leaves a bridge.
type TraceOutput struct {
	Port   string `json:"port"`
	Kind   string `json:"kind"`
	To     string `json:"to,omitempty"`    // the VM's port, or the host at the other end of a tunnel
	Visit  int    `json:"visit,omitempty"` // where it goes on
	Packet string `json:"packet"`
	Why    string `json:"why,omitempty"` // it is lost
}

// TraceHop is one flow that the packet meets.
type TraceHop struct {
	Visit     int    `json:"visit"`
	Host      string `json:"host"`
	Bridge    string `json:"bridge"`
	Table     int    `json:"table"`
	TableName string `json:"tableName,omitempty"`
	Flow      string `json:"flow"`    // without its actions; "" where none matches
	Network   string `json:"network"` // that the flow serves; "" of others' flows and of those for all networks
	Actions   string `json:"actions"`
	Meaning   string `json:"meaning"`
	Output    string `json:"output"`              // ports that this flow sends to, separated by commas
	Resubmits int    `json:"resubmits,omitempty"` // that it is inside of
}

// TraceArrival is a copy at a VM's port.
type TraceArrival struct {
	TracePlace
	Visit  int    `json:"visit"`
	Packet string `json:"packet"` // as it arrives
	Answer bool   `json:"answer,omitempty"`
}

// TraceMiss is a VM's port that got no copy.
type TraceMiss struct {
	TracePlace
	Policy bool   `json:"policy"` // as the network's options have it
	Reason string `json:"reason"`
}

// TraceUnseen is something that the trace could not follow.
type TraceUnseen struct {
	Host   string `json:"host"`
	Bridge string `json:"bridge,omitempty"`
	Reason string `json:"reason"`
}

// Trace has the server follow a packet; POST /v1/trace.
func (c *Client) Trace(ctx context.Context, req TraceRequest) (TraceReport, error) {
	var out TraceReport
	return out, c.do(ctx, http.MethodPost, "/v1/trace", nil, req, &out)
}

func (s *Server) trace(r *http.Request) (any, error) {
	var req TraceRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, err
	}
	return s.backend.Trace(r.Context(), req)
}

// decodeBody reads a request's one value in JSON.
func decodeBody(r *http.Request, v any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("%w: body: %w", errBadRequest, err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: body: %w", errBadRequest, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: body: more than one value", errBadRequest)
	}
	return nil
}

// RequestError is a request that makes no sense, for a reason that only the
// backend can tell.
type RequestError struct{ Text string }

// Error implements error.
func (e *RequestError) Error() string { return e.Text }
