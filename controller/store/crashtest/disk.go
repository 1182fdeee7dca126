//go:build linux && amd64

package crashtest

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// Sector is what a disk writes whole or not at all, in bytes.
const Sector = 512

// Disk is a directory as a program sees it, and as it would be found after the
// machine fails: of a file what was synced is sure, and of what was written
// since any part may be there, sector by sector; of names, those until the
// directory was synced are sure, and of later changes any first part.
type Disk struct {
	now  map[string]*inode
	sure map[string]*inode
	// changes of names since the directory was synced
	names []func(map[string]*inode)
}

// inode is a file, whatever its names.
type inode struct {
	now, sure []byte
	since     []Op // writes and changes of its length that are not synced
}

// NewDisk returns a disk that holds the files of a directory.
func NewDisk(dir string) (*Disk, error) {
	d := &Disk{now: map[string]*inode{}, sure: map[string]*inode{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		i := &inode{now: b, sure: slices.Clone(b)}
		d.now[e.Name()], d.sure[e.Name()] = i, i
	}
	return d, nil
}

// Apply makes an operation that was recorded.
func (d *Disk) Apply(o Op) {
	i := d.now[o.Name]
	switch o.Kind {
	case Create:
		if i != nil { // it is emptied
			i.write(Op{Kind: Truncate})
			return
		}
		i = &inode{}
		d.rename(func(m map[string]*inode) { m[o.Name] = i })
	case Write, Truncate:
		if i != nil {
			i.write(o)
		}
	case Sync:
		switch {
		case o.Name == "":
			d.sure, d.names = maps.Clone(d.now), nil
		case i != nil:
			i.sure, i.since = slices.Clone(i.now), nil
		}
	case Rename:
		d.rename(func(m map[string]*inode) { m[o.To] = i; delete(m, o.Name) })
	case Link:
		d.rename(func(m map[string]*inode) { m[o.To] = i })
	case Remove:
		d.rename(func(m map[string]*inode) { delete(m, o.Name) })
	}
}

func (d *Disk) rename(f func(map[string]*inode)) {
	f(d.now)
	d.names = append(d.names, f)
}

func (i *inode) write(o Op) {
	i.now = written(i.now, o.Kind, o.Offset, o.Data)
	i.since = append(i.since, o)
}

func written(b []byte, k Kind, at int64, data []byte) []byte {
	size := int(at)
	if k == Write {
		size = max(len(b), int(at)+len(data))
	}
	if size <= len(b) {
		b = b[:size]
	} else {
		b = append(b, make([]byte, size-len(b))...)
	}
	copy(b[min(int(at), size):], data)
	return b
}

// Loss is what becomes of what was not synced when the machine fails.
type Loss int

// The losses.
const (
	LoseNothing Loss = iota // it is all there, as when only the program ends
	LoseAll                 // none of it is
	LoseSome                // some of it is, sector by sector
)

// Crash returns the files as they are found after the machine fails now.
func (d *Disk) Crash(loss Loss, r *rand.Rand) map[string][]byte {
	names := maps.Clone(d.sure)
	sure := 0
	switch loss {
	case LoseNothing:
		sure = len(d.names)
	case LoseSome:
		sure = r.IntN(len(d.names) + 1)
	}
	for _, f := range d.names[:sure] {
		f(names)
	}
	out := map[string][]byte{}
	for name, i := range names {
		switch loss {
		case LoseNothing:
			out[name] = i.now
		case LoseAll:
			out[name] = i.sure
		default:
			out[name] = i.torn(r)
		}
	}
	return out
}

// torn returns what was synced with some sectors of what was written since.
func (i *inode) torn(r *rand.Rand) []byte {
	b := slices.Clone(i.sure)
	for _, o := range i.since {
		if o.Kind == Truncate {
			if r.IntN(2) == 0 {
				b = written(b, o.Kind, o.Offset, nil)
			}
			continue
		}
		odds := r.IntN(4) // whole writes are lost and kept, too
		for at := 0; at < len(o.Data); {
			n := min(Sector-int(o.Offset+int64(at))%Sector, len(o.Data)-at)
			if odds == 3 || r.IntN(3) < odds {
				b = written(b, Write, o.Offset+int64(at), o.Data[at:at+n])
			}
			at += n
		}
	}
	return b
}
