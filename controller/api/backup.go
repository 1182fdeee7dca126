package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// Restored is the mark of a store that came from a backup. Until it is
// accepted nothing is written to the hosts: what they got after the backup was
// taken is not in it, and would be taken away.
type Restored struct {
	Backup string `json:"backup"` // when the backup was taken, RFC 3339 in UTC
	Time   string `json:"time"`   // when it was restored
}

// Acceptance answers POST /v1/accept.
type Acceptance struct {
	Accepted bool      `json:"accepted"`           // hosts were held until now; false: there was nothing to accept
	Restored *Restored `json:"restored,omitempty"` // what was accepted
}

// ErrNotKept is why a change was refused that could not be put on disk.
var ErrNotKept = errors.New("nothing has changed")

const (
	octetStream = "application/octet-stream"

	backupPart  = 256 << 10 // bytes that a reader of a backup must take in Limits.Send
	backupLimit = 10 * time.Minute
)

// backup sends a copy of the store as of one moment. One is sent at a time,
// since each is held in memory until it has gone out.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	if err := checkQuery(r, nil); err != nil {
		code, body := explain(err)
		send(w, code, body)
		return
	}
	if !s.backups.TryLock() {
		w.Header().Set("Retry-After", "10")
		send(w, http.StatusServiceUnavailable, Error{Message: "another backup is under way"})
		return
	}
	defer s.backups.Unlock()
	b, err := s.backend.Backup(r.Context())
	if err != nil {
		code, body := explain(err)
		send(w, code, body)
		return
	}
	w.Header().Set("Content-Type", octetStream)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.Header().Set("Cache-Control", "no-store")
	c := http.NewResponseController(w)
	for begin := time.Now(); len(b) > 0 && time.Since(begin) < backupLimit; {
		// A connection that knows no deadlines keeps the one that it has.
		_ = c.SetWriteDeadline(time.Now().Add(s.Limits.Send))
		n, err := w.Write(b[:min(len(b), backupPart)])
		if err != nil {
			return // it has gone away, or takes nothing
		}
		b = b[n:]
	}
}

// Backup copies the store to w as of one moment; GET /v1/backup. It does not
// look at what it copies: whether all of it came tells store.ReadBackup.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	req, err := c.request(ctx, http.MethodGet, "/v1/backup", nil, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", octetStream)
	hc := http.Client{}
	if c.HTTP != nil {
		hc = *c.HTTP
	}
	hc.Timeout = backupLimit
	resp, err := hc.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode/100 != 2 || kind != octetStream {
		return c.read(resp, &struct{}{})
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return c.explain(err)
	}
	return nil
}

// Accept lets what a restored store says be carried out; POST /v1/accept.
func (c *Client) Accept(ctx context.Context) (Acceptance, error) {
	var out Acceptance
	return out, c.do(ctx, http.MethodPost, "/v1/accept", nil, nil, &out)
}
