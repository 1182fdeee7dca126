package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"ovsmesh/cmd/internal/configfile"
)

// setting is one key of the configuration.
type setting struct {
	key  string // in the file
	flag string // "": it has none
	kind configfile.Kind
	init string // the default, for --help
	help string
	set  func(values []string) error // one value, save for a list
}

// env is the name of the setting's environment variable.
func (s setting) env() string {
	return "OVSMESH_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

func (s setting) usage() string {
	if s.init == "" {
		return s.help
	}
	return s.help + " (default " + s.init + ")"
}

// settings is every key, as it is set in c.
func settings(c *config) []setting {
	return []setting{
		{"ovsdb.listen", "ovsdb", configfile.List, "ptcp:6640", "where hosts dial in: ptcp:PORT[:HOST]", setMethods(&c.OVSDB)},
		{"openflow.listen", "openflow", configfile.List, "ptcp:6653", "where bridges dial in: ptcp:PORT[:HOST]", setMethods(&c.OpenFlow)},
		{"openflow.advertise", "openflow-advertise", configfile.Text, "", "controller target written into bridges, tcp:IP:PORT; by default the address that the host itself dialled", configfile.ToText(&c.Advertise, func(s string) error { return checkTarget(s, 6653) })},
		{"api.listen", "api", configfile.Text, "127.0.0.1:8640", "address of the HTTP API and metrics", configfile.ToText(&c.API, func(s string) error {
			_, err := checkListen(s)
			return err
		})},
		{"api.insecure", "api-insecure", configfile.Bool, "false", "allow the API beyond loopback without a token", configfile.ToBool(&c.APIInsecure)},
		{"api.tokenFile", "api-token-file", configfile.Text, "", "file that holds the token that API clients must send", configfile.ToText(&c.APITokenFile, nil)},
		{"api.hostTokensFile", "api-host-tokens-file", configfile.Text, "", "file of lines HOST TOKEN, each good for that host's calls of ovstunnel only", configfile.ToText(&c.HostTokens, nil)},
		{"store.dir", "data-dir", configfile.Text, "/var/lib/ovsmesh", "directory of the store; made where it is absent", configfile.ToText(&c.DataDir, checkDir)},
		{"hosts.autoRegister", "auto-register", configfile.Bool, "true", "let hosts join that no spec names", configfile.ToBool(&c.AutoRegister)},
		{"observe", "observe", configfile.Bool, "false", "only look on: write nothing to any host; ovsmesh plan shows what would be done", configfile.ToBool(&c.Observe)},
		{"log.level", "log-level", configfile.Text, "info", "debug, info, warn or error", configfile.ToWord(&c.LogLevel, "debug", "info", "warn", "error")},
		{"log.format", "log-format", configfile.Text, "console", "console or json", configfile.ToWord(&c.LogFormat, "console", "json")},
		{"tls.cert", "tls-cert", configfile.Text, "", "certificate file; TLS is not available in this version", configfile.ToText(&c.TLSCert, nil)},
		{"tls.key", "tls-key", configfile.Text, "", "private key file; TLS is not available in this version", configfile.ToText(&c.TLSKey, nil)},
		{"tls.ca", "tls-ca", configfile.Text, "", "CA certificate file; TLS is not available in this version", configfile.ToText(&c.TLSCA, nil)},
	}
}

func setMethods(to *[]method) func([]string) error {
	return func(values []string) error {
		if len(values) == 0 {
			return fmt.Errorf("want at least one connection method, like ptcp:6640")
		}
		var out []method
		for _, v := range values {
			m, err := parseMethod(strings.TrimSpace(v))
			if err != nil {
				return err
			}
			out = append(out, m)
		}
		*to = out
		return nil
	}
}

func checkDir(s string) error {
	if !filepath.IsAbs(s) {
		return fmt.Errorf("%q is not an absolute path", s)
	}
	return nil
}
