package api

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"

	"ovsmesh/topology"
)

// Backend is what the server serves. Its errors are told apart by
// topology.ErrNotFound, topology.ErrConflict and topology.SpecErrors.
type Backend interface {
	Apply(context.Context, ApplyRequest) (ApplyResult, error)
	Delete(ctx context.Context, kind, name string) (ApplyResult, error)
	Sync(ctx context.Context, generation uint64) (SyncStatus, error)
	Objects(ctx context.Context, kind, name string) (Objects, error)
	Topology(context.Context, TopologyFilter) (Topology, error)
	Audit(context.Context, AuditRequest) (AuditReport, error)
	Export(context.Context) (topology.Spec, error)
	Inventory(context.Context) (Inventory, error)
	Version() Version
	Ready() <-chan struct{}
	Registry() *prometheus.Registry
}

// TopologyFilter narrows a Topology; zero fields don't.
type TopologyFilter struct {
	Network, Host, Tenant string
}

// Limits of a request. An audit reads every switch and so may take long.
const (
	maxBody      = 64 << 20
	readTimeout  = 15 * time.Second
	writeTimeout = 2 * time.Minute
	idleTimeout  = time.Minute
	maxHeader    = 64 << 10
	maxClients   = 512
)

// Server serves the API on one listener.
type Server struct {
	backend Backend
	token   string
	log     *zap.Logger
	http    *http.Server
}

// NewServer makes a server. With a token every request but /healthz and
// /readyz must carry it as a bearer token.
func NewServer(b Backend, token string, log *zap.Logger) *Server {
	s := &Server{backend: b, token: token, log: log}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          zap.NewStdLog(log),
	}
	return s
}

// Run serves until ctx ends, and lets requests under way finish for up to
// three seconds then.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	stop := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		stop <- s.http.Shutdown(grace)
	}()
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	err := s.http.Serve(netutil.LimitListener(l, maxClients))
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("api: %w", err)
	}
	if err := <-stop; err != nil {
		return errors.Join(fmt.Errorf("api: %w", err), s.http.Close())
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", s.guard(promhttp.HandlerFor(s.backend.Registry(), promhttp.HandlerOpts{}).ServeHTTP))
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"POST /v1/apply":            s.apply,
		"GET /v1/sync":              s.sync,
		"GET /v1/topology":          s.topology,
		"GET /v1/audit":             s.audit,
		"GET /v1/export":            func(r *http.Request) (any, error) { return s.backend.Export(r.Context()) },
		"GET /v1/inventory":         func(r *http.Request) (any, error) { return s.backend.Inventory(r.Context()) },
		"GET /v1/version":           func(*http.Request) (any, error) { return s.backend.Version(), nil },
		"GET /v1/{kind}":            s.objects,
		"GET /v1/{kind}/{name}":     s.objects,
		"DELETE /v1/{kind}/{name}":  s.remove,
		"GET /v1/{kind}/{a}/{rest}": func(r *http.Request) (any, error) { return nil, fmt.Errorf("%s: %w", r.URL.Path, topology.ErrNotFound) },
	} {
		mux.Handle(pattern, s.guard(answer(h)))
	}
	return mux
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

func answer(h func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		v, err := h(r)
		if err != nil {
			code, body := explain(err)
			send(w, code, body)
			return
		}
		send(w, http.StatusOK, v)
	}
}

func send(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	// The status is out; a client that has gone away gets no better answer.
	_ = e.Encode(v)
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
		return ApplyRequest{}, err
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
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return req, fmt.Errorf("%w: body: %w", errBadRequest, err)
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
	gen, err := strconv.ParseUint(r.URL.Query().Get("generation"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: generation: %w", errBadRequest, err)
	}
	return s.backend.Sync(r.Context(), gen)
}

func (s *Server) topology(r *http.Request) (any, error) {
	q := r.URL.Query()
	return s.backend.Topology(r.Context(), TopologyFilter{Network: q.Get("network"), Host: q.Get("host"), Tenant: q.Get("tenant")})
}

func (s *Server) audit(r *http.Request) (any, error) {
	q := r.URL.Query()
	foreign, err := flag(r, "foreign")
	if err != nil {
		return nil, err
	}
	return s.backend.Audit(r.Context(), AuditRequest{Network: q.Get("network"), Host: q.Get("host"), Foreign: foreign})
}

func (s *Server) objects(r *http.Request) (any, error) {
	return s.backend.Objects(r.Context(), r.PathValue("kind"), r.PathValue("name"))
}

func (s *Server) remove(r *http.Request) (any, error) {
	return s.backend.Delete(r.Context(), r.PathValue("kind"), r.PathValue("name"))
}
