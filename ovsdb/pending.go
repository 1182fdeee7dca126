package ovsdb

import (
	"fmt"
	"sync"

	"ovsmesh/ovsdb/schema"
)

// pending holds the rows that changed since they were last taken, each once
// with its latest value, so it never grows beyond the host's rows.
type pending struct {
	mu   sync.Mutex
	max  int
	rows map[rowKey]schema.RowUpdate
}

type rowKey struct{ table, uuid string }

func (p *pending) add(updates []schema.RowUpdate) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rows == nil {
		p.rows = make(map[rowKey]schema.RowUpdate, len(updates))
	}
	for _, u := range updates {
		p.rows[rowKey{u.Table, u.UUID}] = u
	}
	if len(p.rows) > p.max {
		return fmt.Errorf("more than %d rows changed at once", p.max)
	}
	return nil
}

func (p *pending) take() []schema.RowUpdate {
	p.mu.Lock()
	rows := p.rows
	p.rows = nil
	p.mu.Unlock()
	updates := make([]schema.RowUpdate, 0, len(rows))
	for _, u := range rows {
		updates = append(updates, u)
	}
	return updates
}
