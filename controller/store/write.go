package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// writer writes records within one transaction and keeps their sum.
//
// The sum is the exclusive or of all records' digests, so that it costs the
// same whatever the size of the store. It finds what the shape of the pages
// does not tell: a changed value, a record that is missing.
type writer struct {
	tx  *bolt.Tx
	sum uint64
}

// update runs f in a transaction that is on disk when update returns.
func (s *Store) update(f func(*writer) error) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		w := &writer{tx: tx}
		if b := meta.Get(keySum); len(b) == 8 {
			w.sum = binary.BigEndian.Uint64(b)
		}
		if err := f(w); err != nil {
			return err
		}
		return meta.Put(keySum, binary.BigEndian.AppendUint64(nil, w.sum))
	})
}

// put writes one record as JSON.
func (w *writer) put(bucket []byte, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s/%s: %w", bucket, key, err)
	}
	return w.putBytes(bucket, []byte(key), b)
}

func (w *writer) putBytes(bucket, key, value []byte) error {
	b := w.tx.Bucket(bucket)
	if old := b.Get(key); old != nil {
		w.sum ^= digest(bucket, key, old)
	}
	w.sum ^= digest(bucket, key, value)
	if err := b.Put(key, value); err != nil {
		return fmt.Errorf("%s/%s: %w", bucket, key, err)
	}
	return nil
}

// remove deletes records; those that are not there are no error.
func (w *writer) remove(bucket []byte, keys ...string) error {
	b := w.tx.Bucket(bucket)
	for _, k := range keys {
		if old := b.Get([]byte(k)); old != nil {
			w.sum ^= digest(bucket, []byte(k), old)
		}
		if err := b.Delete([]byte(k)); err != nil {
			return fmt.Errorf("%s/%s: %w", bucket, k, err)
		}
	}
	return nil
}

// checkSum compares the sum of all records with the one that was written with
// them.
func checkSum(tx *bolt.Tx) error {
	want := tx.Bucket(bucketMeta).Get(keySum)
	if len(want) != 8 {
		return fmt.Errorf("%w: no checksum in it", ErrCorrupt)
	}
	var got uint64
	for _, bucket := range buckets() {
		b := tx.Bucket(bucket)
		if b == nil {
			return fmt.Errorf("%w: no %s in it", ErrCorrupt, bucket)
		}
		err := b.ForEach(func(k, v []byte) error {
			if string(bucket) != string(bucketMeta) || string(k) != string(keySum) {
				got ^= digest(bucket, k, v)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if got != binary.BigEndian.Uint64(want) {
		return fmt.Errorf("%w: records were changed or lost", ErrCorrupt)
	}
	return nil
}

func digest(bucket, key, value []byte) uint64 {
	h := sha256.New()
	h.Write(bucket) // a hash's Write never fails
	h.Write([]byte{0})
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(key))))
	h.Write(key)
	h.Write(value)
	return binary.BigEndian.Uint64(h.Sum(nil))
}
