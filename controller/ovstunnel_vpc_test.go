package controller

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"

	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
)

// What is kept of VPCs is bounded, in all; what goes makes room.
func TestDocumentsAreBounded(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	h, err := newHub(zap.NewNop(), st, false)
	if err != nil {
		t.Fatal(err)
	}
	large := store.DocumentInfo{Host: "h1", Bridge: "xapi1", Kind: documentTopology, Sequence: 1, Bytes: maxDocuments - 2000}
	h.documents.put(large)
	h.documents.put(large) // the same one
	key := documentKey{"h1", "xapi2", documentPolicy}
	one := uint64(1)
	keep := func(n int) error {
		_, _, err := h.keepDocument(key, nil, []byte(`"`+strings.Repeat("x", n)+`"`))
		return err
	}
	if err := keep(1600); !errors.Is(err, api.ErrNotKept) || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("one too many: %v", err)
	}
	for range 3 { // each in the place of the former
		if err := keep(1000); err != nil {
			t.Error(err)
		}
	}
	if last, fresh, err := h.keepDocument(key, &one, []byte("{}")); last != 1 || !fresh || err != nil {
		t.Errorf("a number after none: %d %v %v", last, fresh, err)
	}
	if last, fresh, err := h.keepDocument(key, &one, []byte("{}")); last != 1 || fresh || err != nil {
		t.Errorf("the same number again: %d %v %v", last, fresh, err)
	}
	h.documents.forgetHost("h1")
	if h.documents.bytes != 0 || len(h.documents.kept) != 0 {
		t.Errorf("left of a host that is gone: %d bytes, %v", h.documents.bytes, h.documents.kept)
	}
	if err := keep(1600); err != nil {
		t.Errorf("after others have gone: %v", err)
	}
	if err := h.forgetDocuments("h1", "xapi2"); err != nil || h.documents.bytes != 0 {
		t.Errorf("%d bytes, %v", h.documents.bytes, err)
	}
	if list, err := st.Load(); err != nil || len(list.Documents) != 0 {
		t.Errorf("in the store: %+v %v", list.Documents, err)
	}
}
