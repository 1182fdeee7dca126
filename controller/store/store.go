// Package store keeps what a controller has acknowledged, and what it has last
// seen of its hosts, in one bbolt file.
//
// A commit is on disk when Commit returns; a process that is killed at any
// moment loses nothing that was acknowledged. A file that is corrupt, or that
// a newer version wrote, is refused and left as it is. The package starts no
// goroutines; a Store may be used from several.
package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"ovsmesh/topology"
)

// version is what this code reads and writes. A file of a higher version is
// refused; lower ones would be migrated when the store is opened.
const version = 1

// FileName is the name of the store in its data directory.
const FileName = "ovsmesh.db"

// Why a store can't be opened.
var (
	ErrCorrupt = errors.New("the store is damaged")
	ErrNewer   = errors.New("the store was written by a newer ovsmesh")
	ErrInUse   = errors.New("the store is in use by another process")
)

var (
	bucketMeta     = []byte("meta")
	bucketNetworks = []byte("networks")
	bucketHosts    = []byte("hosts")
	bucketPorts    = []byte("ports")
	bucketFacts    = []byte("facts")
	bucketLeft     = []byte("left")
	bucketForeign  = []byte("foreign")

	keyVersion       = []byte("version")
	keyUUID          = []byte("uuid")
	keyKeyPools      = []byte("keypools")
	keyNextNetworkID = []byte("next-network-id")
)

// Store is an open store file.
type Store struct {
	db   *bolt.DB
	uuid string
}

// Open opens the store in dir, making both where they are absent. It checks
// the whole file before anything is written to it.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(dir, FileName)
	if st, err := os.Stat(path); err == nil && st.Size() > 0 {
		if err := check(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	db, err := bolt.Open(path, 0o600, options(false))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, openError(err))
	}
	s := &Store{db: db}
	if err := s.init(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	return s, nil
}

func options(readOnly bool) *bolt.Options {
	return &bolt.Options{Timeout: time.Second, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType}
}

func openError(err error) error {
	if errors.Is(err, berrors.ErrTimeout) {
		return ErrInUse
	}
	return err
}

// check reads the whole file without writing to it.
func check(path string) (err error) {
	// A page that a truncated file lacks is a memory fault, which only this
	// turns into a panic that can be recovered from.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, r)
		}
	}()
	db, err := bolt.Open(path, 0o600, options(true))
	if err != nil {
		if e := openError(err); errors.Is(e, ErrInUse) || os.IsPermission(err) {
			return e
		}
		return fmt.Errorf("%w: %v", ErrCorrupt, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bolt.Tx) error {
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		if st.Size() < tx.Size() {
			return fmt.Errorf("%w: %d bytes of %d are there", ErrCorrupt, st.Size(), tx.Size())
		}
		if b := tx.Bucket(bucketMeta); b != nil {
			v := b.Get(keyVersion)
			if len(v) != 8 {
				return fmt.Errorf("%w: no version in it", ErrCorrupt)
			}
			if got := binary.BigEndian.Uint64(v); got > version {
				return fmt.Errorf("%w: it has version %d, this one reads up to %d", ErrNewer, got, version)
			}
		}
		for err := range tx.Check() {
			return fmt.Errorf("%w: %v", ErrCorrupt, err)
		}
		return nil
	})
}

func (s *Store) init() error {
	return s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketNetworks, bucketHosts, bucketPorts, bucketFacts, bucketLeft, bucketForeign} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		if id := meta.Get(keyUUID); id != nil {
			s.uuid = string(id)
			return nil
		}
		s.uuid = uuid.NewString()
		return errors.Join(
			meta.Put(keyVersion, binary.BigEndian.AppendUint64(nil, version)),
			meta.Put(keyUUID, []byte(s.uuid)),
		)
	})
}

// UUID is the store's identity, made with it: what marks rows as ours.
func (s *Store) UUID() string { return s.uuid }

// Close closes the file. It waits for transactions under way.
func (s *Store) Close() error { return s.db.Close() }

// State is all that a store holds.
type State struct {
	Intent topology.Saved
	Facts  map[string]topology.HostFacts // by host name
	Left   map[string]Left               // by system-id
}

// Left marks a host that was deleted, or that asked to leave: it stays out,
// however often it dials in, until it is joined again.
type Left struct {
	Name     string `json:"name"`     // what it was called
	Released bool   `json:"released"` // its bridges have been put back
}

// Load reads everything.
func (s *Store) Load() (State, error) {
	st := State{Facts: map[string]topology.HostFacts{}, Left: map[string]Left{}}
	err := s.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if b := meta.Get(keyNextNetworkID); len(b) == 4 {
			st.Intent.NextNetworkID = binary.BigEndian.Uint32(b)
		}
		if b := meta.Get(keyKeyPools); b != nil {
			if err := json.Unmarshal(b, &st.Intent.KeyPools); err != nil {
				return fmt.Errorf("key pools: %w", err)
			}
		}
		return errors.Join(
			each(tx, bucketNetworks, func(_ string, r topology.NetworkRecord) { st.Intent.Networks = append(st.Intent.Networks, r) }),
			each(tx, bucketHosts, func(_ string, r topology.HostRecord) { st.Intent.Hosts = append(st.Intent.Hosts, r) }),
			each(tx, bucketPorts, func(_ string, p topology.Port) { st.Intent.Ports = append(st.Intent.Ports, p) }),
			each(tx, bucketFacts, func(host string, f topology.HostFacts) { st.Facts[host] = f }),
			each(tx, bucketLeft, func(systemID string, l Left) { st.Left[systemID] = l }),
		)
	})
	if err != nil {
		return State{}, fmt.Errorf("load store: %w", err)
	}
	return st, nil
}

func each[T any](tx *bolt.Tx, bucket []byte, add func(key string, v T)) error {
	return tx.Bucket(bucket).ForEach(func(k, b []byte) error {
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return fmt.Errorf("%s/%s: %w", bucket, k, err)
		}
		add(string(k), v)
		return nil
	})
}
