package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ovsmesh/cmd/internal/configfile"
)

// config is what a call is made with. The environment goes before the file, that
// before the defaults.
type config struct {
	Server    string        // server: URL of ovsmesh serve; environment OVSMESH_SERVER
	Token     string        // token: sent with each call; environment OVSMESH_TOKEN
	TokenFile string        // tokenFile: file that holds it
	Host      string        // host: this host's name at the controller; "": it knows by the token or the address
	Strict    bool          // strict: exit codes of the KVM form as for any command
	Timeout   time.Duration // timeout: of a whole call
	LogFile   string        // logFile: "": the plugin's own, where its directory is there
	XE        string        // xe: XenServer's command line
}

const (
	defaultConfigFile = "/etc/ovsmesh/ovstunnel.yaml"
	defaultServer     = "http://127.0.0.1:8640"
	defaultTimeout    = 28 * time.Second
	longestTimeout    = 30 * time.Second
	defaultXE         = "/opt/xensource/bin/xe"
	noLogFile         = "none"
)

// The environment of a call.
const (
	envServer     = "OVSMESH_SERVER"
	envToken      = "OVSMESH_TOKEN"
	envConfigFile = "OVSMESH_OVSTUNNEL_CONFIG" // instead of defaultConfigFile; XenServer's form has no options
)

// Bounds of files, in bytes.
const (
	maxConfigFile = 64 << 10
	maxTokenFile  = 4 << 10
)

func defaultConfig() *config {
	return &config{Server: defaultServer, Timeout: defaultTimeout, XE: defaultXE}
}

// keys are those of the file, as they are set in c.
func keys(c *config) []configfile.Key {
	return []configfile.Key{
		{Name: "server", Set: configfile.ToText(&c.Server, checkServer)},
		{Name: "token", Set: configfile.ToText(&c.Token, checkToken), Secret: true},
		{Name: "tokenFile", Set: configfile.ToText(&c.TokenFile, checkPath)},
		{Name: "host", Set: configfile.ToText(&c.Host, nil)},
		{Name: "strict", Kind: configfile.Bool, Set: configfile.ToBool(&c.Strict)},
		{Name: "timeout", Set: toTimeout(&c.Timeout)},
		{Name: "logFile", Set: configfile.ToText(&c.LogFile, checkLogFile)},
		{Name: "xe", Set: configfile.ToText(&c.XE, checkPath)},
	}
}

// loadConfig reads the configuration: env, as os.LookupEnv, goes before the file.
// A file that was named must be there; the default one may be missing. An error
// says where the wrong value stands, and holds no token.
func loadConfig(named string, env func(string) (string, bool)) (*config, error) {
	c := defaultConfig()
	file := named
	if file == "" {
		file, _ = env(envConfigFile)
	}
	text, err := readBounded(defaultFile(file), maxConfigFile)
	switch {
	case file == "" && errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return c, fmt.Errorf("configuration: %w", err)
	default:
		if err := configfile.Load(defaultFile(file), text, keys(c)); err != nil {
			return c, err
		}
	}
	if c.Token != "" && c.TokenFile != "" {
		return c, fmt.Errorf("%s: token and tokenFile: only one of them", defaultFile(file))
	}
	if server, ok := env(envServer); ok && server != "" {
		if err := checkServer(server); err != nil {
			return c, fmt.Errorf("%s: %w", envServer, err)
		}
		c.Server = server
	}
	if token, ok := env(envToken); ok && token != "" {
		if err := checkToken(token); err != nil {
			return c, fmt.Errorf("%s: %w", envToken, err)
		}
		c.Token = token
		return c, nil
	}
	if c.TokenFile == "" {
		return c, nil
	}
	c.Token, err = readToken(c.TokenFile)
	if err != nil {
		return c, fmt.Errorf("%s: tokenFile: %w", defaultFile(file), err)
	}
	return c, nil
}

// hide takes the secrets of the configuration out of text: what a controller
// says, and with it what CloudStack's logs keep, must not hold them.
func (c *config) hide(text string) string {
	const removed = "[removed]"
	if len(c.Token) >= shortestSecret {
		text = strings.ReplaceAll(text, c.Token, removed)
	}
	if u, err := url.Parse(c.Server); err == nil && u.User != nil {
		text = strings.ReplaceAll(text, u.User.String(), removed)
	}
	return text
}

// shortestSecret is how long a token must be, in bytes, to be hidden: a shorter
// one would be found everywhere, and no server takes it.
const shortestSecret = 6

func defaultFile(file string) string {
	if file == "" {
		return defaultConfigFile
	}
	return file
}

func readToken(path string) (string, error) {
	text, err := readBounded(path, maxTokenFile)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	if err := checkToken(token); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return token, nil
}

// readBounded returns a file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, most)
	}
	return text, nil
}

func checkServer(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not a URL like http://192.0.2.10:8640", s)
	}
	return nil
}

// checkToken refuses what a header can't carry. Its errors hold no token.
func checkToken(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("a token has no blanks, line breaks or characters beyond ASCII in it")
	}
	return nil
}

func checkPath(s string) error {
	if !filepath.IsAbs(s) {
		return errors.New("not an absolute path") // it may be a token in the wrong place
	}
	return nil
}

func checkLogFile(s string) error {
	if s == noLogFile {
		return nil
	}
	return checkPath(s)
}

func toTimeout(to *time.Duration) func([]string) error {
	return func(values []string) error {
		d, err := time.ParseDuration(values[0])
		switch {
		case err != nil:
			return fmt.Errorf("%q is not a time like 28s", values[0])
		case d < time.Second || d > longestTimeout:
			return fmt.Errorf("%v: want 1s to %v: CloudStack waits no longer", d, longestTimeout)
		}
		*to = d
		return nil
	}
}
