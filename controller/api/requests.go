package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
)

func (s *Server) apply(r *http.Request) (any, error) {
	req, err := applyRequest(r)
	if err != nil {
		return nil, err
	}
	return s.backend.Apply(r.Context(), req)
}

// applyRequest reads the body: an ApplyRequest as JSON, or the text of a spec,
// with dryRun and prune in the query.
func applyRequest(r *http.Request) (ApplyRequest, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ApplyRequest{}, fmt.Errorf("%w: body: %w", errBadRequest, err)
	}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/json" {
		req := ApplyRequest{Files: []File{{Name: "spec", Data: string(body)}}}
		req.Prune, err = flag(r, "prune")
		if err == nil {
			req.DryRun, err = flag(r, "dryRun")
		}
		return req, err
	}
	var req ApplyRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return req, fmt.Errorf("%w: body: %w", errBadRequest, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return req, fmt.Errorf("%w: body: more than one value", errBadRequest)
	}
	return req, nil
}

func flag(r *http.Request, name string) (bool, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%w: %s=%s: want true or false", errBadRequest, name, v)
	}
	return b, nil
}

func (s *Server) sync(r *http.Request) (any, error) {
	v := r.URL.Query().Get("generation")
	gen, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: generation=%s: want the number that apply has returned", errBadRequest, v)
	}
	return s.backend.Sync(r.Context(), gen)
}

func (s *Server) topology(r *http.Request) (any, error) {
	f, err := topologyFilterOf(r)
	if err != nil {
		return nil, err
	}
	return s.backend.Topology(r.Context(), f)
}

// filterParameters are the names that filterOf looks at.
const filterParameters = "network host tenant"

func filterOf(r *http.Request) EventFilter {
	q := r.URL.Query()
	return EventFilter{Network: q.Get("network"), Host: q.Get("host"), Tenant: q.Get("tenant")}
}

func (s *Server) inventory(r *http.Request) (any, error) {
	rows, err := flag(r, "rows")
	if err != nil {
		return nil, err
	}
	return s.backend.Inventory(r.Context(), InventoryRequest{Rows: rows})
}

func (s *Server) objects(r *http.Request) (any, error) {
	return s.backend.Objects(r.Context(), r.PathValue("kind"), r.PathValue("name"))
}

func (s *Server) remove(r *http.Request) (any, error) {
	return s.backend.Delete(r.Context(), r.PathValue("kind"), r.PathValue("name"))
}
