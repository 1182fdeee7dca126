package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the controller",
		Long: `Run the controller. Hosts dial in over OVSDB (ptcp:6640), their bridges over
OpenFlow (ptcp:6653); commands talk to it on http://127.0.0.1:8640.

On each hypervisor this is all that is needed:
  ovs-vsctl set-manager tcp:CONTROLLER:6640

Every key of the configuration file is also an environment variable (api.listen
is OVSMESH_API_LISTEN). Flags go before the environment, that before the file.
SIGTERM stops the controller within 5 seconds; tunnels and flows stay on the
switches and go on forwarding.

With --observe nothing is written to any host: hosts dial in and are followed,
specs can be applied, audit and topology look as ever, and "ovsmesh plan" shows
what would be done. A start without it has it done.`,
		Example: `  ovsmesh serve
  ovsmesh serve --config /etc/ovsmesh/ovsmesh.yaml
  ovsmesh serve --observe                # look first; see ovsmesh plan
  ovsmesh serve --ovsdb ptcp:6640:192.0.2.10 --data-dir /srv/ovsmesh`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := cmd.Flags().GetString("config")
			if err != nil {
				return err
			}
			cfg, err := LoadConfig(file, os.LookupEnv, cmd.Flags())
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			return serve(ctx, cfg)
		},
	}
	addConfigFlags(cmd.Flags())
	cmd.RegisterFlagCompletionFunc("log-level", fixedCompletions("debug", "info", "warn", "error"))
	cmd.RegisterFlagCompletionFunc("log-format", fixedCompletions("console", "json"))
	return cmd
}

// serve runs the controller and its API until ctx ends.
func serve(ctx context.Context, cfg *config) (err error) {
	last := &recent{}
	log, err := newLogger(cfg.LogLevel, cfg.LogFormat, last)
	if err != nil {
		return err
	}
	defer controller.TuneMemory()()
	defer log.Sync() // stderr can't always be synced; there is nobody left to tell
	token, err := readToken(cfg.APITokenFile)
	if err != nil {
		return err
	}
	if cfg.APIInsecure && token == "" {
		log.Warn("anybody who reaches the API may change everything: no token is set", zap.String("api", cfg.API))
	}
	hosts, err := openHostTokens(cfg.HostTokens, token, log)
	if err != nil {
		return err
	}
	st, err := store.Open(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()

	var open listeners
	defer open.close()
	db := open.methods(cfg.OVSDB)
	of := open.methods(cfg.OpenFlow)
	web := open.listen(cfg.API)
	if open.err != nil {
		return open.err
	}
	ctl, err := controller.New(controller.Config{
		Log: log, Store: st, OVSDB: db, OpenFlow: of,
		Advertise: cfg.Advertise, AutoRegister: cfg.AutoRegister, Observe: cfg.Observe, Version: version(),
		Settings: cfg.told(), Secrets: []string{token}, Recent: last.Lines,
	})
	if err != nil {
		return err
	}
	log.Info("ovsmesh serves", zap.String("version", version()), zap.Stringers("ovsdb", addrs(db)), zap.Stringers("openflow", addrs(of)),
		zap.Stringer("api", web.Addr()), zap.String("store", st.UUID()))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return ctl.Run(ctx) })
	server := api.NewServer(ctl, token, log.Named("api"))
	server.HostTokens = hosts
	g.Go(func() error { return server.Run(ctx, web) })
	if err := g.Wait(); err != nil {
		return err
	}
	log.Info("ovsmesh has stopped; tunnels and flows stay as they are")
	return nil
}

// listeners opens listeners and remembers the first failure, so that all can
// be opened in a row before anything runs.
type listeners struct {
	list []net.Listener
	err  error
}

func (o *listeners) listen(address string) net.Listener {
	if o.err != nil {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w (does another ovsmesh, or ovsdb-server or a local controller, listen there?)", err)
		}
		o.err = err
		return nil
	}
	o.list = append(o.list, l)
	return l
}

func (o *listeners) methods(ms []method) []net.Listener {
	var ls []net.Listener
	for _, m := range ms {
		if l := o.listen(m.Address()); l != nil {
			ls = append(ls, l)
		}
	}
	return ls
}

// close closes what is still open; listeners that were served are closed.
func (o *listeners) close() {
	for _, l := range o.list {
		_ = l.Close()
	}
}

func addrs(ls []net.Listener) []net.Addr {
	as := make([]net.Addr, len(ls))
	for i, l := range ls {
		as[i] = l.Addr()
	}
	return as
}

func readToken(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("api token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("api token: %s is empty", file)
	}
	return token, nil
}

// openHostTokens reads the tokens of hosts, where there is a file of them.
func openHostTokens(file, admin string, log *zap.Logger) (*api.HostTokens, error) {
	if file == "" {
		return nil, nil
	}
	return api.OpenHostTokens(file, admin, log.Named("api"))
}

// newLogger makes the log, which keep gets, too, entry by entry.
func newLogger(level, format string, keep io.Writer) (*zap.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	c := zap.NewProductionConfig()
	c.Level = zap.NewAtomicLevelAt(l)
	c.Sampling = nil
	c.DisableStacktrace = true
	c.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	if format == "console" {
		c.Encoding = "console"
		c.DisableCaller = true
		c.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
	}
	kept := zapcore.NewCore(zapcore.NewJSONEncoder(c.EncoderConfig), zapcore.AddSync(keep), c.Level)
	return c.Build(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return zapcore.NewTee(core, kept) }))
}
