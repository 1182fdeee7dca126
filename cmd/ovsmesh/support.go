package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"ovsmesh/controller/api"
	"ovsmesh/controller/redact"
	"ovsmesh/controller/store"
	"ovsmesh/topology"
)

// supportOptions are the flags of support.
type supportOptions struct {
	file    string // "-": stdout
	timeout time.Duration
	config  string
	dir     string
}

// maxPart bounds one part of a bundle, in bytes. What a mesh of a thousand hosts
// has to say of its rows is some 100 MB.
const maxPart = 256 << 20

func newSupportCommand(g *globals) *cobra.Command {
	var o supportOptions
	cmd := &cobra.Command{
		Use:   "support [-o FILE|-] [--timeout 45s] [--config FILE] [--data-dir DIR]",
		Short: "Collect what somebody needs who is to find out what is wrong",
		Long: `Writes a bundle (tar.gz) of what the controller and its hosts tell: versions,
configuration, the spec, inventory, topology, an audit and its history, metrics,
the last events and lines of the log, goroutines and heap, and per host its Open
vSwitch, settings and managers.

Secrets are taken out: the API's token, private keys, and whatever in
external_ids, other_config, options and the log goes by a name like password,
token or psk or looks like one. Addresses, names of networks and MACs stay: look
before you send it to somebody.

What does not answer in time is left out, and said to be so in the bundle. Where
the controller can't be asked at all, there is what this machine has: name its
configuration file with --config, or its data directory with --data-dir.

Exit code: 0 where all is in it; 1 where something is missing, which is named.`,
		Example: `  ovsmesh support
  ovsmesh support -o /tmp/bundle.tar.gz
  ovsmesh support -o - | ssh other tar tzf -
  ovsmesh support --config /etc/ovsmesh/ovsmesh.yaml   # the controller is down`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.timeout <= 0 {
				return errors.New("--timeout: want a time like 45s")
			}
			if o.file == "" {
				o.file = "ovsmesh-support-" + time.Now().UTC().Format("20060102-150405") + ".tar.gz"
			}
			return g.support(cmd, o)
		},
	}
	flags := cmd.Flags()
	// Here -o is the file: what is written has a form of its own.
	flags.StringVarP(&o.file, "output", "o", "", "file to write, - for stdout (default ovsmesh-support-TIME.tar.gz)")
	flags.DurationVar(&o.timeout, "timeout", 45*time.Second, "how long all of it may take")
	flags.StringVar(&o.config, "config", "", "configuration file of the controller on this machine, should it be down")
	flags.StringVar(&o.dir, "data-dir", "", "data directory of the controller on this machine, should it be down")
	return cmd
}

// piece is one file of a bundle.
type piece struct {
	name string
	get  func(ctx context.Context) ([]byte, error)
	body []byte
	err  error
	took time.Duration
}

func (g *globals) support(cmd *cobra.Command, o supportOptions) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
	defer cancel()
	c := g.client()
	secrets := redact.New(c.Token)
	parts := g.parts(c, secrets)
	collect(ctx, parts)
	if down := unreachable(parts); down != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "the controller can't be asked: %v\nthe bundle has what this machine knows\n", down)
		parts = append(parts, localParts(o, secrets)...)
		collect(ctx, parts[len(parts)-2:])
	}
	missing := missingOf(parts)
	if err := writeBundle(o.file, cmd.OutOrStdout(), parts, missing, secrets); err != nil {
		return err
	}
	if o.file != "-" {
		st, err := os.Stat(o.file)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s (%d KiB)\n", o.file, (st.Size()+1023)/1024)
	}
	if len(missing) > 0 {
		for _, m := range missing {
			fmt.Fprintf(cmd.ErrOrStderr(), "not in it: %s\n", secrets.Text(m))
		}
		return errors.New("the bundle is not complete")
	}
	return nil
}

// collect gets parts at the same time. One that does not end in time is left
// behind.
func collect(ctx context.Context, parts []*piece) {
	var wg sync.WaitGroup
	for _, p := range parts {
		wg.Go(func() {
			began := time.Now()
			p.body, p.err = p.get(ctx)
			p.took = time.Since(began)
			if p.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				p.err = fmt.Errorf("not within %v: %w", p.took.Round(time.Second), p.err)
			}
		})
	}
	wg.Wait()
}

// unreachable returns why nothing at all came from the server, nil if anything
// did.
func unreachable(parts []*piece) error {
	var why error
	for _, p := range parts {
		if p.name == "client.txt" {
			continue
		}
		var status *api.StatusError
		if p.err == nil || errors.As(p.err, &status) {
			return nil
		}
		why = p.err
	}
	return why
}

// missingOf says what is not there and why, what has the same reason in one.
func missingOf(parts []*piece) []string {
	var whys []string
	names := map[string][]string{}
	for _, p := range parts {
		if p.err == nil {
			continue
		}
		why := p.err.Error()
		if names[why] == nil {
			whys = append(whys, why)
		}
		names[why] = append(names[why], p.name)
	}
	missing := make([]string, len(whys))
	for i, why := range whys {
		missing[i] = strings.Join(names[why], ", ") + ": " + why
	}
	return missing
}

// parts is what a server is asked for.
func (g *globals) parts(c *api.Client, secrets *redact.Redactor) []*piece {
	raw := func(path string, q url.Values) func(context.Context) ([]byte, error) {
		return func(ctx context.Context) ([]byte, error) { return c.Raw(ctx, path, q, maxPart) }
	}
	// What is JSON is looked at value by value; all else as text.
	clean := func(get func(context.Context) ([]byte, error)) func(context.Context) ([]byte, error) {
		return func(ctx context.Context) ([]byte, error) {
			b, err := get(ctx)
			if err != nil {
				return nil, err
			}
			return secrets.JSON(b)
		}
	}
	return []*piece{
		{name: "client.txt", get: func(context.Context) ([]byte, error) {
			return fmt.Appendf(nil, "ovsmesh %s\nserver %s\ntaken %s\n", version(), c.BaseURL, time.Now().UTC().Format(time.RFC3339)), nil
		}},
		{name: "controller.json", get: clean(raw("/v1/support", nil))},
		{name: "spec.json", get: clean(raw("/v1/export", nil))},
		{name: "inventory.json", get: clean(raw("/v1/inventory", url.Values{"rows": {"true"}}))},
		{name: "topology.json", get: clean(raw("/v1/topology", nil))},
		{name: "hosts.json", get: clean(raw("/v1/hosts", nil))},
		{name: "audit.json", get: clean(raw("/v1/audit", nil))},
		{name: "history.json", get: clean(raw("/v1/audit/history", nil))},
		{name: "adopt.json", get: clean(raw("/v1/adopt", nil))},
		{name: "metrics.txt", get: func(ctx context.Context) ([]byte, error) {
			b, err := raw("/metrics", nil)(ctx)
			return []byte(secrets.Text(string(b))), err
		}},
	}
}

// localParts is what this machine knows where the controller does not answer.
func localParts(o supportOptions, secrets *redact.Redactor) []*piece {
	cfg, err := LoadConfig(o.config, os.LookupEnv, nil)
	return []*piece{
		{name: "config.txt", get: func(context.Context) ([]byte, error) {
			if err != nil {
				return nil, errors.New(secrets.Text(err.Error()))
			}
			var b strings.Builder
			for _, s := range cfg.told() {
				fmt.Fprintf(&b, "%s: %s\n", s.Key, secrets.Text(s.Value))
			}
			return []byte(b.String()), nil
		}},
		{name: "store.json", get: func(context.Context) ([]byte, error) {
			dir := o.dir
			if dir == "" && cfg != nil {
				dir = cfg.DataDir
			}
			return storePiece(dir, secrets)
		}},
	}
}

// storePiece is what a store holds that no controller has open.
func storePiece(dir string, secrets *redact.Redactor) ([]byte, error) {
	id, st, size, err := store.Inspect(dir)
	if err != nil {
		return nil, err
	}
	intent, err := topology.NewIntent(st.Intent)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(struct {
		ID    string                        `json:"id"`
		Bytes int64                         `json:"bytes"`
		Spec  topology.Spec                 `json:"spec"`
		Facts map[string]topology.HostFacts `json:"facts"`
	}{id, size, intent.Spec(), st.Facts})
	if err != nil {
		return nil, err
	}
	return secrets.JSON(b)
}

// told is the configuration for people, setting by setting; it names files of
// secrets, and not what is in them.
func (c *config) told() []api.SupportSetting {
	text := func(list []method) string {
		words := make([]string, len(list))
		for i, m := range list {
			words[i] = m.String()
		}
		return strings.Join(words, ",")
	}
	return []api.SupportSetting{
		{Key: "ovsdb.listen", Value: text(c.OVSDB)},
		{Key: "openflow.listen", Value: text(c.OpenFlow)},
		{Key: "openflow.advertise", Value: c.Advertise},
		{Key: "api.listen", Value: c.API},
		{Key: "api.insecure", Value: fmt.Sprint(c.APIInsecure)},
		{Key: "api.tokenFile", Value: c.APITokenFile},
		{Key: "api.hostTokensFile", Value: c.HostTokens},
		{Key: "store.dir", Value: c.DataDir},
		{Key: "hosts.autoRegister", Value: fmt.Sprint(c.AutoRegister)},
		{Key: "observe", Value: fmt.Sprint(c.Observe)},
		{Key: "log.level", Value: c.LogLevel},
		{Key: "log.format", Value: c.LogFormat},
		{Key: "tls.cert", Value: c.TLSCert},
		{Key: "tls.key", Value: c.TLSKey},
		{Key: "tls.ca", Value: c.TLSCA},
	}
}

// writeBundle writes a bundle where the user wants it. A file is only for its
// owner to read, and is there whole or not at all.
func writeBundle(file string, stdout io.Writer, parts []*piece, missing []string, secrets *redact.Redactor) error {
	if file == "-" {
		return tarBundle(stdout, parts, missing, secrets)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(tarBundle(f, parts, missing, secrets), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}
