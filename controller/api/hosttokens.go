package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// HostTokens are the tokens of hosts, from a file with lines of a host's name
// and a token; a host may have several. Each is good for that host's own calls
// of the ovstunnel plugin and for nothing else. The file is read again when it
// has changed. HostTokens may be used by several goroutines.
type HostTokens struct {
	path  string
	admin string // token that is good for everything; "" where there is none
	log   *zap.Logger

	mu    sync.Mutex
	stamp stamp
	hosts map[[sha256.Size]byte]string // by the token's digest, so that comparing tells nothing of it
}

// stamp tells versions of a file apart.
type stamp struct {
	size int64
	time time.Time
	file os.FileInfo // for os.SameFile: an editor may have put another in its place
	err  string      // why there was none
}

// Bounds of the file: a thousand hosts take some 80 KB.
const (
	maxTokenFile  = 4 << 20
	minTokenBytes = 16
	maxTokenBytes = 512
	maxHostBytes  = 253
)

// OpenHostTokens reads a file of hosts' tokens. The admin token, which is good
// for everything, must not be among them. Later changes of the file that can't
// be read are logged, and what was read last goes on.
func OpenHostTokens(path, admin string, log *zap.Logger) (*HostTokens, error) {
	t := &HostTokens{path: path, admin: admin, log: log, stamp: stampOf(path)}
	hosts, err := t.read()
	if err != nil {
		return nil, err
	}
	t.hosts = hosts
	return t, nil
}

// Host returns the host whose token it is, "" if it is none's. A nil HostTokens
// has none.
func (t *HostTokens) Host(token string) string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := stampOf(t.path); !now.same(t.stamp) {
		t.stamp = now
		if hosts, err := t.read(); err != nil {
			t.log.Error("tokens of hosts not read again: those of before go on", zap.Error(err))
		} else {
			t.hosts = hosts
			t.log.Info("tokens of hosts read", zap.String("file", t.path), zap.Int("tokens", len(hosts)))
		}
	}
	return t.hosts[sha256.Sum256([]byte(token))]
}

func stampOf(path string) stamp {
	st, err := os.Stat(path)
	if err != nil {
		return stamp{err: err.Error()}
	}
	return stamp{size: st.Size(), time: st.ModTime(), file: st}
}

func (s stamp) same(o stamp) bool {
	if s.err != o.err || s.size != o.size || !s.time.Equal(o.time) {
		return false
	}
	return s.file == nil || os.SameFile(s.file, o.file)
}

func (t *HostTokens) read() (map[[sha256.Size]byte]string, error) {
	f, err := os.Open(t.path)
	if err != nil {
		return nil, fmt.Errorf("host tokens: %w", err)
	}
	defer f.Close() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return nil, fmt.Errorf("host tokens: %w", err)
	}
	if len(text) > maxTokenFile {
		return nil, fmt.Errorf("host tokens: %s is longer than %d bytes", t.path, maxTokenFile)
	}
	hosts, err := parseHostTokens(text, t.admin)
	if err != nil {
		return nil, fmt.Errorf("host tokens: %s:%w", t.path, err)
	}
	return hosts, nil
}

// parseHostTokens reads the text of a file. Errors begin with the line and hold
// no token.
func parseHostTokens(text []byte, admin string) (map[[sha256.Size]byte]string, error) {
	hosts := map[[sha256.Size]byte]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxTokenFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		host, token, err := splitHostToken(line)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
		sum := sha256.Sum256([]byte(token))
		switch was, taken := hosts[sum]; {
		case token == admin:
			return nil, fmt.Errorf("%d: the token of host %s is that of api.tokenFile, which is good for everything: give it one of its own", n, host)
		case taken && was != host:
			return nil, fmt.Errorf("%d: host %s has the token of host %s: each host needs one of its own", n, host, was)
		}
		hosts[sum] = host
	}
	return hosts, lines.Err()
}

func splitHostToken(line string) (host, token string, err error) {
	fields := strings.Fields(line)
	switch {
	case len(fields) != 2:
		return "", "", fmt.Errorf("want a host's name and its token, separated by a space, not %d words", len(fields))
	case len(fields[0]) > maxHostBytes:
		return "", "", errors.New("the first word is too long for a host's name")
	case len(fields[1]) < minTokenBytes:
		return "", "", fmt.Errorf("the token of host %s is too short: it must have %d characters or more", fields[0], minTokenBytes)
	case len(fields[1]) > maxTokenBytes:
		return "", "", fmt.Errorf("the token of host %s is longer than %d characters", fields[0], maxTokenBytes)
	}
	for _, c := range []byte(fields[1]) {
		if c <= ' ' || c > '~' {
			return "", "", fmt.Errorf("the token of host %s has characters that a header can't carry", fields[0])
		}
	}
	return fields[0], fields[1], nil
}

// bound is the key under which a request's context has the host whose token
// came with it.
type bound struct{}

func withBound(ctx context.Context, host string) context.Context {
	return context.WithValue(ctx, bound{}, host)
}

func boundHost(ctx context.Context) string {
	host, _ := ctx.Value(bound{}).(string)
	return host
}
