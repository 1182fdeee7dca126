package openflow

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"go.uber.org/zap"

	"ovsmesh/openflow/wire"
)

// maxType is the greatest message type of OpenFlow 1.3 (OFPT_METER_MOD).
const maxType wire.Type = 29

var errEchoFlood = errors.New("switch asks for echoes and does not read them")

// read takes messages off the connection, in order, until it fails. It never
// waits for the writer: a switch that has stopped reading until we read would
// be stuck with us for ever.
func (s *Session) read() error {
	for {
		// The deadline is for one whole message, so that a peer can't keep
		// the connection by a byte now and then.
		if err := s.conn.SetReadDeadline(time.Now().Add(s.cfg.SilenceTimeout)); err != nil {
			return err
		}
		m, err := wire.ReadMessage(s.in)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%w for %v", ErrSilent, s.cfg.SilenceTimeout)
		}
		if err != nil {
			return err
		}
		s.heard.Store(time.Now().UnixNano())
		s.cfg.Counters.MessagesIn.Add(1)
		if err := s.dispatch(m); err != nil {
			return err
		}
	}
}

// dispatch handles one message. An error ends the session.
func (s *Session) dispatch(m wire.Message) error {
	switch m.Type {
	case wire.TypeEchoRequest:
		reply, err := wire.EncodeEchoReply(m)
		if err != nil {
			return err
		}
		select {
		case s.urgent <- reply:
			return nil
		default:
			return errEchoFlood
		}
	case wire.TypePortStatus:
		p, err := wire.DecodePortStatus(m)
		if err != nil {
			return err
		}
		s.ports.add(p)
		return nil
	case wire.TypeError:
		e, err := wire.DecodeError(m)
		if err != nil {
			return err
		}
		if b := s.open.Load(); b != nil && b.refused(e) || s.calls.fail(m.XID, e) {
			return nil
		}
		s.log.Warn("switch reports an error that answers nothing", zap.Error(e))
		return nil
	case wire.TypeEchoReply:
		s.echoes.came(m.XID)
		return s.calls.deliver(m)
	case wire.TypeBarrierReply, wire.TypeMultipartReply, wire.TypeExperimenter:
		if m.XID == 0 { // answers nothing of ours
			return s.flows.push(m, s.cfg.Counters)
		}
		return s.calls.deliver(m)
	}
	if m.Type > maxType {
		return fmt.Errorf("message of unknown type %d: %w", m.Type, wire.ErrMalformed)
	}
	return nil // packet-in, flow-removed, …: nothing here waits for them
}

// write puts messages on the connection until the session ends, and asks for an
// echo whenever the switch has been silent for a while.
func (s *Session) write() error {
	w := bufio.NewWriter(deadlineWriter{s.conn, s.cfg.WriteTimeout})
	idle := time.NewTimer(s.cfg.EchoInterval)
	defer idle.Stop()
	for {
		var b []byte
		var o outgoing
		select {
		case b = <-s.urgent:
		default:
			select {
			case <-s.dying:
				return s.err
			case b = <-s.urgent:
			case o = <-s.out:
				b = o.bytes
			case <-idle.C:
				silent := time.Since(time.Unix(0, s.heard.Load()))
				if silent < s.cfg.EchoInterval {
					idle.Reset(s.cfg.EchoInterval - silent)
					continue
				}
				idle.Reset(s.cfg.EchoInterval)
				xid := s.calls.xids(1)
				echo, err := wire.EncodeEchoRequest(xid)
				if err != nil {
					return err
				}
				s.echoes.sent(xid, s.heard.Load())
				b = echo
			}
		}
		if o.permit != nil {
			if err := w.Flush(); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			if !o.permit.Valid() {
				close(o.denied)
				continue
			}
		}
		s.cfg.Counters.MessagesOut.Add(wire.Count(b))
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if o.permit != nil || len(s.urgent) == 0 && len(s.out) == 0 {
			if err := w.Flush(); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
	}
}

// deadlineWriter gives each write to the connection its own deadline.
type deadlineWriter struct {
	conn    net.Conn
	timeout time.Duration
}

func (w deadlineWriter) Write(b []byte) (int, error) {
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, err
	}
	return w.conn.Write(b)
}
