package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// The layout of a bbolt file, version 2: pages in the machine's byte order,
// each with a header of id (8 bytes), type (2), count (2) and overflow (4).
const (
	headerSize  = 16
	elementSize = 16 // of a leaf or a branch

	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageFreelist = 0x10

	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	metaSize     = 64
	nestedBucket = 0x01 // flag of a leaf's element
)

// pageWalk goes through all pages of a bbolt file. bbolt maps the file into
// memory and trusts what it finds there: one wrong byte makes it read beyond
// the map, recurse for ever or allocate without end, none of which a process
// survives. So all that it follows is checked before it follows it.
type pageWalk struct {
	file     io.ReaderAt
	pageSize uint64
	end      uint64 // pages from here on are not in use
	met      []bool // by page, below end
}

// checkPages returns what is wrong with the pages that the newest transaction
// left: each must be in the tree or free, not both, and not twice.
func checkPages(file io.ReaderAt, size int64) error {
	first, err := readMeta(file, 0)
	if err != nil {
		return fmt.Errorf("page 0: %w", err)
	}
	// Pages are written before the meta page that names them, and that lies in
	// one sector: a process or a machine that dies leaves both of them whole.
	second, err := readMeta(file, int64(first.pageSize))
	if err != nil {
		return fmt.Errorf("page 1: %w", err)
	}
	m := first
	if second.transaction > first.transaction {
		m = second
	}
	if m.pageSize < headerSize || m.end < 2 || m.end > uint64(size)/m.pageSize {
		return fmt.Errorf("%d bytes of %d are there", size, m.end*m.pageSize)
	}
	w := &pageWalk{file: file, pageSize: m.pageSize, end: m.end, met: make([]bool, m.end)}
	w.met[0], w.met[1] = true, true
	if err := w.tree(m.root, nil, nil); err != nil {
		return err
	}
	if err := w.free(m.freelist); err != nil {
		return err
	}
	for id, met := range w.met {
		if !met {
			return fmt.Errorf("page %d: neither used nor free", id)
		}
	}
	return nil
}

type meta struct {
	pageSize, root, freelist, end, transaction uint64
}

func readMeta(file io.ReaderAt, at int64) (meta, error) {
	b := make([]byte, headerSize+metaSize)
	if _, err := file.ReadAt(b, at); err != nil {
		return meta{}, err
	}
	b = b[headerSize:]
	order := binary.NativeEndian
	h := fnv.New64a()
	h.Write(b[:metaSize-8]) // never fails
	switch {
	case order.Uint32(b) != metaMagic:
		return meta{}, fmt.Errorf("not a bbolt file")
	case order.Uint32(b[4:]) != metaVersion:
		return meta{}, fmt.Errorf("version %d of bbolt's format", order.Uint32(b[4:]))
	case order.Uint64(b[56:]) != h.Sum64():
		return meta{}, fmt.Errorf("wrong checksum")
	}
	return meta{
		pageSize: uint64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
		end: order.Uint64(b[40:]), transaction: order.Uint64(b[48:]),
	}, nil
}

// page reads a page with what overflows from it, and takes note of having met
// it, which ends circles.
func (w *pageWalk) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.end {
		return nil, fmt.Errorf("page %d: there is none, the last is %d", id, w.end-1)
	}
	header := make([]byte, headerSize)
	if _, err := w.file.ReadAt(header, int64(id*w.pageSize)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	pages := 1 + uint64(binary.NativeEndian.Uint32(header[12:]))
	if got := binary.NativeEndian.Uint64(header); got != id {
		return nil, fmt.Errorf("page %d: calls itself %d", id, got)
	}
	if pages > w.end-id {
		return nil, fmt.Errorf("page %d: %d pages long, beyond the last", id, pages)
	}
	for i := id; i < id+pages; i++ {
		if err := w.meet(i); err != nil {
			return nil, err
		}
	}
	b := make([]byte, pages*w.pageSize)
	if _, err := w.file.ReadAt(b, int64(id*w.pageSize)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return b, nil
}

func (w *pageWalk) meet(id uint64) error {
	if w.met[id] {
		return fmt.Errorf("page %d: used twice", id)
	}
	w.met[id] = true
	return nil
}

// tree checks what hangs on a page, whose keys must lie in [low, high); nil is
// no bound.
func (w *pageWalk) tree(id uint64, low, high []byte) error {
	b, err := w.page(id)
	if err != nil {
		return err
	}
	switch kind := pageType(b); kind {
	case pageLeaf:
		err = w.leaf(b, low, high)
	case pageBranch:
		err = w.branch(b, low, high)
	default:
		err = fmt.Errorf("type %#x in the tree", kind)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (w *pageWalk) leaf(b, low, high []byte) error {
	order := binary.NativeEndian
	keys := keyRange{low: low, high: high}
	for i := range elements(b) {
		e, err := element(b, i)
		if err != nil {
			return err
		}
		flags, pos, keySize, valueSize := order.Uint32(e), order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		key, err := cut(e, uint64(pos), uint64(keySize))
		if err != nil {
			return err
		}
		value, err := cut(e, uint64(pos)+uint64(keySize), uint64(valueSize))
		if err != nil {
			return err
		}
		if err := keys.next(key); err != nil {
			return err
		}
		switch flags {
		case 0:
		case nestedBucket:
			if err := w.bucket(value); err != nil {
				return fmt.Errorf("bucket %q: %w", key, err)
			}
		default:
			return fmt.Errorf("key %q: flags %#x", key, flags)
		}
	}
	return nil
}

// bucket checks a bucket by its header: its root page, and a sequence number.
// A small bucket has no root page; its one leaf follows at once.
func (w *pageWalk) bucket(value []byte) error {
	if len(value) < 16 {
		return fmt.Errorf("%d bytes of header", len(value))
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return w.tree(root, nil, nil)
	}
	inline := value[16:]
	if len(inline) < headerSize || pageType(inline) != pageLeaf {
		return fmt.Errorf("no leaf in it")
	}
	return w.leaf(inline, nil, nil)
}

func (w *pageWalk) branch(b, low, high []byte) error {
	order := binary.NativeEndian
	type child struct {
		key []byte
		id  uint64
	}
	keys := keyRange{low: low, high: high}
	var children []child
	for i := range elements(b) {
		e, err := element(b, i)
		if err != nil {
			return err
		}
		key, err := cut(e, uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])))
		if err != nil {
			return err
		}
		if err := keys.next(key); err != nil {
			return err
		}
		children = append(children, child{key, order.Uint64(e[8:])})
	}
	if len(children) == 0 {
		return fmt.Errorf("a branch without a page")
	}
	for i, c := range children {
		to := high
		if i+1 < len(children) {
			to = children[i+1].key
		}
		if err := w.tree(c.id, c.key, to); err != nil {
			return err
		}
	}
	return nil
}

// free checks the list of free pages.
func (w *pageWalk) free(id uint64) error {
	b, err := w.page(id)
	if err != nil {
		return err
	}
	if kind := pageType(b); kind != pageFreelist {
		return fmt.Errorf("page %d: type %#x where the free pages should be", id, kind)
	}
	n, list := uint64(elements(b)), b[headerSize:]
	if n == 0xffff { // too many for the header: the first entry counts them
		n, list = binary.NativeEndian.Uint64(list), list[8:]
	}
	if n > uint64(len(list))/8 {
		return fmt.Errorf("page %d: %d free pages in %d bytes", id, n, len(list))
	}
	last := uint64(1)
	for ; n > 0; n-- {
		free := binary.NativeEndian.Uint64(list)
		list = list[8:]
		if free <= last || free >= w.end {
			return fmt.Errorf("page %d: free page %d after %d", id, free, last)
		}
		last = free
		if err := w.meet(free); err != nil {
			return err
		}
	}
	return nil
}

// keyRange checks that keys come in order and within bounds.
type keyRange struct {
	low, high []byte
	last      []byte
}

func (r *keyRange) next(key []byte) error {
	switch {
	case len(key) == 0:
		return fmt.Errorf("an empty key")
	case r.last != nil && bytes.Compare(key, r.last) <= 0,
		r.low != nil && bytes.Compare(key, r.low) < 0,
		r.high != nil && bytes.Compare(key, r.high) >= 0:
		return fmt.Errorf("key %q is out of order", key)
	}
	r.last = key
	return nil
}

func pageType(page []byte) uint16 { return binary.NativeEndian.Uint16(page[8:]) }

func elements(page []byte) int { return int(binary.NativeEndian.Uint16(page[10:])) }

// element returns a page from its element i on: positions count from there.
func element(page []byte, i int) ([]byte, error) {
	at := headerSize + i*elementSize
	if at+elementSize > len(page) {
		return nil, fmt.Errorf("element %d is beyond its end", i)
	}
	return page[at:], nil
}

func cut(b []byte, at, n uint64) ([]byte, error) {
	if at+n > uint64(len(b)) {
		return nil, fmt.Errorf("an element reaches %d bytes beyond its end", at+n-uint64(len(b)))
	}
	return b[at : at+n], nil
}
