// Package store keeps what a controller has acknowledged, and what it has last
// seen of its hosts, in one bbolt file.
//
// A commit is on disk when Commit returns; a process that is killed at any
// moment loses nothing that was acknowledged. A file that is corrupt, or that
// a newer version wrote, is refused and left as it is. While the file can't be
// written, what was acknowledged stays and can be read, commits return a
// WriteError, and the first one that can be written again is.
//
// A Backup is a copy of the file as of one moment, which Restore puts in a
// store's place. The package starts no goroutines; a Store may be used from
// several.
package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

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
	keySum           = []byte("sum")
	keyRestored      = []byte("restored")
	keyProbe         = []byte("probe")
	keyKeyPools      = []byte("keypools")
	keyNextNetworkID = []byte("next-network-id")
)

func buckets() [][]byte {
	return [][]byte{bucketMeta, bucketNetworks, bucketHosts, bucketPorts, bucketFacts, bucketLeft, bucketForeign}
}

// Store is an open store file.
type Store struct {
	path string
	uuid string

	writing sync.Mutex // held by who writes; what follows is theirs
	doubt   *doubt     // what the file may hold beyond what was acknowledged; nil: nothing
	renamed bool       // the file was replaced, and its name may not be on disk yet
	closed  bool       // it was opened only to be read, for it could not be written

	mu      sync.RWMutex // held to replace the file or note a failure, and to read them
	db      *bolt.DB
	failure failure
}

// Open opens the store in dir, making both where they are absent. It checks
// the whole file before anything is written to it. A store that is there on a
// file system that is read-only is opened, too; Trouble says so, and commits
// are refused until it can be written.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(dir, FileName)
	s, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func open(path string) (*Store, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, err
		}
	}
	if err := check(path); err != nil {
		return nil, err
	}
	s := &Store{path: path}
	db, err := openCurrent(path, false)
	if errors.Is(err, syscall.EROFS) {
		s.closedToWrites(err)
		db, err = openCurrent(path, true)
	}
	if err != nil {
		return nil, err
	}
	s.db = db
	s.sweep()
	if s.uuid, err = s.readUUID(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// openCurrent opens a file, and makes sure that it still is the one
// of that name once it is locked: a restore may have put another in its place.
func openCurrent(path string, readOnly bool) (*bolt.DB, error) {
	var opened *os.File
	o := options(readOnly)
	o.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		opened, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
		return opened, err
	}
	db, err := bolt.Open(path, 0o600, o)
	if err != nil {
		return nil, openError(err)
	}
	have, err := opened.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(path); err == nil && !os.SameFile(have, there) {
			err = ErrInUse
		}
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// view runs f in a transaction that only reads.
func (s *Store) view(f func(*bolt.Tx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.db.View(f)
}

func (s *Store) readUUID() (id string, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		id = string(tx.Bucket(bucketMeta).Get(keyUUID))
		return nil
	})
	return id, err
}

func options(readOnly bool) *bolt.Options {
	return &bolt.Options{Timeout: time.Second, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType}
}

// openError tells what bbolt refuses apart from what the system does.
func openError(err error) error {
	var system syscall.Errno
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrInUse
	case errors.As(err, &system):
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// UUID is the store's identity, made with it: what marks rows as ours.
func (s *Store) UUID() string { return s.uuid }

// Close closes the file. It waits for transactions under way.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Close()
}

// State is all that a store holds.
type State struct {
	Intent topology.Saved
	Facts  map[string]topology.HostFacts // by host name
	Left   map[string]Left               // by system-id

	Documents []DocumentInfo // by host, bridge and kind

	Restored *Restored // nil, or the mark of a restore that nobody has accepted
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
	err := s.view(func(tx *bolt.Tx) (err error) {
		meta := tx.Bucket(bucketMeta)
		if st.Restored, err = loadRestored(meta); err != nil {
			return err
		}
		if st.Documents, err = loadDocuments(meta); err != nil {
			return err
		}
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
