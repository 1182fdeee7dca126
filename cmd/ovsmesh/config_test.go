package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// load reads a configuration from the text of a file, an environment and a
// command line.
func load(t *testing.T, text string, env map[string]string, args ...string) (*config, error) {
	t.Helper()
	file := ""
	if text != "" {
		file = filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addConfigFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(file, func(k string) (string, bool) { v, ok := env[k]; return v, ok }, flags)
	if err != nil && file != "" {
		err = &shortError{strings.ReplaceAll(err.Error(), file, "c.yaml")}
	}
	return c, err
}

type shortError struct{ text string }

func (e *shortError) Error() string { return e.text }

func TestConfigRefuses(t *testing.T) {
	tests := []struct {
		name string
		text string
		env  map[string]string
		args []string
		want []string // each is part of the error
	}{
		{"no mapping", "just a word\n", nil, nil, []string{"c.yaml:1: the file: want keys with values, not \"just a word\""}},
		{"syntax", "api:\n  listen: [1\n", nil, nil, []string{"c.yaml:2: "}},
		{"unknown key", "api:\n  listn: 127.0.0.1:1\n", nil, nil, []string{"c.yaml:2: unknown key api.listn (did you mean api.listen?)"}},
		{"unknown section", "# c\nopenflw:\n  listen: []\n", nil, nil, []string{"c.yaml:2: unknown key openflw (did you mean openflow?)"}},
		{"key cut short", "api:\n  token: x\n", nil, nil, []string{"c.yaml:2: unknown key api.token (did you mean api.tokenFile?)"}},
		{"tab", "api:\n\tlisten: 127.0.0.1:1\n", nil, nil, []string{"c.yaml:2: a tab: YAML is indented with spaces"}},
		{"nothing near", "zebra: 1\n", nil, nil, []string{"c.yaml:1: unknown key zebra"}},
		{"key twice", "log:\n  level: info\n  level: warn\n", nil, nil, []string{"c.yaml:3: "}},
		{"section for value", "store:\n  dir:\n    a: b\n", nil, nil, []string{"c.yaml:3: store.dir: want a string, not keys with values"}},
		{"value for section", "store: /x\n", nil, nil, []string{"c.yaml:1: store: want keys with values, not \"/x\""}},
		{"number for text", "store:\n  dir: 5\n", nil, nil, []string{"c.yaml:2: store.dir: want a string, not the number 5"}},
		{"word for bool", "hosts:\n  autoRegister: yes please\n", nil, nil, []string{"c.yaml:2: hosts.autoRegister: want true or false, not \"yes please\""}},
		{"list of numbers", "ovsdb:\n  listen: [6640]\n", nil, nil, []string{"c.yaml:2: ovsdb.listen: want a list of strings, not one with the number 6640"}},
		{"list for text", "api:\n  listen: [a]\n", nil, nil, []string{"c.yaml:2: api.listen: want a string, not a list"}},
		{"empty value", "api:\n  listen:\n", nil, nil, []string{"c.yaml:2: api.listen: want a string, not nothing"}},
		{"empty list", "ovsdb:\n  listen: []\n", nil, nil, []string{"c.yaml:2: ovsdb.listen: want at least one connection method"}},
		{"bad method", "ovsdb:\n  listen:\n    - ptcp:66400\n", nil, nil, []string{"c.yaml:3: ovsdb.listen: \"ptcp:66400\": port \"66400\" is not a number"}},
		{"active method", "ovsdb:\n  listen: [\"tcp:192.0.2.1:6640\"]\n", nil, nil, []string{"dials out, but hosts dial in here"}},
		{"bad host", "ovsdb:\n  listen: [\"ptcp:6640:nowhere\"]\n", nil, nil, []string{"\"nowhere\" is not an IP address"}},
		{"tls method", "openflow:\n  listen: [\"pssl:6653\"]\n", nil, nil, []string{"c.yaml:2: openflow.listen: \"pssl:6653\": TLS is not available in this version"}},
		{"tls files", "tls:\n  cert: a\n  key: b\n", nil, nil, []string{"tls.cert: TLS is not available", "tls.key: TLS is not available"}},
		{"advertise without port", "openflow:\n  advertise: tcp:192.0.2.1\n", nil, nil, []string{"c.yaml:2: openflow.advertise: \"tcp:192.0.2.1\" is not a target"}},
		{"advertise a name", "openflow:\n  advertise: tcp:here:6653\n", nil, nil, []string{"is not a target"}},
		{"bare port", "api:\n  listen: \"8640\"\n", nil, nil, []string{"c.yaml:2: api.listen: \"8640\" is not an address: want IP:PORT"}},
		{"beyond loopback", "api:\n  listen: 0.0.0.0:8640\n", nil, nil, []string{"api.listen: 0.0.0.0:8640 can be reached from other machines", "api.tokenFile", "--api-insecure"}},
		{"every address", "", nil, []string{"--api", ":8640"}, []string{"can be reached from other machines"}},
		{"log level", "log:\n  level: inof\n", nil, nil, []string{"c.yaml:2: log.level: \"inof\" is not one of debug, info, warn, error (did you mean info?)"}},
		{"relative store", "store:\n  dir: data\n", nil, nil, []string{"c.yaml:2: store.dir: \"data\" is not an absolute path"}},
		{"all at once", "api:\n  listn: x\nlog:\n  levl: x\n", nil, nil, []string{"c.yaml:2:", "c.yaml:4:"}},
		{"two documents", "log:\n  level: info\n---\nlog:\n  level: warn\n", nil, nil, []string{"a configuration file is one document"}},
		{"environment", "", map[string]string{"OVSMESH_HOSTS_AUTOREGISTER": "perhaps"}, nil, []string{"OVSMESH_HOSTS_AUTOREGISTER: \"perhaps\" is not true or false"}},
		{"flag", "", nil, []string{"--ovsdb", "ptcp:6640", "--ovsdb", "x"}, []string{"--ovsdb: \"x\" is not a connection method"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text, tt.env, tt.args...)
			if err == nil {
				t.Fatal("not refused")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

func TestConfigMissingFile(t *testing.T) {
	_, err := LoadConfig(filepath.Join(t.TempDir(), "none.yaml"), os.LookupEnv, nil)
	if err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("err = %v, want one that names the file", err)
	}
}

func TestConfigDefaults(t *testing.T) {
	c, err := load(t, "# all of it is left out\napi:\n  # listen: 1\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.OVSDB[0].Address() != ":6640" || c.OpenFlow[0].Address() != ":6653" || c.API != "127.0.0.1:8640" ||
		c.DataDir != "/var/lib/ovsmesh" || !c.AutoRegister || c.LogLevel != "info" || c.LogFormat != "console" {
		t.Errorf("defaults = %+v", c)
	}
}

// TestConfigPrecedence sets one key at every level, from the lowest up.
func TestConfigPrecedence(t *testing.T) {
	const text = "store:\n  dir: /file\nlog:\n  level: debug\novsdb:\n  listen: [ptcp:1, \"ptcp:2:[::1]\"]\n"
	env := map[string]string{"OVSMESH_STORE_DIR": "/env", "OVSMESH_OVSDB_LISTEN": "ptcp:3,ptcp:4:192.0.2.1"}
	steps := []struct {
		env      map[string]string
		args     []string
		dir, ovs string
	}{
		{nil, nil, "/file", ":1 [::1]:2"},
		{env, nil, "/env", ":3 192.0.2.1:4"},
		{env, []string{"--data-dir=/flag", "--ovsdb=ptcp:5"}, "/flag", ":5"},
	}
	for _, s := range steps {
		c, err := load(t, text, s.env, s.args...)
		if err != nil {
			t.Fatal(err)
		}
		var ovs []string
		for _, m := range c.OVSDB {
			ovs = append(ovs, m.Address())
		}
		if got := strings.Join(ovs, " "); c.DataDir != s.dir || got != s.ovs || c.LogLevel != "debug" {
			t.Errorf("got %s, %s, %s; want %s, %s, debug", c.DataDir, got, c.LogLevel, s.dir, s.ovs)
		}
	}
}

func TestConfigAPIBeyondLoopback(t *testing.T) {
	for _, args := range [][]string{
		{"--api=192.0.2.1:8640", "--api-token-file=/etc/ovsmesh/token"},
		{"--api=192.0.2.1:8640", "--api-insecure"},
		{"--api=[::1]:1"},
		{"--api=localhost:1"},
	} {
		if _, err := load(t, "", nil, args...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestExampleConfig holds the example to the keys that there are: it names
// each, and stands for the defaults where a line is not commented out.
func TestExampleConfig(t *testing.T) {
	const path = "../../examples/ovsmesh.yaml"
	c, err := LoadConfig(path, func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := defaultConfig(); c.API != want.API || c.DataDir != want.DataDir || c.AutoRegister != want.AutoRegister {
		t.Errorf("the example is not the defaults: %+v", c)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings(c) {
		_, name, _ := strings.Cut(s.key, ".")
		if !strings.Contains(string(text), name+":") || !strings.Contains(string(text), s.env()) {
			t.Errorf("the example lacks %s or %s", s.key, s.env())
		}
	}
}
