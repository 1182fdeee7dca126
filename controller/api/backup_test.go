package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// copying is a Backend whose store is these bytes.
type copying struct {
	failing
	data []byte
	err  error
}

func (c *copying) Backup(context.Context) ([]byte, error)     { return c.data, c.err }
func (c *copying) Accept(context.Context) (Acceptance, error) { return Acceptance{}, c.err }

// A reader that takes nothing is cut off, keeps others away only until then,
// and gets the whole of it as long as it goes on reading.
func TestBackupReaders(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	s := NewServer(&copying{data: data}, "", zap.NewNop())
	s.Limits.Send = 300 * time.Millisecond
	address := serve(t, s)
	stuck, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if _, err := fmt.Fprintf(stuck, "GET /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := stuck.Read(make([]byte, 10)); err != nil { // it is being sent
		t.Fatal(err)
	}
	c := &Client{BaseURL: "http://" + address, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	var status *StatusError
	if err := c.Backup(t.Context(), io.Discard); !errors.As(err, &status) || status.Status != http.StatusServiceUnavailable {
		t.Errorf("a second reader: %v", err)
	}
	var got bytes.Buffer
	for deadline := time.Now().Add(20 * time.Second); ; {
		got.Reset()
		err := c.Backup(t.Context(), &got)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Errorf("%d bytes of %d came", got.Len(), len(data))
	}
}

func TestNotKept(t *testing.T) {
	err := fmt.Errorf("%w: store /d/ovsmesh.db can't be written", ErrNotKept)
	s := NewServer(&copying{err: err}, "", zap.NewNop())
	c := &Client{BaseURL: "http://" + serve(t, s), HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	_, refused := c.Accept(t.Context())
	for what, err := range map[string]error{"accept": refused, "backup": c.Backup(t.Context(), io.Discard)} {
		var status *StatusError
		if !errors.As(err, &status) || status.Status != http.StatusInsufficientStorage || !strings.Contains(err.Error(), "/d/ovsmesh.db can't be written") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
