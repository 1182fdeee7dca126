package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// trouble is what a controller may do instead of answering.
type trouble struct {
	name  string
	start func(t *testing.T) setup
	class string
	want  string // part of the text
}

func troubles() []trouble {
	serve := func(f func(net.Conn, <-chan struct{})) func(*testing.T) setup {
		return func(t *testing.T) setup { return setup{server: hostile(t, f)} }
	}
	slow := func(f func(net.Conn, <-chan struct{})) func(*testing.T) setup {
		return func(t *testing.T) setup { return setup{server: hostile(t, f), config: "timeout: 1s"} }
	}
	send := func(text string) func(*testing.T) setup {
		return serve(func(c net.Conn, _ <-chan struct{}) { io.WriteString(c, text) })
	}
	body := func(code int, text string) func(*testing.T) setup {
		return send(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", code, len(text), text))
	}
	drip := func(head, drop string) func(*testing.T) setup {
		return slow(func(c net.Conn, over <-chan struct{}) {
			io.WriteString(c, head)
			for {
				if _, err := io.WriteString(c, drop); err != nil {
					return
				}
				select {
				case <-over:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
	flood := func(head, drop string) func(*testing.T) setup {
		return serve(func(c net.Conn, _ <-chan struct{}) {
			_, err := io.WriteString(c, head)
			for err == nil {
				_, err = io.WriteString(c, drop)
			}
		})
	}
	refuse := func(code int, text string) func(*testing.T) setup {
		return func(t *testing.T) setup { return setup{server: refusing(t, code, text)} }
	}
	return []trouble{
		{"silent", slow(func(_ net.Conn, over <-chan struct{}) { <-over }), timeoutError, "does not answer in time"},
		{"slow headers", drip("HTTP/1.1 200 OK\r\n", "X: y\r\n"), timeoutError, "does not answer in time"},
		{"slow body", drip("HTTP/1.1 200 OK\r\n\r\n", " "), timeoutError, "does not answer in time"},
		{"hangs up", serve(func(net.Conn, <-chan struct{}) {}), controllerError, "EOF"},
		{"garbage", send("\x16\x03\x01 no HTTP at all\r\n\r\n"), controllerError, "malformed HTTP"},
		{"huge body", flood("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat(" ", 64<<10)), controllerError, "the answer is longer than 1048576 bytes"},
		{"huge error", flood("HTTP/1.1 500 No\r\n\r\n", strings.Repeat(" ", 64<<10)), controllerError, "the answer is longer than 1048576 bytes"},
		{"huge headers", flood("HTTP/1.1 200 OK\r\n", "X: "+strings.Repeat("y", 8<<10)+"\r\n"), controllerError, "headers"},
		{"cut short", send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"value\":"), controllerError, "EOF"},
		{"no JSON", body(200, "<html>hello</html>"), controllerError, "does not answer as ovsmesh serve does"},
		{"no value", body(200, "{}"), controllerError, `the controller answers ""`},
		{"odd value", body(200, `{"value":"true"}`), controllerError, `the controller answers "true"`},
		{"long value", body(200, `{"value":"SUCCESS`+strings.Repeat("x", maxValue)+`"}`), controllerError, `the controller answers "SUCCESSxxx`},
		{"a page with an error", body(502, "<html>Bad gateway</html>"), controllerError, "bad gateway (HTTP 502)"},
		{"sent elsewhere", send("HTTP/1.1 307 X\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"), controllerError, "temporary redirect (HTTP 307)"},
		{"nobody there", func(t *testing.T) setup { return setup{server: "http://" + free(t)} }, controllerError,
			"refuses connections: is ovsmesh serve running there? name another server with OVSMESH_SERVER or server in /etc/ovsmesh/ovstunnel.yaml"},
		{"no such route", body(404, "404 page not found"), controllerError, "has no /v1/ovstunnel"},
		{"wrong token", refuse(http.StatusUnauthorized, "unauthorized"), controllerError, "wants another token: put this host's own"},
		{"another's token", refuse(http.StatusForbidden, "the token is that of xen1, not xen2"), controllerError, "the token is that of xen1, not xen2"},
		{"refused", refuse(http.StatusConflict, "key 103 is network blue's, on bridge xapi9"), controllerError, "key 103 is network blue's, on bridge xapi9"},
		{"control characters", refuse(http.StatusConflict, "a\x1b[2J\r\nb\x00c SUCCESS"), controllerError, "a [2J b c SUCCESS"},
		{"not now", refuse(http.StatusServiceUnavailable, "h1: waits for ovs-vswitchd"), controllerError, "h1: waits for ovs-vswitchd"},
		{"the word itself", refuse(http.StatusConflict, "SUCCESS"), controllerError, "SUCCESS"},
		{"no words", refuse(http.StatusInternalServerError, ""), controllerError, "internal server error (HTTP 500)"},
		{"wrong configuration", func(*testing.T) setup { return setup{config: "sever: x"} }, configurationError,
			"ovstunnel.yaml:1: unknown key sever (did you mean server?)"},
		{"no configuration", func(*testing.T) setup { return setup{env: map[string]string{envConfigFile: "/nonexistent.yaml"}} }, configurationError,
			"open /nonexistent.yaml: no such file"},
		{"no token", func(*testing.T) setup { return setup{config: "tokenFile: /nonexistent"} }, configurationError,
			"tokenFile: open /nonexistent: no such file"},
	}
}

// Whatever the controller does, a call ends in time with a failure in the form of
// who called, and CloudStack takes it for one.
func TestTroubleIsFailure(t *testing.T) {
	for _, tr := range troubles() {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			s := tr.start(t)
			for function, args := range kvmCalls() {
				if tr.class == timeoutError && function != createTunnel && function != setupBridge {
					continue
				}
				r := s.run(t, args...)
				if r.stdout != "" || !strings.HasPrefix(r.stderr, "ovstunnel: "+function+": ") || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, tr.want) {
					t.Errorf("%s: printed %q and %q, want %q", function, r.stdout, r.stderr, tr.want)
				}
				if agentTakesForSuccess(function, r) {
					t.Errorf("%s: the agent takes exit code %d for success", function, r.code)
				}
				if r.took > 10*time.Second {
					t.Errorf("%s: took %v", function, r.took)
				}
			}
			function := createTunnel
			r := s.run(t, xapiCalls()[function])
			a := readAnswer(t, r)
			if r.code != 0 || r.stderr != "" || len(a.description) != 4 || a.description[0] != "XENAPI_PLUGIN_FAILURE" || a.description[1] != function ||
				a.description[2] != tr.class || !strings.Contains(a.description[3], tr.want) {
				t.Errorf("%s: exit code %d, answer %q, %q; want %s, %q", function, r.code, a.description, r.stderr, tr.class, tr.want)
			}
		})
	}
}

// free returns an address at which nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
