package flow

import (
	"fmt"
	"strings"
)

func parseActions(text string) (Actions, error) {
	if text == "drop" {
		return nil, nil
	}
	var list Actions
	for _, token := range splitActions(text) {
		a, err := parseAction(token)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// splitActions cuts at the commas that no parenthesis encloses.
func splitActions(text string) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, text[start:i])
				start = i + 1
			}
		}
	}
	return append(out, text[start:])
}

func parseAction(token string) (Action, error) {
	if inner, ok := strings.CutPrefix(token, "write_actions("); ok && strings.HasSuffix(inner, ")") {
		list, err := parseActions(strings.TrimSuffix(inner, ")"))
		return WriteActions{list}, err
	}
	name, value, _ := strings.Cut(token, ":")
	switch name {
	case "output":
		port, err := parseUint(token, value, 32)
		return Output{Port: uint32(port)}, err
	case "CONTROLLER":
		n, err := parseUint(token, value, 16)
		return Output{Port: PortController, MaxLen: uint16(n)}, err
	case "group":
		id, err := parseUint(token, value, 32)
		return Group{uint32(id)}, err
	case "meter":
		id, err := parseUint(token, value, 32)
		return Meter{uint32(id)}, err
	case "goto_table":
		id, err := parseUint(token, value, 8)
		return GotoTable{uint8(id)}, err
	case "clear_actions":
		return ClearActions{}, nil
	case "write_metadata":
		return parseWriteMetadata(token, value)
	case "set_field":
		return parseSetField(token, value)
	}
	for port, reserved := range reservedPorts {
		if token == reserved {
			return Output{Port: port}, nil
		}
	}
	return nil, fmt.Errorf("unknown action %q", token)
}

func parseWriteMetadata(token, value string) (Action, error) {
	text, mask, masked := strings.Cut(value, "/")
	a := WriteMetadata{Mask: ^uint64(0)}
	var err error
	if a.Value, err = parseUint(token, text, 64); err == nil && masked {
		a.Mask, err = parseUint(token, mask, 64)
	}
	return a, err
}

func parseSetField(token, value string) (Action, error) {
	text, name, ok := strings.Cut(value, "->")
	for _, k := range fields {
		if !ok || k.set != name {
			continue
		}
		if k.form == formVLAN || k.form == formDSCP {
			k.form = formDecimal
		}
		x, err := k.parse(name, text)
		return SetField{x}, err
	}
	return nil, fmt.Errorf("unknown action %q", token)
}
