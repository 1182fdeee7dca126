package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"ovsmesh/cmd/internal/configfile"
)

// config is what ovsmesh serve runs with. Flags go before the environment,
// that before the file, that before the defaults.
type config struct {
	OVSDB        []method // ovsdb.listen: where hosts dial in
	OpenFlow     []method // openflow.listen: where bridges dial in
	Advertise    string   // openflow.advertise: tcp:IP:PORT; "": the address that the host dialled, with the OpenFlow port
	API          string   // api.listen: IP:PORT
	APIInsecure  bool     // api.insecure: allow API beyond loopback without a token or TLS
	APITokenFile string   // api.tokenFile: file with the token that the API demands; "": none
	HostTokens   string   // api.hostTokensFile: file with the tokens of hosts, for the ovstunnel plugin; "": none
	DataDir      string   // store.dir
	AutoRegister bool     // hosts.autoRegister: may hosts join that no spec names
	Observe      bool     // observe: write nothing to hosts, only look on
	LogLevel     string   // log.level: debug, info, warn, error
	LogFormat    string   // log.format: console, json
	TLSCert      string   // tls.cert, tls.key, tls.ca: refused, as TLS is not available yet
	TLSKey       string
	TLSCA        string
}

// defaultConfig is what a server without any configuration runs with.
func defaultConfig() *config {
	return &config{
		OVSDB:        []method{anywhere(6640)},
		OpenFlow:     []method{anywhere(6653)},
		API:          "127.0.0.1:8640",
		DataDir:      "/var/lib/ovsmesh",
		AutoRegister: true,
		LogLevel:     "info",
		LogFormat:    "console",
	}
}

// addConfigFlags adds a flag for each setting that has one, and --config.
func addConfigFlags(flags *pflag.FlagSet) {
	flags.String("config", "", "configuration file (YAML); every key is also an environment variable: api.listen is OVSMESH_API_LISTEN")
	for _, s := range settings(defaultConfig()) {
		if s.flag == "" {
			continue
		}
		switch s.kind {
		case configfile.List:
			flags.StringArray(s.flag, nil, s.usage()+" (repeatable)")
		case configfile.Bool:
			flags.Bool(s.flag, s.init == "true", s.help)
		default:
			flags.String(s.flag, "", s.usage())
		}
	}
}

// LoadConfig reads the configuration: the flags that were given on the command
// line (see addConfigFlags; nil is none), then env, as os.LookupEnv, then the
// file, which may be "". An error says where the wrong value stands.
func LoadConfig(file string, env func(string) (string, bool), flags *pflag.FlagSet) (*config, error) {
	c := defaultConfig()
	all := settings(c)
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		if err := configfile.Load(file, text, keys(all)); err != nil {
			return nil, err
		}
	}
	var errs []error
	for _, s := range all {
		if values, from, ok := s.given(env, flags); ok {
			if err := s.set(values); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", from, err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, c.Validate()
}

// keys is the settings as a file names them.
func keys(all []setting) []configfile.Key {
	out := make([]configfile.Key, len(all))
	for i, s := range all {
		out[i] = configfile.Key{Name: s.key, Kind: s.kind, Set: s.set}
	}
	return out
}

// given returns a setting's value from the command line or the environment,
// and where it comes from.
func (s setting) given(env func(string) (string, bool), flags *pflag.FlagSet) (values []string, from string, ok bool) {
	if flags != nil && s.flag != "" && flags.Changed(s.flag) {
		if list, err := flags.GetStringArray(s.flag); err == nil {
			return list, "--" + s.flag, true
		}
		return []string{flags.Lookup(s.flag).Value.String()}, "--" + s.flag, true
	}
	text, ok := env(s.env())
	if !ok || text == "" {
		return nil, "", false
	}
	if s.kind == configfile.List {
		return strings.Split(text, ","), s.env(), true
	}
	return []string{text}, s.env(), true
}

// Validate reports settings that are wrong together.
func (c *config) Validate() error {
	var errs []error
	for key, value := range map[string]string{"tls.cert": c.TLSCert, "tls.key": c.TLSKey, "tls.ca": c.TLSCA} {
		if value != "" {
			errs = append(errs, fmt.Errorf("%s: TLS is not available in this version", key))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	loopback, err := checkListen(c.API)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("api.listen: %w", err))
	case !loopback && c.APITokenFile == "" && !c.APIInsecure:
		errs = append(errs, fmt.Errorf("api.listen: %s can be reached from other machines, and anyone there could change the networks: "+
			"name a file with a token (api.tokenFile, --api-token-file), or listen on 127.0.0.1, or allow it (api.insecure, --api-insecure)", c.API))
	}
	return errors.Join(errs...)
}
