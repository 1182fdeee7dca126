// Package ovsdb speaks to hosts' databases: hosts dial in as to a manager, and
// each connection becomes a Session (RFC 7047).
//
//	host ──dials──► Server.Serve ──get_schema, monitor, lock──► Session ──► Config.Handle
//
//	reader:  conn ──► frames ──► replies ──► whoever called
//	                        └──► updates ──► pending rows ──► Changed, Take
//	writer:  calls, echo replies, echoes of our own ──► conn
//
// What a host sends is read by this package and ovsdb/notation alone, within
// bounds of size, depth and time. libovsdb's ovsdb package is the vocabulary
// for what is sent: operations, conditions, mutations, values.
//
// A Session has two goroutines, reader and writer, which end before its Close
// returns; Handle runs on the goroutine of its connection. What to write, and
// when, is not this package's business.
package ovsdb

import libovsdb "github.com/ovn-org/libovsdb/ovsdb"

// The vocabulary of operations, RFC 7047 §5.1 and §5.2.
type (
	Operation       = libovsdb.Operation
	OperationResult = libovsdb.OperationResult
	Condition       = libovsdb.Condition
	Mutation        = libovsdb.Mutation
	UUID            = libovsdb.UUID
	OvsSet          = libovsdb.OvsSet
	OvsMap          = libovsdb.OvsMap
	Row             = libovsdb.Row
)
