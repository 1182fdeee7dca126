package wire

import (
	"fmt"

	of "github.com/contiv/libOpenflow/openflow13"
	"github.com/contiv/libOpenflow/util"
)

// AllTables as a FlowRequest's table asks for the flows of every table.
const AllTables = 0xff

// FlowRequest selects the flows of a flow-stats reply: those of the table whose
// cookie agrees with Cookie in the bits of CookieMask. Note that table 0 is the
// zero value; see AllTables.
type FlowRequest struct {
	Table              uint8
	Cookie, CookieMask uint64
}

// EncodeFlowRequest encodes a flow-stats request.
func EncodeFlowRequest(xid uint32, q FlowRequest) ([]byte, error) {
	body := of.NewFlowStatsRequest()
	body.TableId = q.Table
	body.Cookie, body.CookieMask = q.Cookie, q.CookieMask
	return encodeMultipart(xid, MultipartFlow, body)
}

// EncodeMultipartRequest encodes a multipart request whose body is empty, as
// those for ports, groups and the switch's description are.
func EncodeMultipartRequest(xid uint32, typ MultipartType) ([]byte, error) {
	return encodeMultipart(xid, typ, raw(nil))
}

func encodeMultipart(xid uint32, typ MultipartType, body util.Message) ([]byte, error) {
	return marshal("multipart request", &of.MultipartRequest{
		Header: header(TypeMultipartRequest, xid),
		Type:   uint16(typ),
		Body:   body,
	})
}

// EncodeBundleControl encodes a command about the bundle with the given ID,
// which is atomic and ordered.
func EncodeBundleControl(xid, id uint32, cmd BundleCommand) ([]byte, error) {
	m := of.NewBundleControl(&of.BundleControl{BundleID: id, Type: uint16(cmd), Flags: bundleFlags})
	m.Header = header(TypeExperimenter, xid)
	return marshal("bundle control", m)
}

// bundleAddLen is the length of a bundle-add message without the one inside.
const bundleAddLen = headerLen + 8 + 8

// EncodeBundleMod encodes a flow-mod as an addition to the bundle with the
// given ID. The switch names its XID in an error about either.
func EncodeBundleMod(mod Mod, xid, id uint32) ([]byte, error) {
	// A switch refuses an inner message with another XID than the outer one's.
	inner, err := EncodeFlowMod(mod, xid)
	if err != nil {
		return nil, err
	}
	if len(inner) > MaxMessage-bundleAddLen {
		return nil, fmt.Errorf("bundle add: %d bytes: %w", len(inner)+bundleAddLen, ErrTooLong)
	}
	m := of.NewBundleAdd(&of.BundleAdd{BundleID: id, Flags: bundleFlags, Message: raw(inner)})
	m.Header = header(TypeExperimenter, xid)
	return marshal("bundle add", m)
}
