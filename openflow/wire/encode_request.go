package wire

import (
	"encoding/binary"

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

// EncodeBundleMod encodes a flow-mod as an addition to the bundle with the
// given ID. The switch names its XID in an error about either.
func EncodeBundleMod(mod Mod, xid, id uint32) ([]byte, error) {
	return AppendBundleMod(make([]byte, 0, usualMod), mod, xid, id)
}

// AppendBundleMod appends what EncodeBundleMod encodes to b.
func AppendBundleMod(b []byte, mod Mod, xid, id uint32) ([]byte, error) {
	start := len(b)
	b = appendHeader(b, TypeExperimenter, xid)
	b = binary.BigEndian.AppendUint32(b, experimenterONF)
	b = binary.BigEndian.AppendUint32(b, experimenterBundleAdd)
	b = binary.BigEndian.AppendUint32(b, id)
	b = append(b, 0, 0, 0, bundleFlags)
	// A switch refuses an inner message with another XID than the outer one's.
	b, err := appendFlowMod(b, mod, xid)
	if err != nil {
		return nil, err
	}
	return setLength("bundle add", b, start)
}
