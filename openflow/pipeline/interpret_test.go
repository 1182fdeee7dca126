package pipeline_test

import (
	"encoding/binary"
	"fmt"
	"slices"

	"ovsmesh/openflow/flow"
)

// frame is what the pipeline looks at of a frame.
type frame struct {
	src, dst  [6]byte
	etherType uint16
	nwDst     [4]byte
}

func (f frame) String() string { return fmt.Sprintf("%x to %x type %04x", f.src, f.dst, f.etherType) }

// table is a bridge's flows as a switch holds them: by table, in order of
// priority.
type table map[uint8][]flow.Flow

// newTable refuses what a switch would hold only one of.
func newTable(flows []flow.Flow) (table, error) {
	t := table{}
	seen := map[flow.Key]bool{}
	for _, f := range flows {
		if k := f.Key(); seen[k] {
			return nil, fmt.Errorf("twice: %s", f)
		} else {
			seen[k] = true
		}
		t[f.Table] = append(t[f.Table], f)
	}
	for _, list := range t {
		slices.SortStableFunc(list, func(a, b flow.Flow) int { return int(b.Priority) - int(a.Priority) })
	}
	return t, nil
}

// run sends a frame through the tables and returns the ports that it leaves
// on. It is an error if it meets two flows of one priority, which OpenFlow
// leaves to the switch, or anything that the profile does not use.
func (t table) run(in uint32, f frame) ([]uint32, error) {
	var (
		out      []uint32
		metadata uint64
	)
	for id, next := uint8(0), true; next; {
		hit, err := t.find(id, in, metadata, f)
		if err != nil || hit == nil {
			return out, err
		}
		next = false
		for _, a := range hit.Actions {
			switch a := a.(type) {
			case flow.Output:
				if a.Port != in { // a switch never sends a frame back
					out = append(out, a.Port)
				}
			case flow.WriteMetadata:
				metadata = metadata&^a.Mask | a.Value&a.Mask
			case flow.GotoTable:
				if a.Table <= id {
					return nil, fmt.Errorf("goes back: %s", hit)
				}
				id, next = a.Table, true
			default:
				return nil, fmt.Errorf("not interpreted: %s", hit)
			}
		}
	}
	return out, nil
}

func (t table) find(id uint8, in uint32, metadata uint64, f frame) (*flow.Flow, error) {
	var hit *flow.Flow
	for i := range t[id] {
		c := &t[id][i]
		if hit != nil && c.Priority < hit.Priority {
			break
		}
		ok, err := matches(c.Match, in, metadata, f)
		if err != nil {
			return nil, err
		}
		if ok && hit != nil {
			return nil, fmt.Errorf("%s on %d meets both %s and %s", f, in, hit, c)
		}
		if ok {
			hit = c
		}
	}
	return hit, nil
}

func matches(m flow.Match, in uint32, metadata uint64, f frame) (bool, error) {
	for _, x := range m {
		var got []byte
		switch x.Field {
		case flow.InPort.Field():
			got = binary.BigEndian.AppendUint32(nil, in)
		case flow.Metadata.Field():
			got = binary.BigEndian.AppendUint64(nil, metadata)
		case flow.EthDst.Field():
			got = f.dst[:]
		case flow.EthSrc.Field():
			got = f.src[:]
		case flow.EthType.Field():
			got = binary.BigEndian.AppendUint16(nil, f.etherType)
		case flow.IPv4Dst.Field():
			if f.etherType != 0x0800 {
				return false, nil
			}
			got = f.nwDst[:]
		default:
			return false, fmt.Errorf("not interpreted: %s", m)
		}
		for i := range got {
			mask := byte(0xff)
			if x.Mask != "" {
				mask = x.Mask[i]
			}
			if got[i]&mask != x.Value[i]&mask {
				return false, nil
			}
		}
	}
	return true, nil
}
