package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ovsmesh/topology"
)

// Client asks a server for what the command line shows. The zero value of
// HTTP and Token may be used; BaseURL is needed. It may be used by several
// goroutines.
type Client struct {
	BaseURL string       // http://127.0.0.1:8640, without a path
	Token   string       // sent as a bearer token where it is not empty
	HTTP    *http.Client // nil: one that gives up after clientTimeout
	NamedBy string       // what names another server, for errors; "": --server or OVSMESH_SERVER
}

// maxAnswer bounds what a client reads of one answer, in bytes: well above the
// topology of 1,000 hosts and 10,000 networks.
const maxAnswer = 1 << 30

// clientTimeout bounds one request, the transfer of the answer included. An
// audit reads every switch back, which is the longest that a server works.
const clientTimeout = 2 * time.Minute

// StatusError is an answer other than 2xx.
type StatusError struct {
	Server string // the client's BaseURL
	Status int    // HTTP status code
	Body   Error
}

// Error returns the server's own words; the problems of a refused spec are in
// Body, for the caller to print as it likes.
func (e *StatusError) Error() string {
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return fmt.Sprintf("%s: %s: set OVSMESH_TOKEN to the token of the server's api.tokenFile", e.Server, e.message())
	case e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound || e.Status == http.StatusConflict:
		return e.message()
	}
	return fmt.Sprintf("%s: %s", e.Server, e.message())
}

func (e *StatusError) message() string {
	if e.Body.Message != "" {
		return e.Body.Message
	}
	return strings.ToLower(http.StatusText(e.Status)) + " (HTTP " + strconv.Itoa(e.Status) + ")"
}

// IsNotFound reports whether err is a server's word that there is no such
// object.
func IsNotFound(err error) bool {
	var e *StatusError
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// Apply sends a spec; POST /v1/apply.
func (c *Client) Apply(ctx context.Context, req ApplyRequest) (ApplyResult, error) {
	var out ApplyResult
	return out, c.do(ctx, http.MethodPost, "/v1/apply", nil, req, &out)
}

// Delete removes one object; DELETE /v1/KIND/NAME.
func (c *Client) Delete(ctx context.Context, kind, name string) (ApplyResult, error) {
	var out ApplyResult
	return out, c.do(ctx, http.MethodDelete, objectPath(kind, name), nil, nil, &out)
}

// Sync asks how far hosts have followed a generation; GET /v1/sync.
func (c *Client) Sync(ctx context.Context, generation uint64) (SyncStatus, error) {
	var out SyncStatus
	q := url.Values{"generation": {strconv.FormatUint(generation, 10)}}
	return out, c.do(ctx, http.MethodGet, "/v1/sync", q, nil, &out)
}

// Objects returns all objects of a kind, or the one of that name where name is
// not empty; GET /v1/KIND[/NAME].
func (c *Client) Objects(ctx context.Context, kind, name string) (Objects, error) {
	var out Objects
	return out, c.do(ctx, http.MethodGet, objectPath(kind, name), nil, nil, &out)
}

// Topology returns the meshes as they are; GET /v1/topology.
func (c *Client) Topology(ctx context.Context, f TopologyFilter) (Topology, error) {
	var out Topology
	q := query("network", f.Network, "host", f.Host, "tenant", f.Tenant)
	if f.Down {
		q.Set("down", "true")
	}
	if f.Counters {
		q.Set("counters", "true")
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(max(f.Limit, 0)))
	}
	if f.Offset > 0 {
		q.Set("offset", strconv.Itoa(f.Offset))
	}
	return out, c.do(ctx, http.MethodGet, "/v1/topology", q, nil, &out)
}

// Audit has the server compare what is wanted with what the switches hold, and
// put it right where Repair is set; GET or POST /v1/audit.
func (c *Client) Audit(ctx context.Context, req AuditRequest) (AuditReport, error) {
	var out AuditReport
	q := query("network", req.Network, "host", req.Host)
	if req.Foreign {
		q.Set("foreign", "true")
	}
	method := http.MethodGet
	if req.Repair {
		method = http.MethodPost
		if req.DryRun {
			q.Set("dryRun", "true")
		}
	}
	return out, c.do(ctx, method, "/v1/audit", q, nil, &out)
}

// Export returns the intent as a spec; GET /v1/export.
func (c *Client) Export(ctx context.Context) (topology.Spec, error) {
	var out topology.Spec
	return out, c.do(ctx, http.MethodGet, "/v1/export", nil, nil, &out)
}

// Inventory returns what hosts report of themselves; GET /v1/inventory.
func (c *Client) Inventory(ctx context.Context, r InventoryRequest) (Inventory, error) {
	var out Inventory
	q := url.Values{}
	if r.Rows {
		q.Set("rows", "true")
	}
	return out, c.do(ctx, http.MethodGet, "/v1/inventory", q, nil, &out)
}

// Version returns the server's version and store; GET /v1/version.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var out Version
	return out, c.do(ctx, http.MethodGet, "/v1/version", nil, nil, &out)
}

func objectPath(kind, name string) string {
	p := "/v1/" + url.PathEscape(kind)
	if name != "" {
		p += "/" + url.PathEscape(name)
	}
	return p
}

// query builds a query of those name–value pairs whose value is not empty.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func (c *Client) do(ctx context.Context, method, path string, q url.Values, in, out any) error {
	req, err := c.request(ctx, method, path, q, in)
	if err != nil {
		return err
	}
	hc := c.HTTP
	if hc == nil {
		hc = &http.Client{Timeout: clientTimeout}
	}
	resp, err := hc.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	return c.read(resp, out)
}

// request makes a request, with in as its body in JSON where it is not nil.
func (c *Client) request(ctx context.Context, method, path string, q url.Values, in any) (*http.Request, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("server %q is not a URL like http://127.0.0.1:8640", c.BaseURL)
	}
	target := strings.TrimSuffix(c.BaseURL, "/") + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", c.BaseURL, err)
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	return req, nil
}

// read decodes an answer: into out where it is 2xx, else into a StatusError.
func (c *Client) read(resp *http.Response, out any) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return c.explain(err)
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("%s: answer is longer than %d bytes", c.BaseURL, maxAnswer)
	}
	if resp.StatusCode/100 != 2 {
		e := &StatusError{Server: c.BaseURL, Status: resp.StatusCode}
		if json.Unmarshal(text, &e.Body) != nil {
			e.Body = Error{} // some proxy's page: the status says more
		}
		return e
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s: does not answer as ovsmesh serve does: %w", c.BaseURL, err)
	}
	return nil
}

// explain says what to do about a request that got no answer.
func (c *Client) explain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the method and the path are of no use to the reader
	}
	var dns *net.DNSError
	var ne net.Error
	by := c.NamedBy
	if by == "" {
		by = "--server or OVSMESH_SERVER"
	}
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s refuses connections: is ovsmesh serve running there? name another server with %s", c.BaseURL, by)
	case errors.As(err, &dns):
		return fmt.Errorf("%s: no such host %q: name another server with %s", c.BaseURL, dns.Name, by)
	case errors.As(err, &ne) && ne.Timeout():
		return fmt.Errorf("%s does not answer in time: is it the address of ovsmesh serve, and does a firewall let it pass?", c.BaseURL)
	}
	return fmt.Errorf("%s: %w", c.BaseURL, err)
}
