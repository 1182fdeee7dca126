package openflow

import (
	"time"

	"go.uber.org/zap"
)

// Config is what a Server and Dial can be told. The zero value of every field
// means its default, so that Config{} is a good one.
type Config struct {
	Log      *zap.Logger // default: none
	Counters *Counters   // default: new ones, see Server.Counters

	HandshakeTimeout time.Duration // from connect to features reply; default 5 s
	ParkTimeout      time.Duration // how long a switch may wait to be expected; default 15 s
	EchoInterval     time.Duration // silence after which we ask for an echo; default 4 s: just before switches do, so that it is we who learn the round trip
	SilenceTimeout   time.Duration // silence, or time for one message to arrive in, after which a session is closed; default 15 s
	ProbeTimeout     time.Duration // how long a session may take to prove that it lives when another one wants its place; default 2 s
	WriteTimeout     time.Duration // how long the peer may leave 64 KiB unread; default 10 s
	RequestTimeout   time.Duration // how long an answer may take to be complete; default 30 s

	MaxConns               int // connections in all; default 32768
	MaxUnidentified        int // of these, ones that nobody expects (yet); default 4096
	MaxUnidentifiedPerHost int // of these, ones from one address; default 1024
	MaxFlows               int // flows that Flows reads before it gives up; default 500,000
	MaxReply               int // bytes of all parts of one reply; default 128 MiB
	MaxUpdates             int // bytes of flow updates that a session keeps until they are taken; default 4 MiB
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if c.Counters == nil {
		c.Counters = new(Counters)
	}
	setDefault(&c.HandshakeTimeout, 5*time.Second)
	setDefault(&c.ParkTimeout, 15*time.Second)
	setDefault(&c.EchoInterval, 4*time.Second)
	setDefault(&c.SilenceTimeout, 15*time.Second)
	setDefault(&c.ProbeTimeout, 2*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.RequestTimeout, 30*time.Second)
	setDefault(&c.MaxConns, 32768)
	setDefault(&c.MaxUnidentified, 4096)
	setDefault(&c.MaxUnidentifiedPerHost, 1024)
	setDefault(&c.MaxFlows, 500_000)
	setDefault(&c.MaxReply, 128<<20)
	setDefault(&c.MaxUpdates, 4<<20)
	return c
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}
