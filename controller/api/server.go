package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	AuditHistory(context.Context, HistoryRequest) (History, error)
	Plan(context.Context, PlanRequest) (Plan, error)
	Flows(context.Context, FlowsRequest) (FlowList, error)
	Trace(context.Context, TraceRequest) (TraceReport, error)
	Verify(context.Context, VerifyRequest) (VerifyReport, error)
	Adoptable(context.Context) (AdoptOffer, error)
	Adopt(context.Context, AdoptRequest) (AdoptResult, error)
	Tunnel(context.Context, TunnelRequest) (TunnelAnswer, error)
	Support(context.Context) (SupportReport, error)
	Export(context.Context) (topology.Spec, error)
	Inventory(context.Context, InventoryRequest) (Inventory, error)
	Events(after uint64) EventPage // 0: only where the stream is now
	Backup(context.Context) ([]byte, error)
	Accept(context.Context) (Acceptance, error)
	Problems() []string // with the controller itself; none where all is well
	Version() Version
	Ready() <-chan struct{}
	Registry() *prometheus.Registry
}

// Limits bound what one client may take from the others. All must be set.
type Limits struct {
	Read    time.Duration // for a request's header, and again for all of it
	Work    time.Duration // from then to the end of the answer; an audit reads every switch
	Send    time.Duration // for the answer alone: a client that stops reading
	Idle    time.Duration // between two requests
	Grace   time.Duration // for requests under way when the server stops
	Body    int64         // bytes of a request's body
	Clients int           // connections; further ones wait to be accepted

	Watchers int           // readers of events, of the connections; further ones are refused
	Beat     time.Duration // how long a reader of events hears nothing at most
}

// DefaultLimits are those of a server that nobody has told otherwise.
func DefaultLimits() Limits {
	return Limits{
		Read: 15 * time.Second, Work: 2 * time.Minute, Send: 30 * time.Second, Idle: time.Minute,
		Grace: 2 * time.Second, Body: 64 << 20, Clients: 512,
		Watchers: 256, Beat: 15 * time.Second,
	}
}

// maxHeader bounds a request's header, in bytes.
const maxHeader = 64 << 10

// Server serves the API on one listener.
type Server struct {
	Limits     Limits      // may be changed before Run
	HostTokens *HostTokens // may be set before Run; nil: hosts have none

	backend  Backend
	token    string
	log      *zap.Logger
	watching atomic.Int64 // readers of events
	backups  sync.Mutex   // held while one is sent
}

// NewServer makes a server with the default limits. With a token every request
// but /healthz and /readyz must carry it as a bearer token.
func NewServer(b Backend, token string, log *zap.Logger) *Server {
	return &Server{Limits: DefaultLimits(), backend: b, token: token, log: log}
}

// Run serves until ctx ends, and lets requests under way finish for as long as
// Limits.Grace then; what is still open after that is cut off.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: s.Limits.Read,
		ReadTimeout:       s.Limits.Read,
		WriteTimeout:      s.Limits.Work,
		IdleTimeout:       s.Limits.Idle,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          zap.NewStdLog(s.log),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ctx, cancel := context.WithCancel(ctx) // also if serving fails
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopped <- stop(server, s.Limits.Grace)
	}()
	err := server.Serve(netutil.LimitListener(l, s.Limits.Clients))
	cancel()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	if err := errors.Join(err, <-stopped); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	return nil
}

func stop(server *http.Server, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	// A client that is silent or slow holds Shutdown up, which is no fault of
	// the server's.
	if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}
