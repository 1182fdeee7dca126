package faults

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Metric returns a metric, such as "go_goroutines": the sum of all its series,
// or one of them where the name has labels as /metrics prints them.
func (s *Server) Metric(ctx context.Context, name string) (float64, error) {
	all, err := s.metrics(ctx, name)
	return all[name], err
}

// metrics returns several metrics of one moment.
func (s *Server) metrics(ctx context.Context, names ...string) (map[string]float64, error) {
	page, err := s.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	found := make(map[string]float64)
	for line := range strings.Lines(page) {
		series, text, ok := cutLast(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(series, "#") {
			continue
		}
		plain, _, _ := strings.Cut(series, "{")
		for _, name := range names {
			if name != series && name != plain {
				continue
			}
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, fmt.Errorf("metric %s: %w", series, err)
			}
			found[name] += v
		}
	}
	for _, name := range names {
		if _, ok := found[name]; !ok {
			return nil, fmt.Errorf("ovsmesh serve has no metric %s", name)
		}
	}
	return found, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// get asks for a page that is not JSON; any answer but 200 is an error.
func (s *Server) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Client.BaseURL+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return string(text), err
}
