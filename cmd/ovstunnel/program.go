package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// program is one run of the command.
type program struct {
	args           []string
	env            func(string) (string, bool) // as os.LookupEnv
	stdout, stderr io.Writer
	limit          time.Duration // of the whole run, whatever hangs
}

// wholeLimit ends a run in which even reading a file hangs, before CloudStack's
// 30 s are over.
const wholeLimit = longestTimeout - 600*time.Millisecond

// logTime is how long a call waits for its line in the log.
const logTime = 200 * time.Millisecond

// reserve is how long before a call's time is over its work must end, so that
// there is time to say so.
const reserve = logTime + 300*time.Millisecond

// run makes the call of the command line and returns the exit code.
func (p program) run(ctx context.Context) int {
	started := time.Now()
	var f form = xapiForm{}
	strict, file := false, ""
	if isXAPI(p.args) {
		f = xapiForm{p.args[0]}
	} else {
		k := newKVMForm(p.args)
		if len(p.args) == 0 {
			io.WriteString(p.stderr, help)
			return 1
		}
		if k.err == nil && (k.options.help || k.options.version) {
			io.WriteString(p.stdout, k.options.about())
			return 0
		}
		f, strict, file = k, k.options.strict, k.options.configurationFile
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	done := make(chan result, 1)
	// Where a file hangs, this goroutine outlives run; the process ends then.
	go func() { done <- p.call(ctx, f, file, started) }()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		select {
		case r = <-done:
		case <-time.After(reserve / 2): // what heeds ctx ends first, and says more
			c, _ := f.read()
			r = result{cfg: defaultConfig(), outcome: outcome{call: c, err: p.late(ctx)}}
		}
	}
	strict = strict || r.cfg.Strict
	trouble := p.record(f, r, started)
	stdout, stderr, code := f.say(r.outcome, strict)
	if trouble != nil && strict {
		stderr += fmt.Sprintf("ovstunnel: the log: %v\n", trouble)
	}
	io.WriteString(p.stderr, stderr) // where nobody reads, the exit code still tells
	if stdout == "" {
		return code
	}
	if _, err := io.WriteString(p.stdout, stdout); err != nil {
		return 1 // an answer that could not be told
	}
	return code
}

// result is what came of a run.
type result struct {
	outcome
	cfg *config
}

// late is the failure of a call that was ended from outside.
func (p program) late(ctx context.Context) *failure {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return failed(timeoutError, "not done within %v, and what it waited for can't be told", p.limit)
	}
	return failed(interruptedError, "ended by a signal")
}

// call reads the configuration and the call, and carries it out.
func (p program) call(ctx context.Context, f form, file string, started time.Time) (r result) {
	r.cfg = defaultConfig()
	defer func() {
		if wrong := recover(); wrong != nil {
			// A crash's exit code is one that CloudStack takes for a success of
			// create_tunnel.
			r.value, r.err = "", failed(internalError, "%v: this is an error of ovstunnel itself: please report it", wrong)
		}
	}()
	r.call, r.err = f.read()
	cfg, err := loadConfig(file, p.env)
	r.cfg = cfg
	switch {
	case r.err != nil:
		return r
	case err != nil:
		r.err = failed(configurationError, "%s", oneLine(err.Error()))
		return r
	}
	ctx, cancel := context.WithDeadline(ctx, started.Add(cfg.Timeout-reserve))
	defer cancel()
	_, onXenServer := f.(xapiForm)
	r.outcome = perform(ctx, cfg, r.call, onXenServer)
	return r
}

// perform carries a call out.
func perform(ctx context.Context, cfg *config, c call, onXenServer bool) outcome {
	o := outcome{call: c}
	t := toolstack{cfg.XE}
	switch c.function {
	case isXCP:
		o.value, o.err = local(t.platform(ctx))
		return o
	case getLabel:
		o.value, o.err = local(t.label(ctx))
		return o
	}
	o.value, o.err = ask(ctx, cfg, c)
	if o.err == nil && onXenServer {
		if err := t.note(ctx, c); err != nil {
			o.note = fmt.Sprintf("CloudStack's note in the network's other-config is not written: %v", err)
		}
	}
	return o
}

func local(value string, err error) (string, *failure) {
	if err != nil {
		return "", failed(toolstackError, "%v", err)
	}
	return value, nil
}

// note writes what CloudStack's plugin notes of a call that succeeded.
//
// Two hosts that note at once may lose one of the notes, as with the plugin. That,
// and that a note can't be written, is no failure of the call: what CloudStack
// asked for is done. A host that is not noted is set up once more by the next
// call, which is harmless; one that still is noted is not set up again, but
// create_tunnel sets up what it needs itself. A failure would do more harm:
// CloudStack keeps the tunnels of a host whose bridge it could not destroy as
// established, and makes none of them when the next VM starts there.
func (t toolstack) note(ctx context.Context, c call) error {
	kind := map[string]string{setupBridge: noteTunnels, setupDistributed: noteDistributed}[c.function]
	switch {
	case kind != "":
		uuid := c.args["xs_nw_uuid"]
		if uuid == "" {
			var err error
			if uuid, err = t.network(ctx, c.args["bridge"]); err != nil {
				return err
			}
		}
		return t.noteSetup(ctx, uuid, kind, c.args["cs_host_id"])
	case c.function == destroyBridge:
		return t.noteDestroyed(ctx, c.args["bridge"], c.args["cs_host_id"])
	}
	return nil
}

// record writes the log's line of a call, or gives up soon.
func (p program) record(f form, r result, started time.Time) error {
	done := make(chan error, 1)
	ended := time.Now()
	go func() {
		file := logFile(r.cfg, f)
		if file == "" {
			done <- nil
			return
		}
		done <- record(file, r.cfg, r.outcome, started, ended)
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(logTime):
		return errors.New("it can't be written in time")
	}
}

// about is what --help or --version prints.
func (o options) about() string {
	if o.version {
		return "ovstunnel " + stamped + "\n"
	}
	return strings.TrimPrefix(help, "\n")
}
