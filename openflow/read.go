package openflow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ovsmesh/openflow/flow"
	"ovsmesh/openflow/wire"
)

// Flows returns all flows of all tables, in the switch's order. Those that
// Open vSwitch hides (in-band control, the NORMAL rule of a standalone bridge
// without a controller) are not among them.
func (s *Session) Flows(ctx context.Context) ([]flow.Flow, error) {
	xid := s.calls.xids(1)
	request, err := wire.EncodeFlowRequest(xid, wire.FlowRequest{Table: wire.AllTables})
	if err != nil {
		return nil, s.failed("read flows", err)
	}
	var parts [][]flow.Flow
	total := 0
	err = s.multipart(ctx, xid, request, wire.MultipartFlow, func(body []byte) error {
		part, err := wire.DecodeFlows(body)
		if err != nil {
			return err
		}
		if total += len(part); total > s.cfg.MaxFlows {
			return fmt.Errorf("more than %d flows: %w", s.cfg.MaxFlows, ErrTooMuch)
		}
		parts = append(parts, part)
		return nil
	})
	if err != nil {
		return nil, s.failed("read flows", err)
	}
	return slices.Concat(parts...), nil
}

// Ports returns the switch's ports.
func (s *Session) Ports(ctx context.Context) ([]wire.Port, error) {
	return gather(ctx, s, "read ports", wire.MultipartPortDesc, wire.DecodePorts)
}

// Groups returns the switch's groups.
func (s *Session) Groups(ctx context.Context) ([]wire.Group, error) {
	return gather(ctx, s, "read groups", wire.MultipartGroupDesc, wire.DecodeGroups)
}

// Desc returns what the switch says of its make.
func (s *Session) Desc(ctx context.Context) (wire.Desc, error) {
	descs, err := gather(ctx, s, "read description", wire.MultipartDesc, func(body []byte) ([]wire.Desc, error) {
		d, err := wire.DecodeDesc(body)
		return []wire.Desc{d}, err
	})
	if err != nil {
		return wire.Desc{}, err
	}
	return descs[0], nil
}

// gather sends a request without a body and joins the records of all parts.
func gather[T any](ctx context.Context, s *Session, op string, typ wire.MultipartType, decode func([]byte) ([]T, error)) ([]T, error) {
	xid := s.calls.xids(1)
	request, err := wire.EncodeMultipartRequest(xid, typ)
	if err != nil {
		return nil, s.failed(op, err)
	}
	var all []T
	err = s.multipart(ctx, xid, request, typ, func(body []byte) error {
		part, err := decode(body)
		all = append(all, part...)
		return err
	})
	if err != nil {
		return nil, s.failed(op, err)
	}
	return all, nil
}

// multipart sends a request and gives the body of each part of its answer to
// add, until the last one.
func (s *Session) multipart(ctx context.Context, xid uint32, request []byte, typ wire.MultipartType, add func([]byte) error) error {
	size := 0
	return s.ask(ctx, xid, request, func(m wire.Message) (bool, error) {
		p, err := wire.DecodeMultipart(m)
		if err != nil {
			return false, err
		}
		if p.Type != typ {
			return false, fmt.Errorf("multipart reply of type %d, not %d: %w", p.Type, typ, wire.ErrMalformed)
		}
		// An empty part counts too, or a switch could send them for ever.
		if size += len(m.Body); size > s.cfg.MaxReply {
			return false, fmt.Errorf("more than %d bytes: %w", s.cfg.MaxReply, ErrTooMuch)
		}
		return !p.More, add(p.Body)
	})
}

func wantType(m wire.Message, want wire.Type) error {
	if m.Type != want {
		return fmt.Errorf("answer of type %d, not %d: %w", m.Type, want, wire.ErrMalformed)
	}
	return nil
}

func isMalformed(err error) bool { return errors.Is(err, wire.ErrMalformed) }
