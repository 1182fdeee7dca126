package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// documentPrefix begins the keys of documents among those of the store itself,
// so that versions that know of none read the file all the same.
const documentPrefix = "vpc/"

// Document is what CloudStack has pushed to a host for a bridge of a VPC.
type Document struct {
	Sequence uint64          `json:"sequence"`
	Text     json.RawMessage `json:"text,omitempty"` // JSON; none where it is only a mark
}

// DocumentInfo says which document there is.
type DocumentInfo struct {
	Host, Bridge, Kind string // no slash is in them
	Sequence           uint64
	Bytes              int // that it takes in the file
}

func documentKey(parts ...string) string { return documentPrefix + strings.Join(parts, "/") }

// PutDocument keeps a document in the place of the former one of that kind. It
// is on disk when PutDocument returns.
func (s *Store) PutDocument(host, bridge, kind string, d Document) (DocumentInfo, error) {
	info := DocumentInfo{Host: host, Bridge: bridge, Kind: kind, Sequence: d.Sequence}
	b, err := json.Marshal(d)
	if err == nil {
		info.Bytes = len(b)
		err = s.update(func(w *writer) error { return w.putBytes(bucketMeta, []byte(documentKey(host, bridge, kind)), b) })
	}
	if err != nil {
		return DocumentInfo{}, fmt.Errorf("document %s/%s/%s: %w", host, bridge, kind, err)
	}
	return info, nil
}

// Document returns a document that is kept; ok is false where there is none.
func (s *Store) Document(host, bridge, kind string) (d Document, ok bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketMeta).Get([]byte(documentKey(host, bridge, kind)))
		if b == nil {
			return nil
		}
		ok = true
		return json.Unmarshal(b, &d)
	})
	if err != nil {
		return Document{}, false, fmt.Errorf("read store: document %s/%s/%s: %w", host, bridge, kind, err)
	}
	return d, ok, nil
}

// ForgetDocuments takes away all documents of a host's bridge.
func (s *Store) ForgetDocuments(host, bridge string) error {
	err := s.update(func(w *writer) error { return w.removeDocuments(host, bridge) })
	if err != nil {
		return fmt.Errorf("documents of %s/%s: %w", host, bridge, err)
	}
	return nil
}

// removeDocuments takes away the documents of a host, or of one bridge of it.
func (w *writer) removeDocuments(of ...string) error {
	prefix := []byte(documentKey(of...) + "/")
	var keys []string
	c := w.tx.Bucket(bucketMeta).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, string(k))
	}
	return w.remove(bucketMeta, keys...)
}

// loadDocuments lists the documents, by host, bridge and kind.
func loadDocuments(meta *bolt.Bucket) ([]DocumentInfo, error) {
	var list []DocumentInfo
	c := meta.Cursor()
	for k, v := c.Seek([]byte(documentPrefix)); bytes.HasPrefix(k, []byte(documentPrefix)); k, v = c.Next() {
		var d Document
		if err := json.Unmarshal(v, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		parts := strings.Split(strings.TrimPrefix(string(k), documentPrefix), "/")
		if len(parts) != 3 {
			return nil, fmt.Errorf("%s: not the key of a document", k)
		}
		list = append(list, DocumentInfo{Host: parts[0], Bridge: parts[1], Kind: parts[2], Sequence: d.Sequence, Bytes: len(v)})
	}
	return list, nil
}
