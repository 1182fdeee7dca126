package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
)

// kvmCalls are what the agent calls, as it writes them.
func kvmCalls() map[string][]string {
	return map[string][]string{
		setupBridge:       {setupBridge, "--key", "OVSTunnel103", "--cs_host_id", "1", "--bridge", "OVSTunnel103"},
		setupDistributed:  {setupDistributed, "--bridge", "OVS-DR-VPC-Bridge5", "--cs_host_id", "1"},
		destroyBridge:     {destroyBridge, "--bridge", "OVSTunnel103"},
		createTunnel:      {createTunnel, "--bridge", "OVSTunnel103", "--remote_ip", "192.0.2.2", "--key", "103", "--src_host", "1", "--dst_host", "2"},
		destroyTunnel:     {destroyTunnel, "--bridge", "OVSTunnel103", "--iface_name", "t103-1-2"},
		configureTopology: {configureTopology, "--bridge", "OVS-DR-VPC-Bridge5", "--config", `{"vpc":{"cidr":"10.0.0.0/8"}}`},
		configurePolicies: {configurePolicies, "--bridge", "OVS-DR-VPC-Bridge5", "--config", `{"vpc":{"id":5}}`},
	}
}

// xapiCalls are what XenServer's toolstack calls.
func xapiCalls() map[string]string {
	const uuid = "0d9a6c54-4b5e-4a0e-8f5c-6e9f10a4c9d1"
	return map[string]string{
		setupBridge:       methodCallOf(setupBridge, "bridge", "xapi1", "key", "OVSTunnel103", "xs_nw_uuid", uuid, "cs_host_id", "1"),
		setupDistributed:  methodCallOf(setupDistributed, "bridge", "xapi1", "key", "OVS-DR-VPC-Bridge5", "xs_nw_uuid", uuid, "cs_host_id", "1"),
		destroyBridge:     methodCallOf(destroyBridge, "bridge", "xapi1", "cs_host_id", "1"),
		createTunnel:      methodCallOf(createTunnel, "bridge", "xapi1", "remote_ip", "192.0.2.2", "key", "103", "from", "1", "to", "2", "cloudstack-network-id", uuid),
		destroyTunnel:     methodCallOf(destroyTunnel, "bridge", "xapi1", "in_port", "t103-1-2"),
		configureTopology: methodCallOf(configureTopology, "bridge", "xapi1", "config", `{"vpc":{}}`, "host-id", "1", "seq-no", "4"),
		configurePolicies: methodCallOf(configurePolicies, "bridge", "xapi1", "config", `{"vpc":{}}`, "host-id", "1", "seq-no", "4"),
	}
}

// values are what the controller answers to the calls.
func values() map[string]string {
	return map[string]string{
		setupBridge: "SUCCESS:xapi1", setupDistributed: "SUCCESS:xapi1", destroyBridge: "SUCCESS:xapi1", createTunnel: "SUCCESS:t103-1-2",
		destroyTunnel: "SUCCESS", configureTopology: "SUCCESS: Ignoring sequence number 4", configurePolicies: "SUCCESS: Ignoring sequence number 4",
	}
}

// ran is what a run of the command did.
type ran struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// setup is where a run finds what it needs.
type setup struct {
	server string            // "": the default
	config string            // further lines of the configuration
	env    map[string]string // besides
}

// run runs the command in this process.
func (s setup) run(t *testing.T, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := s.environment(t)
	p := program{args, func(k string) (string, bool) { v, ok := env[k]; return v, ok }, &stdout, &stderr, wholeLimit}
	started := time.Now()
	code := p.run(t.Context())
	return ran{stdout.String(), stderr.String(), code, time.Since(started)}
}

// environment writes the configuration and returns what names it.
func (s setup) environment(t *testing.T) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ovstunnel.yaml")
	text := s.config + "\n"
	if !strings.Contains(text, "logFile:") {
		text += "logFile: none\n"
	}
	if !strings.Contains(text, "xe:") {
		text += "xe: /nonexistent/xe\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{envConfigFile: file}
	if s.server != "" {
		env[envServer] = s.server
	}
	for k, v := range s.env {
		env[k] = v
	}
	return env
}

// startServer serves calls as a controller does: with a value, or with an error
// of a code and a text.
func startServer(t *testing.T, answer func(api.TunnelCall, string) (int, any)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call api.TunnelCall
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&call); err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/ovstunnel" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		code, body := answer(call, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		if err := json.NewEncoder(w).Encode(body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// willing carries out every call.
func willing(t *testing.T) string {
	return startServer(t, func(c api.TunnelCall, _ string) (int, any) {
		return http.StatusOK, api.TunnelAnswer{Value: values()[c.Function], Host: "h1", Network: "net"}
	})
}

// refusing refuses every call.
func refusing(t *testing.T, code int, text string) string {
	return startServer(t, func(api.TunnelCall, string) (int, any) { return code, api.Error{Message: text} })
}

// hostile accepts connections and has serve answer each request as it likes.
// What serve waits for, if anything, is the channel: it is closed at the end.
func hostile(t *testing.T, serve func(net.Conn, <-chan struct{})) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// The request is read first: a reset might overtake the answer.
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				io.Copy(io.Discard, req.Body)
				serve(conn, over)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		close(over)
		l.Close()
		<-ended
	})
	return "http://" + l.Addr().String()
}
