package wire

import "fmt"

// errorExperimenter is the type of an error whose meaning an experimenter
// defines.
const errorExperimenter = 0xffff

// Error is an error message of a switch, OpenFlow 1.3.5 §7.4.4. As a Go error
// it names the well-known ones as the specification does.
type Error struct {
	XID          uint32 // of the message that was refused
	Type, Code   uint16 // Code is the experimenter's own where Experimenter is not 0
	Experimenter uint32
	Data         []byte // the beginning of that message, or for a failed hello a text
}

// DecodeError decodes an error message of any version of OpenFlow.
func DecodeError(m Message) (*Error, error) {
	if err := m.expect("error", TypeError); err != nil {
		return nil, err
	}
	r := newReader("error", m.Body)
	e := &Error{XID: m.XID, Type: r.u16(), Code: r.u16()}
	if e.Type == errorExperimenter {
		e.Experimenter = r.u32()
	}
	if r.err != nil {
		return nil, r.err
	}
	e.Data = r.b
	return e, nil
}

// Error returns the error's name, or its numbers where it has none here.
func (e *Error) Error() string {
	if e.Experimenter != 0 {
		if s := bundleErrorName(e.Experimenter, e.Code); s != "" {
			return s
		}
		return fmt.Sprintf("switch error: experimenter %#x code %d", e.Experimenter, e.Code)
	}
	if s := errorName(e.Type, e.Code); s != "" {
		return s
	}
	return fmt.Sprintf("switch error type %d code %d", e.Type, e.Code)
}

// A hello's refusal, which we send too.
const (
	ErrorHelloFailed       uint16 = 0 // type
	ErrorHelloIncompatible uint16 = 0 // code
)

const (
	errorBadRequest     uint16 = 1
	errorBadAction      uint16 = 2
	errorBadInstruction uint16 = 3
	errorBadMatch       uint16 = 4
	errorFlowModFailed  uint16 = 5

	errorBundleFirst uint16 = 2300 // code of the first bundle error
)

func errorName(typ, code uint16) string {
	var prefix string
	var codes []string
	switch typ {
	case ErrorHelloFailed:
		prefix, codes = "OFPHFC_", []string{"INCOMPATIBLE", "EPERM"}
	case errorBadRequest:
		prefix, codes = "OFPBRC_", []string{"BAD_VERSION", "BAD_TYPE", "BAD_MULTIPART", "BAD_EXPERIMENTER",
			"BAD_EXP_TYPE", "EPERM", "BAD_LEN", "BUFFER_EMPTY", "BUFFER_UNKNOWN", "BAD_TABLE_ID", "IS_SLAVE",
			"BAD_PORT", "BAD_PACKET", "MULTIPART_BUFFER_OVERFLOW"}
	case errorBadAction:
		prefix, codes = "OFPBAC_", []string{"BAD_TYPE", "BAD_LEN", "BAD_EXPERIMENTER", "BAD_EXP_TYPE", "BAD_OUT_PORT",
			"BAD_ARGUMENT", "EPERM", "TOO_MANY", "BAD_QUEUE", "BAD_OUT_GROUP", "MATCH_INCONSISTENT",
			"UNSUPPORTED_ORDER", "BAD_TAG", "BAD_SET_TYPE", "BAD_SET_LEN", "BAD_SET_ARGUMENT"}
	case errorBadInstruction:
		prefix, codes = "OFPBIC_", []string{"UNKNOWN_INST", "UNSUP_INST", "BAD_TABLE_ID", "UNSUP_METADATA",
			"UNSUP_METADATA_MASK", "BAD_EXPERIMENTER", "BAD_EXP_TYPE", "BAD_LEN", "EPERM"}
	case errorBadMatch:
		prefix, codes = "OFPBMC_", []string{"BAD_TYPE", "BAD_LEN", "BAD_TAG", "BAD_DL_ADDR_MASK", "BAD_NW_ADDR_MASK",
			"BAD_WILDCARDS", "BAD_FIELD", "BAD_VALUE", "BAD_MASK", "BAD_PREREQ", "DUP_FIELD", "EPERM"}
	case errorFlowModFailed:
		prefix, codes = "OFPFMFC_", []string{"UNKNOWN", "TABLE_FULL", "BAD_TABLE_ID", "OVERLAP", "EPERM",
			"BAD_TIMEOUT", "BAD_COMMAND", "BAD_FLAGS"}
	}
	if int(code) >= len(codes) {
		return ""
	}
	return prefix + codes[code]
}

func bundleErrorName(experimenter uint32, code uint16) string {
	codes := []string{"UNKNOWN", "EPERM", "BAD_ID", "BUNDLE_EXIST", "BUNDLE_CLOSED", "OUT_OF_BUNDLES", "BAD_TYPE",
		"BAD_FLAGS", "MSG_BAD_LEN", "MSG_BAD_XID", "MSG_UNSUP", "MSG_CONFLICT", "MSG_TOO_MANY", "MSG_FAILED",
		"TIMEOUT", "BUNDLE_IN_PROGRESS"}
	i := int(code) - int(errorBundleFirst)
	if experimenter != experimenterONF || i < 0 || i >= len(codes) {
		return ""
	}
	return "OFPBFC_" + codes[i]
}
