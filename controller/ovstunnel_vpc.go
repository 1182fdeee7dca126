package controller

import (
	"context"
	"errors"
	"fmt"

	"ovsmesh/controller/api"
	"ovsmesh/controller/store"
	"ovsmesh/topology/vpc"
)

// Kinds of documents that are kept of a VPC's bridge.
const (
	documentSetup    = "setup" // a mark: the bridge is for distributed routing
	documentTopology = "topology"
	documentPolicy   = "policy"
)

// Bounds of what is kept of VPCs, in bytes of the store. A document that is
// nothing but a mark takes some, too.
const (
	maxDocuments  = 64 << 20
	documentBytes = 256
)

// documents are those that are kept. They are the hub's.
type documents struct {
	kept  map[documentKey]store.DocumentInfo
	bytes int
}

type documentKey struct{ host, bridge, kind string }

func newDocuments(list []store.DocumentInfo) documents {
	d := documents{kept: map[documentKey]store.DocumentInfo{}}
	for _, info := range list {
		d.put(info)
	}
	return d
}

func (d *documents) put(info store.DocumentInfo) {
	key := documentKey{info.Host, info.Bridge, info.Kind}
	d.remove(key)
	d.kept[key] = info
	d.bytes += info.Bytes + documentBytes
}

func (d *documents) remove(key documentKey) {
	if was, ok := d.kept[key]; ok {
		d.bytes -= was.Bytes + documentBytes
		delete(d.kept, key)
	}
}

// forgetHost forgets the documents of a host that the store forgets with it.
func (d *documents) forgetHost(host string) {
	for key := range d.kept {
		if key.host == host {
			d.remove(key)
		}
	}
}

// keepDocument keeps a document, unless its number says that it is no news: then
// fresh is false, and last the number of the one that is kept. One without a
// number is always news. It must run on the hub's goroutine.
func (h *hub) keepDocument(key documentKey, number *uint64, text []byte) (last uint64, fresh bool, err error) {
	was, known := h.documents.kept[key]
	d := store.Document{Sequence: was.Sequence, Text: text}
	if number != nil {
		if known && *number <= was.Sequence {
			return was.Sequence, false, nil
		}
		d.Sequence = *number
	}
	if h.documents.bytes-was.Bytes+len(text)+documentBytes > maxDocuments {
		return 0, false, fmt.Errorf("%w: the documents of VPCs take %d MiB of the store already, which is the most: destroy bridges of VPCs that are no longer used",
			api.ErrNotKept, maxDocuments>>20)
	}
	info, err := h.store.PutDocument(key.host, key.bridge, key.kind, d)
	if err := h.documentStored(err); err != nil {
		return 0, false, err
	}
	h.documents.put(info)
	return d.Sequence, true, nil
}

// documentStored takes note of how a write of the store went.
func (h *hub) documentStored(err error) error {
	h.storeTried()
	var trouble *store.WriteError
	if errors.As(err, &trouble) {
		return fmt.Errorf("%w: %w", api.ErrNotKept, err)
	}
	return err
}

// keep reads, checks and keeps a document of a VPC. As nothing follows from it
// yet, a new one is answered with api.ErrNotThere.
func (t *tunnelCall) keep(ctx context.Context) error {
	kind, err := documentTopology, error(nil)
	if t.args.function == fnPolicy {
		kind = documentPolicy
		_, err = vpc.ParsePolicy([]byte(t.args.config))
	} else {
		_, err = vpc.ParseTopology([]byte(t.args.config))
	}
	if err != nil {
		return badCall("%s: argument config: %v", t.args.function, err)
	}
	last, fresh, err := t.ctl.keepDocument(ctx, documentKey{t.host, t.args.bridge, kind}, t.args.sequence, []byte(t.args.config))
	switch {
	case err != nil:
		return err
	case !fresh:
		t.answer.Value = fmt.Sprintf("SUCCESS: Ignoring sequence number %d as the last one is %d", *t.args.sequence, last)
		return nil
	case t.args.sequence == nil:
		return fmt.Errorf("the %s of bridge %s is kept, in the place of any former one; routing between tiers is not there yet: %w", kind, t.args.bridge, api.ErrNotThere)
	}
	return fmt.Errorf("the %s of bridge %s is kept as sequence %d; routing between tiers is not there yet: %w", kind, t.args.bridge, last, api.ErrNotThere)
}

// setupVPC remembers that a bridge is for distributed routing.
func (t *tunnelCall) setupVPC(ctx context.Context) error {
	_, _, err := t.ctl.keepDocument(ctx, documentKey{t.host, t.args.bridge, documentSetup}, new(uint64), nil)
	t.answer.Value = "SUCCESS:" + t.args.bridge
	return err
}

// keepDocument has the hub keep a document.
func (c *Controller) keepDocument(ctx context.Context, key documentKey, number *uint64, text []byte) (uint64, bool, error) {
	type outcome struct {
		last  uint64
		fresh bool
		err   error
	}
	done := make(chan outcome, 1)
	if err := c.hub.do(ctx, func() {
		var o outcome
		o.last, o.fresh, o.err = c.hub.keepDocument(key, number, text)
		done <- o
	}); err != nil {
		return 0, false, err
	}
	o := <-done
	return o.last, o.fresh, o.err
}

// forgetDocuments takes away what is kept of a bridge that is gone.
func (c *Controller) forgetDocuments(ctx context.Context, host, bridge string) error {
	done := make(chan error, 1)
	if err := c.hub.do(ctx, func() { done <- c.hub.forgetDocuments(host, bridge) }); err != nil {
		return err
	}
	return <-done
}

func (h *hub) forgetDocuments(host, bridge string) error {
	var keys []documentKey
	for _, kind := range []string{documentSetup, documentTopology, documentPolicy} {
		key := documentKey{host, bridge, kind}
		if _, ok := h.documents.kept[key]; ok {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if err := h.documentStored(h.store.ForgetDocuments(host, bridge)); err != nil {
		return err
	}
	for _, key := range keys {
		h.documents.remove(key)
	}
	return nil
}

// refuseVPC refuses a tunnel or a network of its own on the bridge of a VPC with
// distributed routing: all tiers share it, and what is there now would join them.
func (t *tunnelCall) refuseVPC(ctx context.Context) error {
	if t.args.function != fnCreateTunnel && t.args.function != fnSetupBridge {
		return nil
	}
	marked := make(chan bool, 1)
	if err := t.ctl.hub.do(ctx, func() {
		_, ok := t.ctl.hub.documents.kept[documentKey{t.host, t.args.bridge, documentSetup}]
		marked <- ok
	}); err != nil {
		return err
	}
	if <-marked || isVPCBridge(t.args.bridge) || isVPCBridge(t.args.name) {
		return fmt.Errorf("%s: bridge %s is that of a VPC with distributed routing: its tiers share it, and a tunnel on it would join them before routing is there: %w",
			t.args.function, t.args.bridge, api.ErrNotThere)
	}
	return nil
}
