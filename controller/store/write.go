package store

import (
	"bytes"
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
	tx   *bolt.Tx
	sum  uint64
	size int      // bytes put
	undo []record // what was there before, in the order in which it was changed
}

// record is a value in the file; nil where there is none.
type record struct {
	bucket, key, value []byte
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
	w.leave(b, bucket, key)
	w.sum ^= digest(bucket, key, value)
	w.size += len(key) + len(value)
	if err := b.Put(key, value); err != nil {
		return fmt.Errorf("%s/%s: %w", bucket, key, err)
	}
	return nil
}

// remove deletes records; those that are not there are no error.
func (w *writer) remove(bucket []byte, keys ...string) error {
	b := w.tx.Bucket(bucket)
	for _, k := range keys {
		w.leave(b, bucket, []byte(k))
		if err := b.Delete([]byte(k)); err != nil {
			return fmt.Errorf("%s/%s: %w", bucket, k, err)
		}
	}
	return nil
}

// leave takes note of a value that is about to be replaced or deleted.
func (w *writer) leave(b *bolt.Bucket, bucket, key []byte) {
	old := b.Get(key)
	if old != nil {
		w.sum ^= digest(bucket, key, old)
	}
	w.undo = append(w.undo, record{bucket, bytes.Clone(key), bytes.Clone(old)})
}

// putSum writes the sum of all records.
func (w *writer) putSum() error {
	return w.tx.Bucket(bucketMeta).Put(keySum, binary.BigEndian.AppendUint64(nil, w.sum))
}

// checkSum compares the sum of all records with the one that was written with
// them.
func checkSum(tx *bolt.Tx) error {
	want, ok := sumOf(tx)
	if !ok {
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
	if got != want {
		return fmt.Errorf("%w: records were changed or lost", ErrCorrupt)
	}
	return nil
}

// sumOf returns the sum that was written last.
func sumOf(tx *bolt.Tx) (sum uint64, ok bool) {
	b := tx.Bucket(bucketMeta).Get(keySum)
	if len(b) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
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
