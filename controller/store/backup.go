package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// A backup is a text line that says what it is, a line of JSON with its
// Manifest, the bytes of a store file as of one moment, and a last line with
// the SHA-256 of all before it:
//
//	ovsmesh backup 1
//	{"storeID":"…","time":"…","version":"…","networks":3,"hosts":4,"ports":2,"bytes":49152}
//	<49152 bytes>
//	sha256 <64 hex digits>
//
// The last line is how a backup that was cut off, or changed on its way, is
// told from a whole one.
const (
	backupMagic   = "ovsmesh backup"
	backupVersion = 1

	maxManifest = 4096    // bytes of the first two lines each
	maxStore    = 1 << 36 // bytes: what no store reaches; a length beyond it is damage
)

// Manifest says what a backup holds.
type Manifest struct {
	StoreID  string    `json:"storeID"`
	Time     time.Time `json:"time"`    // when it was taken, UTC
	Version  string    `json:"version"` // of the ovsmesh that took it
	Networks int       `json:"networks"`
	Hosts    int       `json:"hosts"`
	Ports    int       `json:"ports"` // that the spec names
	Bytes    int64     `json:"bytes"` // of the store file in it
}

// ErrNoBackup is why a file is refused as a backup.
var ErrNoBackup = errors.New("no whole backup")

// Backup returns a backup of what is in the store now. All of it is copied
// before Backup returns: what happens to it then holds no writer up. A store
// that may hold what was refused, and can't be written to take that out, gives
// no backup.
func (s *Store) Backup(now time.Time, program string) ([]byte, error) {
	s.writing.Lock()
	err := s.resolve()
	s.writing.Unlock()
	if err != nil {
		return nil, fmt.Errorf("backup: %w", s.writeError(err))
	}
	var b bytes.Buffer
	if err := s.backup(&b, now, program); err != nil {
		return nil, fmt.Errorf("backup of %s: %w", s.path, err)
	}
	return b.Bytes(), nil
}

func (s *Store) backup(b *bytes.Buffer, now time.Time, program string) error {
	err := s.view(func(tx *bolt.Tx) error {
		m := Manifest{
			StoreID: s.uuid, Time: now.UTC().Truncate(time.Second), Version: program,
			Networks: count(tx, bucketNetworks), Hosts: count(tx, bucketHosts), Ports: count(tx, bucketPorts), Bytes: tx.Size(),
		}
		head, err := json.Marshal(m)
		if err != nil {
			return err
		}
		b.Grow(int(m.Bytes) + 2*maxManifest)
		fmt.Fprintf(b, "%s %d\n%s\n", backupMagic, backupVersion, head)
		_, err = tx.WriteTo(b)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "sha256 %x\n", sha256.Sum256(b.Bytes()))
	return nil
}

func count(tx *bolt.Tx, bucket []byte) int { return tx.Bucket(bucket).Stats().KeyN }

// ReadBackup reads a backup to its end, writes the store file that is in it to
// out, and returns what it says of itself. Where it returns an error, which is
// ErrNoBackup where the backup itself is at fault, what it has written is of no
// use. It checks that the backup is whole; whether the store is, only Restore
// does.
func ReadBackup(in io.Reader, out io.Writer) (Manifest, error) {
	r := &backupReader{in: bufio.NewReaderSize(in, maxManifest), sum: sha256.New()}
	m, err := r.head()
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrNoBackup, err)
	}
	n, err := io.Copy(io.MultiWriter(out, r.sum), io.LimitReader(r.in, m.Bytes))
	if err != nil {
		return m, err
	}
	if n < m.Bytes {
		return m, fmt.Errorf("%w: it ends after %d of %d bytes of the store: it was cut off", ErrNoBackup, n, m.Bytes)
	}
	if err := r.tail(); err != nil {
		return m, fmt.Errorf("%w: %w", ErrNoBackup, err)
	}
	return m, nil
}

// backupReader reads the lines of a backup, and sums up what it has read.
type backupReader struct {
	in  *bufio.Reader
	sum hash.Hash
}

func (r *backupReader) head() (Manifest, error) {
	if b, err := r.in.Peek(len(backupMagic)); err == nil && string(b) != backupMagic {
		return Manifest{}, fmt.Errorf("it does not begin with %q: is it what ovsmesh backup has written?", backupMagic)
	}
	line, err := r.line()
	if err != nil {
		return Manifest{}, err
	}
	number, ok := strings.CutPrefix(line, backupMagic+" ")
	if !ok || number != fmt.Sprint(backupVersion) {
		return Manifest{}, fmt.Errorf("it is of format %.20q, this ovsmesh reads %d", number, backupVersion)
	}
	if line, err = r.line(); err != nil {
		return Manifest{}, err
	}
	var m Manifest
	d := json.NewDecoder(strings.NewReader(line))
	if err := d.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("line 2: %w", err)
	}
	if m.Bytes <= 0 || m.Bytes > maxStore {
		return Manifest{}, fmt.Errorf("line 2: bytes is %d", m.Bytes)
	}
	return m, nil
}

func (r *backupReader) tail() error {
	want := hex.EncodeToString(r.sum.Sum(nil))
	line, err := r.line()
	if err != nil {
		return fmt.Errorf("its last line is missing: %w", err)
	}
	got, ok := strings.CutPrefix(line, "sha256 ")
	switch {
	case !ok:
		return errors.New("no checksum where its last line should be")
	case got != want:
		return errors.New("its checksum does not match: it was changed")
	}
	if _, err := r.in.ReadByte(); err != io.EOF {
		if err == nil {
			err = errors.New("there is more after its last line")
		}
		return err
	}
	return nil
}

// line returns the next line without its end.
func (r *backupReader) line() (string, error) {
	b, err := r.in.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && len(b) == 0:
		return "", errors.New("it is cut off, or empty")
	case errors.Is(err, io.EOF):
		return "", errors.New("it is cut off within a line")
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("a line of more than %d bytes", maxManifest)
	case err != nil:
		return "", err
	}
	r.sum.Write(b) // a hash's Write never fails
	return string(b[:len(b)-1]), nil
}
