package ovstest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Switch is an OVS that belongs to a test: what goes wrong in its methods
// without an error result ends the test.
type Switch struct {
	*OVS
	tb testing.TB
}

// Option changes what StartSwitch starts.
type Option func(*switchOptions)

type switchOptions struct {
	id    identity
	flags []string
}

// WithSystemID sets external_ids:system-id; a random UUID otherwise.
func WithSystemID(id string) Option { return func(o *switchOptions) { o.id.systemID = id } }

// WithHostname sets external_ids:hostname; "switch" otherwise.
func WithHostname(name string) Option { return func(o *switchOptions) { o.id.hostname = name } }

// WithVSwitchdFlags adds command-line flags of ovs-vswitchd.
func WithVSwitchdFlags(flags ...string) Option {
	return func(o *switchOptions) { o.flags = append(o.flags, flags...) }
}

// StartOVS starts a switch with the dummy datapath in this process's network
// namespace: its rows, ofports, OpenFlow tables and ofproto/trace are those of
// any switch; no packet leaves it. The caller removes it with Remove.
func StartOVS(ctx context.Context, opts ...Option) (*OVS, error) {
	o := switchOptions{
		id: identity{systemID: NewUUID(), hostname: "switch"},
		// Never "override": it replaces tunnel devices by fake ones.
		flags: []string{"--enable-dummy=system", "--disable-system"},
	}
	for _, opt := range opts {
		opt(&o)
	}
	// Leftovers of others are no reason to fail; they are tried again next time.
	_ = Sweep()
	// Short, as it holds unix sockets, whose paths have at most 108 bytes.
	dir, err := os.MkdirTemp(filepath.Split(switchDirs + "*"))
	if err != nil {
		return nil, err
	}
	if err := claim(dir, false); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ovs, err := startOVS(ctx, dir, "", schemaFile, o.id, o.flags...)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return ovs, nil
}

// Remove stops what StartOVS started and removes its run directory. It is
// idempotent.
func (o *OVS) Remove() error { return errors.Join(o.Stop(), os.RemoveAll(o.dir)) }

// StartSwitch is StartOVS for a test, at whose end the switch is removed. If
// the test fails, the daemons' logs are printed.
func StartSwitch(tb testing.TB, opts ...Option) *Switch {
	tb.Helper()
	ovs, err := StartOVS(context.Background(), opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(ovs.Logs())
		}
		if err := ovs.Remove(); err != nil {
			tb.Error(err)
		}
	})
	return &Switch{OVS: ovs, tb: tb}
}

// VSCtl runs ovs-vsctl and returns what it printed.
func (s *Switch) VSCtl(args ...string) string {
	s.tb.Helper()
	return s.must(s.VSCtlErr(args...))
}

// VSCtlErr is VSCtl where an error is expected or of interest.
func (s *Switch) VSCtlErr(args ...string) (string, error) {
	return s.OVS.VSCtl(context.Background(), args...)
}

// OFCtl runs ovs-ofctl with OpenFlow 1.3 and returns what it printed.
func (s *Switch) OFCtl(args ...string) string {
	s.tb.Helper()
	return s.must(s.OFCtlErr(args...))
}

// OFCtlErr is OFCtl where an error is expected or of interest.
func (s *Switch) OFCtlErr(args ...string) (string, error) {
	return s.OVS.OFCtl(context.Background(), args...)
}

// AppCtl runs ovs-appctl against ovs-vswitchd and returns what it printed.
func (s *Switch) AppCtl(args ...string) string {
	s.tb.Helper()
	return s.must(s.AppCtlErr(args...))
}

// AppCtlErr is AppCtl where an error is expected or of interest.
func (s *Switch) AppCtlErr(args ...string) (string, error) {
	return s.OVS.AppCtl(context.Background(), args...)
}

// SetManager makes the switch dial in at targets.
func (s *Switch) SetManager(targets ...string) {
	s.tb.Helper()
	s.check(s.OVS.SetManager(context.Background(), targets...))
}

// RestartVSwitchd ends ovs-vswitchd in good order and starts it again.
func (s *Switch) RestartVSwitchd() {
	s.tb.Helper()
	s.check(s.OVS.RestartVSwitchd(context.Background()))
}

// RestartOVSDB ends ovsdb-server in good order and starts it again.
func (s *Switch) RestartOVSDB() {
	s.tb.Helper()
	s.check(s.OVS.RestartOVSDB(context.Background()))
}

// StartVSwitchd starts an ovs-vswitchd that KillVSwitchd ended.
func (s *Switch) StartVSwitchd() {
	s.tb.Helper()
	s.check(s.OVS.StartVSwitchd(context.Background()))
}

// KillVSwitchd ends ovs-vswitchd by a signal and waits until it is gone.
func (s *Switch) KillVSwitchd(sig syscall.Signal) {
	s.tb.Helper()
	s.check(s.OVS.KillVSwitchd(sig))
}

func (s *Switch) check(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Switch) must(out string, err error) string {
	s.tb.Helper()
	s.check(err)
	return out
}

// NewUUID returns a random UUID, RFC 9562 version 4, in the form that
// external_ids:system-id has on real hosts.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
