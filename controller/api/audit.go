package api

import "net/http"

func (s *Server) audit(r *http.Request) (any, error) {
	req, err := auditRequest(r)
	if err != nil {
		return nil, err
	}
	return s.backend.Audit(r.Context(), req)
}

func (s *Server) repair(r *http.Request) (any, error) {
	req, err := auditRequest(r)
	if err != nil {
		return nil, err
	}
	req.Repair = true
	if req.DryRun, err = flag(r, "dryRun"); err != nil {
		return nil, err
	}
	return s.backend.Audit(r.Context(), req)
}

func auditRequest(r *http.Request) (AuditRequest, error) {
	q := r.URL.Query()
	foreign, err := flag(r, "foreign")
	return AuditRequest{Network: q.Get("network"), Host: q.Get("host"), Foreign: foreign}, err
}
