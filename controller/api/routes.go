package api

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ovsmesh/topology"
)

// route is what one path does with one method.
type route struct {
	method, path string
	query        string // names of the parameters that it knows, separated by spaces
	serve        func(*http.Request) (any, error)
}

func (s *Server) table() []route {
	return []route{
		{"POST", "/v1/apply", "prune dryRun", s.apply},
		{"GET", "/v1/sync", "generation", s.sync},
		{"GET", "/v1/topology", "network host tenant", s.topology},
		{"GET", "/v1/audit", "network host foreign", s.audit},
		{"GET", "/v1/export", "", func(r *http.Request) (any, error) { return s.backend.Export(r.Context()) }},
		{"GET", "/v1/inventory", "", func(r *http.Request) (any, error) { return s.backend.Inventory(r.Context()) }},
		{"GET", "/v1/version", "", func(*http.Request) (any, error) { return s.backend.Version(), nil }},
		{"GET", "/v1/{kind}", "", s.objects},
		{"GET", "/v1/{kind}/{name}", "", s.objects},
		{"DELETE", "/v1/{kind}/{name}", "", s.remove},
	}
}

// routes serves the table, JSON with 404 for other paths and with 405 for
// other methods; and beside it what others than our own clients ask for.
func (s *Server) routes() http.Handler {
	paths := map[string]methods{
		"/healthz": {"GET": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }},
		"/readyz":  {"GET": s.ready},
		"/metrics": {"GET": s.guard(promhttp.HandlerFor(s.backend.Registry(), promhttp.HandlerOpts{}).ServeHTTP)},
	}
	for _, r := range s.table() {
		if paths[r.path] == nil {
			paths[r.path] = methods{}
		}
		paths[r.path][r.method] = s.guard(s.answer(r))
	}
	mux := http.NewServeMux()
	for path, m := range paths {
		mux.Handle(path, m)
	}
	mux.Handle("/", s.guard(func(w http.ResponseWriter, r *http.Request) {
		send(w, http.StatusNotFound, Error{Message: r.URL.Path + ": " + topology.ErrNotFound.Error()})
	}))
	return mux
}

// methods is what one path serves. The mux could tell methods apart, too, but
// answers in plain text.
type methods map[string]http.HandlerFunc

// ServeHTTP implements http.Handler.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	if serve := m[method]; serve != nil {
		serve(w, r)
		return
	}
	allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	w.Header().Set("Allow", allowed)
	send(w, http.StatusMethodNotAllowed, Error{Message: fmt.Sprintf("%s: method %s: there is only %s", r.URL.Path, r.Method, allowed)})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-s.backend.Ready():
		fmt.Fprintln(w, "ok")
	default:
		http.Error(w, "not listening yet", http.StatusServiceUnavailable)
	}
}

// guard asks for the token, where there is one.
func (s *Server) guard(next http.HandlerFunc) http.HandlerFunc {
	if s.token == "" {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(got), []byte(s.token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			send(w, http.StatusUnauthorized, Error{Message: "a token is needed (OVSMESH_TOKEN)"})
			return
		}
		next(w, r)
	}
}

// answer serves a route of the table.
func (s *Server) answer(route route) http.HandlerFunc {
	known := strings.Fields(route.query)
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, s.Limits.Body)
		v, err := any(nil), checkQuery(r, known)
		if err == nil {
			v, err = route.serve(r)
		}
		code := http.StatusOK
		if err != nil {
			code, v = explain(err)
		}
		body := encode(v)
		// Not before the work is done, which may take longer. A connection
		// that knows no deadlines keeps the one that it has.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.Limits.Send))
		write(w, code, body)
	}
}

// checkQuery refuses parameters that nobody would look at: a filter that is
// misspelt must not pass for none.
func checkQuery(r *http.Request, known []string) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fmt.Errorf("%w: query: %w", errBadRequest, err)
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch {
		case !slices.Contains(known, name):
			return fmt.Errorf("%w: unknown parameter %q", errBadRequest, name)
		case len(q[name]) > 1:
			return fmt.Errorf("%w: parameter %q is given %d times", errBadRequest, name, len(q[name]))
		}
	}
	return nil
}

func send(w http.ResponseWriter, code int, v any) { write(w, code, encode(v)) }

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // a shape of ours that JSON has no words for; net/http recovers
	}
	return b.Bytes()
}

func write(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	// The status is out; a client that has gone away gets no better answer.
	_, _ = w.Write(body)
}

var errBadRequest = errors.New("bad request")

// explain turns an error into a status code and a body.
func explain(err error) (int, Error) {
	body := Error{Message: err.Error()}
	var spec topology.SpecErrors
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &spec):
		body.Message = "the spec is refused; nothing has changed"
		for _, e := range spec {
			body.Problems = append(body.Problems, Problem{File: e.File, Line: e.Line, Column: e.Column, Field: e.Field, Reason: e.Reason})
		}
		return http.StatusBadRequest, body
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, body
	case errors.Is(err, os.ErrDeadlineExceeded): // of the connection, not of a context
		return http.StatusRequestTimeout, body
	case errors.Is(err, errBadRequest):
		return http.StatusBadRequest, body
	case errors.Is(err, topology.ErrNotFound):
		return http.StatusNotFound, body
	case errors.Is(err, topology.ErrConflict):
		return http.StatusConflict, body
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, body
	}
	return http.StatusInternalServerError, body
}
