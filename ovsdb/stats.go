package ovsdb

import "sync/atomic"

// counters are shared by a Server's sessions.
type counters struct {
	accepted, refused               atomic.Uint64
	transactions, transactionErrors atomic.Uint64
	updates, messages, bytes        atomic.Uint64
}

// Stats are a Server's counters since it was made.
type Stats struct {
	Accepted          uint64 // connections
	Refused           uint64 // connections closed at once, for a cap
	Transactions      uint64 // sent
	TransactionErrors uint64 // of any kind: refused, timed out, not locked
	Updates           uint64 // rows in update notifications
	Messages          uint64 // received
	Bytes             uint64 // received
}

func (c *counters) stats() Stats {
	return Stats{
		Accepted: c.accepted.Load(), Refused: c.refused.Load(),
		Transactions: c.transactions.Load(), TransactionErrors: c.transactionErrors.Load(),
		Updates: c.updates.Load(), Messages: c.messages.Load(), Bytes: c.bytes.Load(),
	}
}
