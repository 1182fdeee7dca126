package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"ovsmesh/controller/api"
)

// Bounds of an answer, in bytes.
const (
	maxAnswer  = 1 << 20
	maxHeaders = 64 << 10
	maxValue   = 4 << 10
)

// ask has the controller carry a call out, and returns what the function
// returns.
func ask(ctx context.Context, cfg *config, c call) (string, *failure) {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableKeepAlives:      true, // one call a process
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaders,
	}
	client := api.Client{
		BaseURL: cfg.Server,
		Token:   cfg.Token,
		HTTP: &http.Client{
			Transport: boundedAnswers{transport},
			// The controller sends nobody elsewhere, and a token is for it alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		NamedBy: envServer + " or server in " + defaultConfigFile,
	}
	answer, err := client.Tunnel(ctx, api.TunnelCall{Function: c.function, Host: cfg.Host, Args: c.args})
	if err == nil {
		err = checkValue(answer.Value)
	}
	if err != nil {
		return "", explain(ctx, cfg, err)
	}
	return answer.Value, nil
}

// explain turns what went wrong between us and the controller into what
// CloudStack's log shows.
func explain(ctx context.Context, cfg *config, err error) *failure {
	class, text := controllerError, err.Error()
	var status *api.StatusError
	switch {
	case errors.As(err, &status):
		text = statusText(status)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		class = timeoutError
	case ctx.Err() != nil:
		class, text = interruptedError, "ended by a signal before the controller answered"
	}
	return &failure{class, oneLine(cfg.hide(text))}
}

func statusText(e *api.StatusError) string {
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden && e.Body.Message == "":
		return fmt.Sprintf("%s wants another token: put this host's own, from the server's file of hosts, in %s or name its file by tokenFile in %s",
			e.Server, envToken, defaultConfigFile)
	case e.Status == http.StatusForbidden:
		return fmt.Sprintf("%s: %s", e.Server, e.Body.Message)
	case e.Status == http.StatusNotFound && e.Body.Message == "":
		return fmt.Sprintf("%s has no /v1/ovstunnel: is it ovsmesh serve, and not older than this command?", e.Server)
	}
	return e.Error()
}

// checkValue refuses what can't be a function's return value: CloudStack takes
// what begins with SUCCESS for one.
func checkValue(value string) error {
	if !strings.HasPrefix(value, "SUCCESS") || len(value) > maxValue {
		return fmt.Errorf("the controller answers %.60q, which is none of the plugin's: is it ovsmesh serve, and not older than this command?", value)
	}
	return nil
}

// errAnswerSize is what reading too long an answer ends with.
var errAnswerSize = fmt.Errorf("the answer is longer than %d bytes: is it ovsmesh serve?", maxAnswer)

// boundedAnswers bounds the answers of a transport.
type boundedAnswers struct{ http.RoundTripper }

func (b boundedAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{resp.Body, maxAnswer}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errAnswerSize
	}
	return n, err
}
