package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
)

// TunnelCall is the body of POST /v1/ovstunnel: one call of CloudStack's
// ovstunnel plugin, as the hypervisor's toolstack or agent has made it.
type TunnelCall struct {
	Function string            `json:"function"`       // as the plugin calls it: create_tunnel, …
	Host     string            `json:"host,omitempty"` // where it was called; may be left out, see TunnelRequest
	Args     map[string]string `json:"args"`           // by XenServer's names for them
}

// TunnelAnswer answers POST /v1/ovstunnel. It comes once what the call asked
// for is so on the calling host.
type TunnelAnswer struct {
	Value   string `json:"value"`   // what the plugin's function returns, like SUCCESS:t103-1-3
	Host    string `json:"host"`    // the calling host's name
	Network string `json:"network"` // the network that it was about; "" where it was about none
}

// TunnelRequest is a TunnelCall with what the server knows of who makes it. The
// calling host is Bound, or the Host of the call, or the one whose address is
// Peer.
type TunnelRequest struct {
	TunnelCall
	Bound string     // the host whose token came with the call; "" for any other caller
	Peer  netip.Addr // where the request comes from
}

// ErrForbidden is wrapped by refusals of what the caller's token is not good
// for.
var ErrForbidden = errors.New("not allowed")

// ErrNotThere is wrapped by answers to what is understood, and kept, but can't
// be carried out by this version.
var ErrNotThere = errors.New("not available in this version")

// maxTunnelBody bounds the body of a call, in bytes: a document of a VPC, with
// what it takes to quote it.
const maxTunnelBody = 4 << 20

// Tunnel makes one call of the ovstunnel plugin; POST /v1/ovstunnel. It returns
// when what was asked for is so, or can't be within 20 s.
func (c *Client) Tunnel(ctx context.Context, call TunnelCall) (TunnelAnswer, error) {
	var out TunnelAnswer
	return out, c.do(ctx, http.MethodPost, "/v1/ovstunnel", nil, call, &out)
}

func (s *Server) tunnel(r *http.Request) (any, error) {
	r.Body = http.MaxBytesReader(nil, r.Body, maxTunnelBody)
	req := TunnelRequest{Bound: boundHost(r.Context()), Peer: peerOf(r)}
	if err := decodeBody(r, &req.TunnelCall); err != nil {
		return nil, err
	}
	return s.backend.Tunnel(r.Context(), req)
}

// peerOf returns the address that a request comes from; the zero one where that
// is none.
func peerOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// tunnelMeanings are what the description says of these types.
func tunnelMeanings() map[string]string {
	return map[string]string{
		"TunnelCall":          "One call of CloudStack's ovstunnel plugin.",
		"TunnelCall.args":     "The arguments by the names that XenServer's toolstack gives them, all of them text.",
		"TunnelCall.function": "Which function of the plugin is called.",
		"TunnelCall.host":     "Name of the host that it was called on; left out: the one whose token it is, else the one that is connected from the request's own address.",

		"TunnelAnswer":         "The answer to a call, once it is true on the calling host.",
		"TunnelAnswer.host":    "The calling host.",
		"TunnelAnswer.network": "The network that the call was about; empty where it was about none.",
		"TunnelAnswer.value":   "What the plugin's function returns to CloudStack.",
	}
}
