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

// route is what one path does with one method, and what is said of it in the
// description.
type route struct {
	method, path string
	query        string                           // names of the parameters that it knows, separated by spaces
	serve        func(*http.Request) (any, error) // answers in JSON
	raw          http.HandlerFunc                 // serves what is no JSON, where serve is nil
	open         bool                             // needs no token
	hosts        bool                             // hosts' own tokens are good for it
	about        operation
}

// table is everything that the server serves. The description at /openapi.json
// is made of it, so that neither can be without the other.
func (s *Server) table() []route {
	read, work := []int{400, 500, 503}, []int{400, 404, 500, 503}
	return []route{
		{method: "GET", path: "/healthz", raw: healthy, open: true,
			about: operation{id: "health", summary: "Whether the process runs", media: plainText, answer: ""}},
		{method: "GET", path: "/readyz", raw: s.ready, open: true,
			about: operation{id: "ready", summary: "Whether hosts may dial in; problems with the controller itself on lines of their own", media: plainText, answer: "", trouble: []int{503}}},
		{method: "GET", path: "/metrics", raw: s.metrics,
			about: operation{id: "metrics", summary: "Counters and gauges, as Prometheus reads them", media: plainText, answer: ""}},
		{method: "GET", path: "/openapi.json", raw: s.describe,
			about: operation{id: "description", summary: "This description", answer: map[string]any{}}},
		{method: "GET", path: "/v1/events", query: filterParameters, raw: s.events,
			about: operation{id: "events", summary: "What becomes true from now on, as server-sent events", header: "Last-Event-ID",
				media: eventStream, answer: Event{}, trouble: []int{400, 503}}},
		{method: "POST", path: "/v1/apply", query: "prune dryRun", serve: s.apply,
			about: operation{id: "apply", summary: "Make a spec true: create and update what it lists; with prune, delete what it does not",
				body: ApplyRequest{}, spec: topology.Spec{}, answer: ApplyResult{}, trouble: []int{400, 408, 409, 413, 500, 503, 507}}},
		{method: "GET", path: "/v1/sync", query: "generation", serve: s.sync,
			about: operation{id: "sync", summary: "How far connected hosts have followed a change", need: "generation", answer: SyncStatus{}, trouble: read}},
		{method: "GET", path: "/v1/topology", query: topologyParameters, serve: s.topology,
			about: operation{id: "topology", summary: "Every network's mesh and every host, as they are", answer: Topology{}, trouble: work}},
		{method: "GET", path: "/v1/plan", query: "hosts network details flows", serve: s.plan,
			about: operation{id: "plan", summary: "What is not yet as it is wanted on hosts: what is done there next, or would be if the controller did not only look on", answer: Plan{}, trouble: work}},
		{method: "GET", path: "/v1/audit", query: "network host foreign", serve: s.audit,
			about: operation{id: "audit", summary: "Compare what is wanted with what the switches hold now", answer: AuditReport{}, trouble: work}},
		{method: "GET", path: "/v1/audit/history", query: "network host since", serve: s.history,
			about: operation{id: "history", summary: "What others have changed of ours, and what became of it", answer: History{}, trouble: work}},
		{method: "POST", path: "/v1/audit", query: "network host foreign dryRun", serve: s.repair,
			about: operation{id: "repair", summary: "The same, put right what is off of ours, and look again", answer: AuditReport{}, trouble: work}},
		{method: "GET", path: "/v1/flows/{host}/{bridge}", query: "view network foreign", serve: s.flows,
			about: operation{id: "flows", summary: "A bridge's flows, wanted or as its switch holds them now", answer: FlowList{}, trouble: work}},
		{method: "POST", path: "/v1/trace", serve: s.trace,
			about: operation{id: "trace", summary: "Follow a packet through the tables and tunnels of all hosts on its way", body: TraceRequest{}, answer: TraceReport{},
				trouble: []int{400, 404, 408, 413, 500, 503}}},
		{method: "POST", path: "/v1/verify", serve: s.verify,
			about: operation{id: "verify", summary: "Prove that networks are apart, free of loops, and carry what their options say", body: VerifyRequest{}, answer: VerifyReport{},
				trouble: []int{400, 404, 408, 413, 500, 503}}},
		{method: "GET", path: "/v1/adopt", serve: s.adoptable,
			about: operation{id: "adoptable", summary: "What other stores have left on the hosts that are connected", answer: AdoptOffer{}, trouble: read}},
		{method: "POST", path: "/v1/adopt", serve: s.adopt,
			about: operation{id: "adopt", summary: "Make rows of another store this store's own, in place, and its spec what they tell", body: AdoptRequest{}, answer: AdoptResult{},
				trouble: []int{400, 404, 408, 409, 413, 500, 503, 507}}},
		{method: "POST", path: "/v1/ovstunnel", serve: s.tunnel, hosts: true,
			about: operation{id: "ovstunnel", summary: "Carry out a call of CloudStack's ovstunnel plugin, and answer once it is so on the calling host", body: TunnelCall{}, answer: TunnelAnswer{},
				trouble: []int{400, 404, 408, 409, 413, 500, 501, 503, 507}}},
		{method: "GET", path: "/v1/support", serve: s.support,
			about: operation{id: "support", summary: "What a bundle for support has of the controller itself, without secrets", answer: SupportReport{}, trouble: read}},
		{method: "GET", path: "/v1/export", serve: func(r *http.Request) (any, error) { return s.backend.Export(r.Context()) },
			about: operation{id: "export", summary: "The whole spec, as apply takes it back", answer: topology.Spec{}, trouble: read}},
		{method: "GET", path: "/v1/inventory", query: "rows", serve: s.inventory,
			about: operation{id: "inventory", summary: "What hosts last reported of themselves; with rows, what is on their bridges now", answer: Inventory{}, trouble: read}},
		{method: "GET", path: "/v1/backup", raw: s.backup,
			about: operation{id: "backup", summary: "A copy of the store as of one moment, with a checksum as its last line; ovsmesh restore takes it", media: octetStream, answer: "", trouble: read}},
		{method: "POST", path: "/v1/accept", serve: func(r *http.Request) (any, error) { return s.backend.Accept(r.Context()) },
			about: operation{id: "accept", summary: "Let what a restored store says be carried out on the hosts", answer: Acceptance{}, trouble: []int{400, 500, 503, 507}}},
		{method: "GET", path: "/v1/version", serve: func(*http.Request) (any, error) { return s.backend.Version(), nil },
			about: operation{id: "version", summary: "What runs here", answer: Version{}, trouble: []int{400}}},
		{method: "GET", path: "/v1/{kind}", serve: s.objects,
			about: operation{id: "list", summary: "All objects of a kind, with what became of them", answer: Objects{}, trouble: work}},
		{method: "GET", path: "/v1/{kind}/{name}", serve: s.objects,
			about: operation{id: "get", summary: "One object, with what became of it", answer: Objects{}, trouble: work}},
		{method: "DELETE", path: "/v1/{kind}/{name}", serve: s.remove,
			about: operation{id: "delete", summary: "Take one object out of the spec", answer: ApplyResult{}, trouble: []int{400, 404, 409, 500, 503, 507}}},
	}
}

// routes serves the table, JSON with 404 for other paths and with 405 for
// other methods.
func (s *Server) routes() http.Handler {
	paths := map[string]methods{}
	for _, r := range s.table() {
		if paths[r.path] == nil {
			paths[r.path] = methods{}
		}
		serve := r.raw
		if r.serve != nil {
			serve = s.answer(r)
		}
		if !r.open {
			serve = s.guard(serve, r.hosts)
		}
		paths[r.path][r.method] = serve
	}
	mux := http.NewServeMux()
	for path, m := range paths {
		mux.Handle(path, m)
	}
	mux.Handle("/", s.guard(func(w http.ResponseWriter, r *http.Request) {
		send(w, http.StatusNotFound, Error{Message: r.URL.Path + ": " + topology.ErrNotFound.Error()})
	}, false))
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

func healthy(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(s.backend.Registry(), promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-s.backend.Ready():
		// Hosts are served even so, and a probe that took them away from here
		// would not help them.
		fmt.Fprintln(w, "ok")
		for _, p := range s.backend.Problems() {
			fmt.Fprintln(w, "problem: "+p)
		}
	default:
		http.Error(w, "not listening yet", http.StatusServiceUnavailable)
	}
}

// guard asks for the token, where there is one. A host's own token opens what is
// for hosts, and nothing else, also where no other token is asked for.
func (s *Server) guard(next http.HandlerFunc, hosts bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		got, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if sent && s.token != "" && subtle.ConstantTimeCompare([]byte(got), []byte(s.token)) == 1 {
			next(w, r)
			return
		}
		host := ""
		if sent {
			host = s.HostTokens.Host(got)
		}
		switch {
		case host != "" && hosts:
			next(w, r.WithContext(withBound(r.Context(), host)))
		case host != "":
			send(w, http.StatusForbidden, Error{Message: fmt.Sprintf("this token is that of host %s, and good for its own calls of the ovstunnel plugin only", host)})
		case s.token == "":
			next(w, r)
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			send(w, http.StatusUnauthorized, Error{Message: "a token is needed (OVSMESH_TOKEN)"})
		}
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
	var refused *RequestError
	var adopt *AdoptError
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
	case errors.As(err, &adopt):
		return http.StatusConflict, adopt.body()
	case errors.As(err, &refused):
		return http.StatusBadRequest, body
	case errors.Is(err, errBadRequest):
		return http.StatusBadRequest, body
	case errors.Is(err, ErrForbidden):
		return http.StatusForbidden, body
	case errors.Is(err, ErrNotThere):
		return http.StatusNotImplemented, body
	case errors.Is(err, topology.ErrNotFound):
		return http.StatusNotFound, body
	case errors.Is(err, topology.ErrConflict):
		return http.StatusConflict, body
	case errors.Is(err, ErrNotKept):
		return http.StatusInsufficientStorage, body
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, body
	}
	return http.StatusInternalServerError, body
}
