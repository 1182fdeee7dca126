package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovsmesh/controller/api"
)

const secret = "s3cr3t-0f-xen1-98765"

func TestConfigRefuses(t *testing.T) {
	tokens := t.TempDir()
	for name, text := range map[string]string{"empty": " \n", "two": secret + "\nmore\n", "long": strings.Repeat("x", maxTokenFile+1)} {
		if err := os.WriteFile(filepath.Join(tokens, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		text string
		env  map[string]string
		want string
	}{
		{"just a word\n", nil, `c.yaml:1: the file: want keys with values, not "just a word"`},
		{"# c\nsever: x\n", nil, "c.yaml:2: unknown key sever (did you mean server?)"},
		{"token-file: /x\n", nil, "c.yaml:1: unknown key token-file (did you mean tokenFile?)"},
		{"api:\n  listen: x\n", nil, "c.yaml:1: unknown key api"},
		{"server: controller\n", nil, `c.yaml:1: server: "controller" is not a URL like http://192.0.2.10:8640`},
		{"server: tcp:192.0.2.1:6640\n", nil, "is not a URL like"},
		{"server: [http://x]\n", nil, "c.yaml:1: server: want a string, not a list"},
		{"host:\n  - a\n", nil, "c.yaml:2: host: want a string, not a list"},
		{"strict: perhaps\n", nil, `c.yaml:1: strict: want true or false, not "perhaps"`},
		{"timeout: 28\n", nil, "c.yaml:1: timeout: want a string, not the number 28"},
		{"timeout: soon\n", nil, `c.yaml:1: timeout: "soon" is not a time like 28s`},
		{"timeout: 31s\n", nil, "c.yaml:1: timeout: 31s: want 1s to 30s"},
		{"timeout: 1ms\n", nil, "want 1s to 30s"},
		{"timeout: -5s\n", nil, "want 1s to 30s"},
		{"logFile: here.log\n", nil, "c.yaml:1: logFile: not an absolute path"},
		{"xe: xe\n", nil, "c.yaml:1: xe: not an absolute path"},
		{"server: http://a\nserver: http://b\n", nil, "c.yaml:2: "},
		{"server: http://a\n---\nserver: http://b\n", nil, "one document"},
		{"host: a\n\tb: c\n", nil, "c.yaml:2: a tab"},
		{"token: x\ntokenFile: /x\n", nil, "c.yaml: token and tokenFile: only one of them"},
		{"token: 1234567890123456\n", nil, "c.yaml:1: token: want a string, not a number or another word that YAML knows: put it in quotes"},
		{"token: \"a b\"\n", nil, "c.yaml:1: token: a token has no blanks"},
		{"tokenFile: " + secret + "\n", nil, "c.yaml:1: tokenFile: not an absolute path"},
		{"tokenFile: TOKENS/none\n", nil, "c.yaml: tokenFile: open "},
		{"tokenFile: TOKENS/empty\n", nil, "empty is empty"},
		{"tokenFile: TOKENS/two\n", nil, "two: a token has no blanks"},
		{"tokenFile: TOKENS/long\n", nil, "is longer than 4096 bytes"},
		{"tokenFile: TOKENS\n", nil, "is a directory"},
		{strings.Repeat("# long\n", maxConfigFile/7+1), nil, "is longer than 65536 bytes"},
		{"", map[string]string{envServer: "controller"}, "OVSMESH_SERVER: \"controller\" is not a URL"},
		{"", map[string]string{envToken: "a\nb"}, "OVSMESH_TOKEN: a token has no blanks"},
	}
	for _, tt := range tests {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(tt.text, "TOKENS", tokens)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadConfig(file, func(k string) (string, bool) { v, ok := tt.env[k]; return v, ok })
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), file, "c.yaml"), tt.want) {
			t.Errorf("%q: error %v, want %q", tt.text, err, tt.want)
			continue
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "1234567890123456") {
			t.Errorf("%q: the token is in the error %v", tt.text, err)
		}
	}
}

// Without any file, or with one that says nothing, the defaults hold; one that
// was named must be there.
func TestConfigDefaults(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	empty := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(empty, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(empty, none)
	if err != nil || *c != (config{Server: "http://127.0.0.1:8640", Timeout: 28 * time.Second, XE: "/opt/xensource/bin/xe"}) {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := os.Stat(defaultConfigFile); err != nil {
		if c, err := loadConfig("", none); err != nil || *c != *defaultConfig() {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if _, err := loadConfig("/nonexistent/c.yaml", none); err == nil || !strings.Contains(err.Error(), "/nonexistent/c.yaml") {
		t.Errorf("a missing file: %v", err)
	}
}

// The environment goes before the file, and an option names another file.
func TestConfigPrecedence(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	token := write("token", secret+"\n")
	one := write("one.yaml", "server: https://one:1\nhost: one\ntoken: in-the-file\n")
	two := write("two.yaml", "server: http://two\nhost: two\ntokenFile: "+token+"\n")
	gone := write("gone.yaml", "tokenFile: /nonexistent\n")
	tests := []struct {
		named               string
		env                 map[string]string
		server, token, host string
	}{
		{one, nil, "https://one:1", "in-the-file", "one"},
		{"", map[string]string{envConfigFile: two}, "http://two", secret, "two"},
		{one, map[string]string{envConfigFile: two}, "https://one:1", "in-the-file", "one"},
		{two, map[string]string{envServer: "http://env", envToken: "of-the-env"}, "http://env", "of-the-env", "two"},
		{two, map[string]string{envServer: "", envToken: ""}, "http://two", secret, "two"},
		{gone, map[string]string{envToken: "of-the-env"}, defaultServer, "of-the-env", ""},
	}
	for _, tt := range tests {
		c, err := loadConfig(tt.named, func(k string) (string, bool) { v, ok := tt.env[k]; return v, ok })
		if err != nil || c.Server != tt.server || c.Token != tt.token || c.Host != tt.host {
			t.Errorf("%s, %v: %+v, %v", tt.named, tt.env, c, err)
		}
	}
}

// The example names every key and stands for the defaults.
func TestExampleConfig(t *testing.T) {
	const path = "../../examples/ovstunnel.yaml"
	c, err := loadConfig(path, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	if want := defaultConfig(); c.Timeout != want.Timeout || c.XE != want.XE || c.Strict != want.Strict || c.Token != "" {
		t.Errorf("the example is not the defaults: %+v", c)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys(c) {
		for what, where := range map[string]string{"the example": string(text), "--help": help} {
			if !strings.Contains(where, k.Name+":") {
				t.Errorf("%s lacks %s", what, k.Name)
			}
		}
	}
	for _, name := range []string{envServer, envToken, envConfigFile} {
		if !strings.Contains(string(text), name) || !strings.Contains(help, name) {
			t.Errorf("the example or --help lacks %s", name)
		}
	}
}

// The controller is asked with the host's name and token, and neither an answer
// nor the log tells the token.
func TestCallCarriesConfiguration(t *testing.T) {
	var got api.TunnelCall
	var token string
	server := startServer(t, func(c api.TunnelCall, bearer string) (int, any) {
		got, token = c, bearer
		return http.StatusForbidden, api.Error{Message: "token " + bearer + " is not that of " + c.Host}
	})
	log := filepath.Join(t.TempDir(), "ovstunnel.log")
	s := setup{server: strings.Replace(server, "http://", "http://user:pass-word@", 1), config: "host: xen1\ntoken: " + secret + "\nlogFile: " + log}
	for _, args := range [][]string{{xapiCalls()[createTunnel]}, kvmCalls()[createTunnel]} {
		r := s.run(t, args...)
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, where := range []string{r.stdout, r.stderr, string(text)} {
			if strings.Contains(where, secret) || strings.Contains(where, "pass-word") {
				t.Errorf("a secret is told: %s", where)
			}
		}
		if !strings.Contains(r.stdout+r.stderr, "token [removed] is not that of xen1") {
			t.Errorf("%+v", r)
		}
		if token != secret || got.Host != "xen1" || got.Function != createTunnel || got.Args["key"] != "103" || got.Args["from"] != "1" || got.Args["to"] != "2" || got.Args["remote_ip"] != "192.0.2.2" {
			t.Errorf("token %q, %+v", token, got)
		}
	}
}
