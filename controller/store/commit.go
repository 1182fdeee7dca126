package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"ovsmesh/topology"
)

// Batch is what one commit writes, all of it or nothing.
type Batch struct {
	Changes []*topology.Change            // of the intent, in order
	Facts   map[string]topology.HostFacts // by host name
	Left    map[string]*Left              // by system-id; nil takes the mark away
	Forget  []string                      // hosts whose facts go
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool {
	return len(b.Changes) == 0 && len(b.Facts) == 0 && len(b.Left) == 0 && len(b.Forget) == 0
}

// Commit writes a batch and returns once it is on disk. The facts of hosts
// that a change deletes go with them, those of hosts to forget go before new
// ones come. The error is a WriteError where the file could not be written.
func (s *Store) Commit(b *Batch) error {
	if b.Empty() {
		return nil
	}
	return s.update(func(w *writer) error {
		// First: who has left may have come back since.
		if err := w.remove(bucketFacts, b.Forget...); err != nil {
			return err
		}
		for host, f := range b.Facts {
			if err := w.put(bucketFacts, host, f); err != nil {
				return err
			}
		}
		for id, left := range b.Left {
			var err error
			if left == nil {
				err = w.remove(bucketLeft, id)
			} else {
				err = w.put(bucketLeft, id, left)
			}
			if err != nil {
				return err
			}
		}
		for _, c := range b.Changes {
			if err := w.change(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// change deletes first: what is deleted may come again under its name.
func (w *writer) change(c *topology.Change) error {
	err := errors.Join(
		w.remove(bucketNetworks, c.DeleteNetworks...),
		w.remove(bucketHosts, c.DeleteHosts...),
		w.remove(bucketFacts, c.DeleteHosts...),
		w.remove(bucketPorts, c.DeletePorts...),
	)
	if err != nil {
		return err
	}
	for _, name := range c.DeleteHosts {
		if err := w.removeDocuments(name); err != nil {
			return err
		}
	}
	for _, r := range c.PutNetworks {
		if err := w.put(bucketNetworks, r.Name, r); err != nil {
			return err
		}
	}
	for _, r := range c.PutHosts {
		if err := w.put(bucketHosts, r.Name, r); err != nil {
			return err
		}
	}
	for _, p := range c.PutPorts {
		if err := w.put(bucketPorts, p.Name, p); err != nil {
			return err
		}
	}
	if c.SetKeyPools != nil {
		b, err := json.Marshal(*c.SetKeyPools)
		if err != nil {
			return err
		}
		if err := w.putBytes(bucketMeta, keyKeyPools, b); err != nil {
			return err
		}
	}
	return w.putBytes(bucketMeta, keyNextNetworkID, binary.BigEndian.AppendUint32(nil, c.NextNetworkID))
}

// SetForeign keeps the flows that others had on a bridge, as encoded flow-mods,
// until they stand on it again; nil forgets them. They are kept because the
// switch drops them while the bridge is taken over or released.
func (s *Store) SetForeign(host, bridge string, flows [][]byte) error {
	key := host + "/" + bridge
	err := s.update(func(w *writer) error {
		if flows == nil {
			return w.remove(bucketForeign, key)
		}
		return w.put(bucketForeign, key, flows)
	})
	if err != nil {
		return fmt.Errorf("flows of others on %s: %w", key, err)
	}
	return nil
}

// Foreign returns what SetForeign kept; nil where there is nothing.
func (s *Store) Foreign(host, bridge string) ([][]byte, error) {
	var flows [][]byte
	err := s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketForeign).Get([]byte(host + "/" + bridge))
		if b == nil {
			return nil
		}
		return json.Unmarshal(b, &flows)
	})
	if err != nil {
		return nil, fmt.Errorf("read store: flows of others on %s/%s: %w", host, bridge, err)
	}
	return flows, nil
}
