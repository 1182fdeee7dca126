package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"ovsmesh/ovsdb/ovstest"
)

// oldSwitch stands between the bridges of a host and the controller, and makes
// of Open vSwitch one from before 3.0: who asks for the flow monitor of OpenFlow
// 1.3 is told that there is no such thing. All else passes as it is. It is on the
// host, so that the controller sees the host's own address.
type oldSwitch struct {
	host   *ovstest.Host
	server string // where the controller listens for bridges

	listener net.Listener
	ctx      context.Context // of its connections
	cancel   context.CancelFunc
	all      sync.WaitGroup
}

// oldTarget is where bridges dial on a host with an oldSwitch.
const oldTarget = "127.0.0.1:6653"

// startOldSwitch waits for the bridges of a host. It stays until close.
func startOldSwitch(h *ovstest.Host, server string) (*oldSwitch, error) {
	l, err := h.Listen("tcp", oldTarget)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	o := &oldSwitch{host: h, server: server, listener: l}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.all.Go(o.accept)
	return o, nil
}

// close cuts all connections and waits until everything has ended.
func (o *oldSwitch) close() error {
	o.cancel()
	err := o.listener.Close()
	o.all.Wait()
	return err
}

func (o *oldSwitch) accept() {
	for {
		bridge, err := o.listener.Accept()
		if err != nil {
			return
		}
		o.all.Go(func() {
			defer bridge.Close()
			o.serve(bridge)
		})
	}
}

// serve passes messages on until one end is gone.
func (o *oldSwitch) serve(bridge net.Conn) {
	controller, err := o.host.Dial(o.ctx, "tcp", o.server)
	if err != nil {
		return // the bridge dials again
	}
	end := func() { controller.Close(); bridge.Close() }
	defer end()
	stop := context.AfterFunc(o.ctx, end)
	defer stop()
	var toController sync.Mutex // whole messages
	send := func(m []byte) error {
		toController.Lock()
		defer toController.Unlock()
		_, err := controller.Write(m)
		return err
	}
	var both sync.WaitGroup
	both.Go(func() {
		defer end()
		pass(bridge, send)
	})
	both.Go(func() {
		defer end()
		pass(controller, func(m []byte) error {
			if refusal := refuseMonitor(m); refusal != nil {
				return send(refusal)
			}
			_, err := bridge.Write(m)
			return err
		})
	})
	both.Wait()
}

// openFlowHeader is the length of the header of every message, OpenFlow 1.3.5
// §7.1.
const openFlowHeader = 8

// pass hands messages on, one by one, until an end is gone.
func pass(from io.Reader, to func([]byte) error) {
	var header [openFlowHeader]byte
	for {
		if _, err := io.ReadFull(from, header[:]); err != nil {
			return
		}
		m := make([]byte, max(openFlowHeader, int(binary.BigEndian.Uint16(header[2:]))))
		copy(m, header[:])
		if _, err := io.ReadFull(from, m[openFlowHeader:]); err != nil {
			return
		}
		if err := to(m); err != nil {
			return
		}
	}
}

// refuseMonitor returns what a switch without a flow monitor answers to a
// request for one, nil for any other message.
func refuseMonitor(m []byte) []byte {
	const (
		multipartRequest, experimenter = 18, 0xffff
		onf, flowMonitor               = 0x4f4e4600, 1870
		typeError                      = 1
		badRequest, badExperimenter    = 1, 3
		quoted                         = 64 // bytes of the request, at least
	)
	if len(m) < 24 || m[1] != multipartRequest || binary.BigEndian.Uint16(m[8:]) != experimenter ||
		binary.BigEndian.Uint32(m[16:]) != onf || binary.BigEndian.Uint32(m[20:]) != flowMonitor {
		return nil
	}
	m = m[:min(len(m), quoted)]
	e := append([]byte{m[0], typeError}, binary.BigEndian.AppendUint16(nil, uint16(12+len(m)))...)
	e = append(e, m[4:8]...) // its number
	e = binary.BigEndian.AppendUint16(e, badRequest)
	e = binary.BigEndian.AppendUint16(e, badExperimenter)
	return append(e, m...)
}

// growOld puts an oldSwitch on every host, and has the server send bridges
// there. What it returns makes all what it was; it is never nil.
func (m *Mesh) growOld(ctx context.Context) (rejuvenate func(context.Context) error, err error) {
	s := m.Server
	args := s.Args
	var olds []*oldSwitch
	rejuvenate = func(ctx context.Context) error {
		s.Args = args
		errs := []error{s.Stop(), s.Start(ctx), m.settledWithin(ctx, settleLimit)}
		for _, o := range olds {
			errs = append(errs, o.close())
		}
		return errors.Join(errs...)
	}
	for _, h := range m.Hosts() {
		o, err := startOldSwitch(h, fmt.Sprintf("%s:%d", s.address, s.openflow))
		if err != nil {
			return rejuvenate, err
		}
		olds = append(olds, o)
	}
	s.Args = append(args[:len(args):len(args)], "--openflow-advertise", "tcp:"+oldTarget)
	if err := errors.Join(s.Stop(), s.Start(ctx)); err != nil {
		return rejuvenate, err
	}
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	return rejuvenate, Until(ctx, m.polled)
}
