package ovsdb

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// Config is what a Server or a dialled Session works by. Every limit that is
// zero takes its default.
type Config struct {
	Log *zap.Logger // nil: silent

	// Handle is called with each Session that is set up: schema read, whole
	// dump taken, lock asked for unless LockLater. The connection closes when it returns, or
	// when its ctx ends.
	Handle func(ctx context.Context, s *Session)

	// LockLater leaves the lock alone in the set-up: AskLock asks for it.
	LockLater bool

	MaxMessage     int           // bytes of one message from a host; default 64 MiB, some 60,000 tunnel ports in one dump
	MaxPending     int           // rows that changed and were not taken; default 200,000
	MaxConns       int           // connections at once; default 4,096
	MaxConnsPerIP  int           // the same from one address, loopback excepted; default 64
	SetupTimeout   time.Duration // from the connection to the whole dump; default 60 s
	CallTimeout    time.Duration // for one reply but the dump, and for one message to leave; default 15 s
	MessageTimeout time.Duration // from a message's first byte to its last; default 30 s
	EchoAfter      time.Duration // silence after which we send an echo; default 4 s: just before hosts do, so that it is we who learn the round trip
	SilentAfter    time.Duration // silence after which the connection is closed; default 15 s
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	for _, n := range []struct {
		to  *int
		def int
	}{{&c.MaxMessage, 64 << 20}, {&c.MaxPending, 200_000}, {&c.MaxConns, 4096}, {&c.MaxConnsPerIP, 64}} {
		if *n.to <= 0 {
			*n.to = n.def
		}
	}
	for _, d := range []struct {
		to  *time.Duration
		def time.Duration
	}{
		{&c.SetupTimeout, 60 * time.Second}, {&c.CallTimeout, 15 * time.Second}, {&c.MessageTimeout, 30 * time.Second},
		{&c.EchoAfter, 4 * time.Second}, {&c.SilentAfter, 15 * time.Second},
	} {
		if *d.to <= 0 {
			*d.to = d.def
		}
	}
	return c
}
