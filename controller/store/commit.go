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
// that a change deletes go with them.
func (s *Store) Commit(b *Batch) error {
	if b.Empty() {
		return nil
	}
	err := s.db.Update(func(tx *bolt.Tx) error {
		for host, f := range b.Facts {
			if err := put(tx, bucketFacts, host, f); err != nil {
				return err
			}
		}
		for id, left := range b.Left {
			var err error
			if left == nil {
				err = remove(tx, bucketLeft, []string{id})
			} else {
				err = put(tx, bucketLeft, id, left)
			}
			if err != nil {
				return err
			}
		}
		if err := remove(tx, bucketFacts, b.Forget); err != nil {
			return err
		}
		for _, c := range b.Changes {
			if err := change(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write store: %w", err)
	}
	return nil
}

func change(tx *bolt.Tx, c *topology.Change) error {
	for _, r := range c.PutNetworks {
		if err := put(tx, bucketNetworks, r.Name, r); err != nil {
			return err
		}
	}
	for _, r := range c.PutHosts {
		if err := put(tx, bucketHosts, r.Name, r); err != nil {
			return err
		}
	}
	for _, p := range c.PutPorts {
		if err := put(tx, bucketPorts, p.Name, p); err != nil {
			return err
		}
	}
	err := errors.Join(
		remove(tx, bucketNetworks, c.DeleteNetworks),
		remove(tx, bucketHosts, c.DeleteHosts),
		remove(tx, bucketFacts, c.DeleteHosts),
		remove(tx, bucketPorts, c.DeletePorts),
	)
	if err != nil {
		return err
	}
	meta := tx.Bucket(bucketMeta)
	if c.SetKeyPools != nil {
		b, err := json.Marshal(*c.SetKeyPools)
		if err != nil {
			return err
		}
		if err := meta.Put(keyKeyPools, b); err != nil {
			return err
		}
	}
	return meta.Put(keyNextNetworkID, binary.BigEndian.AppendUint32(nil, c.NextNetworkID))
}

func put(tx *bolt.Tx, bucket []byte, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s/%s: %w", bucket, key, err)
	}
	return tx.Bucket(bucket).Put([]byte(key), b)
}

func remove(tx *bolt.Tx, bucket []byte, keys []string) error {
	for _, k := range keys {
		if err := tx.Bucket(bucket).Delete([]byte(k)); err != nil {
			return err
		}
	}
	return nil
}

// SetForeign keeps the flows that others had on a bridge, as encoded flow-mods,
// until they stand on it again; nil forgets them. They are kept because the
// switch drops them while the bridge is taken over or released.
func (s *Store) SetForeign(host, bridge string, flows [][]byte) error {
	key := host + "/" + bridge
	err := s.db.Update(func(tx *bolt.Tx) error {
		if flows == nil {
			return tx.Bucket(bucketForeign).Delete([]byte(key))
		}
		return put(tx, bucketForeign, key, flows)
	})
	if err != nil {
		return fmt.Errorf("write store: flows of others on %s: %w", key, err)
	}
	return nil
}

// Foreign returns what SetForeign kept; nil where there is nothing.
func (s *Store) Foreign(host, bridge string) ([][]byte, error) {
	var flows [][]byte
	err := s.db.View(func(tx *bolt.Tx) error {
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
