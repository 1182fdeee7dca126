package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// settingKind is what a setting's value looks like in a file.
type settingKind int

const (
	kindText settingKind = iota
	kindBool
	kindList
)

// want says in an error what a value of the kind is.
func (k settingKind) want() string {
	switch k {
	case kindBool:
		return "true or false"
	case kindList:
		return "a list of strings"
	}
	return "a string"
}

// setting is one key of the configuration.
type setting struct {
	key  string // in the file
	flag string // "": it has none
	kind settingKind
	init string // the default, for --help
	help string
	set  func(values []string) error // one value, save for kindList
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
		{"ovsdb.listen", "ovsdb", kindList, "ptcp:6640", "where hosts dial in: ptcp:PORT[:HOST]", setMethods(&c.OVSDB)},
		{"openflow.listen", "openflow", kindList, "ptcp:6653", "where bridges dial in: ptcp:PORT[:HOST]", setMethods(&c.OpenFlow)},
		{"openflow.advertise", "openflow-advertise", kindText, "", "controller target written into bridges, tcp:IP:PORT; by default the address that the host itself dialled", setChecked(&c.Advertise, func(s string) error { return checkTarget(s, 6653) })},
		{"api.listen", "api", kindText, "127.0.0.1:8640", "address of the HTTP API and metrics", setChecked(&c.API, func(s string) error {
			_, err := checkListen(s)
			return err
		})},
		{"api.insecure", "api-insecure", kindBool, "false", "allow the API beyond loopback without a token", setBool(&c.APIInsecure)},
		{"api.tokenFile", "api-token-file", kindText, "", "file that holds the token that API clients must send", setChecked(&c.APITokenFile, nil)},
		{"store.dir", "data-dir", kindText, "/var/lib/ovsmesh", "directory of the store; made where it is absent", setChecked(&c.DataDir, checkDir)},
		{"hosts.autoRegister", "auto-register", kindBool, "true", "let hosts join that no spec names", setBool(&c.AutoRegister)},
		{"log.level", "log-level", kindText, "info", "debug, info, warn or error", setWord(&c.LogLevel, "debug", "info", "warn", "error")},
		{"log.format", "log-format", kindText, "console", "console or json", setWord(&c.LogFormat, "console", "json")},
		{"tls.cert", "tls-cert", kindText, "", "certificate file; TLS is not available in this version", setChecked(&c.TLSCert, nil)},
		{"tls.key", "tls-key", kindText, "", "private key file; TLS is not available in this version", setChecked(&c.TLSKey, nil)},
		{"tls.ca", "tls-ca", kindText, "", "CA certificate file; TLS is not available in this version", setChecked(&c.TLSCA, nil)},
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

// setChecked sets text that passes check; nil takes all.
func setChecked(to *string, check func(string) error) func([]string) error {
	return func(values []string) error {
		if check != nil && values[0] != "" {
			if err := check(values[0]); err != nil {
				return err
			}
		}
		*to = values[0]
		return nil
	}
}

func checkDir(s string) error {
	if !filepath.IsAbs(s) {
		return fmt.Errorf("%q is not an absolute path", s)
	}
	return nil
}

func setBool(to *bool) func([]string) error {
	return func(values []string) error {
		b, err := strconv.ParseBool(values[0])
		if err != nil {
			return fmt.Errorf("%q is not true or false", values[0])
		}
		*to = b
		return nil
	}
}

func setWord(to *string, words ...string) func([]string) error {
	return func(values []string) error {
		if !slices.Contains(words, values[0]) {
			hint := ""
			if near := nearest(values[0], words); near != "" {
				hint = fmt.Sprintf(" (did you mean %s?)", near)
			}
			return fmt.Errorf("%q is not one of %s%s", values[0], strings.Join(words, ", "), hint)
		}
		*to = values[0]
		return nil
	}
}
