package flow

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// parseActions reads what stands after "actions=". inside counts the
// write_actions around it.
func parseActions(text string, inside int) (Actions, error) {
	if text == "drop" {
		return nil, nil
	}
	var list Actions
	for _, token := range splitActions(text) {
		a, err := parseAction(token, inside)
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

func parseAction(token string, inside int) (Action, error) {
	if name, body, ok := parenthesized(token); ok {
		return parseParenthesized(token, name, body, inside)
	}
	if token == "clear_actions" {
		return ClearActions{}, nil
	}
	if port, ok := namedPort(token); ok && port != PortController {
		return Output{Port: port}, nil
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
	case "move":
		return parseMove(token, value)
	case "push_mpls":
		t, err := parseUint(token, value, 16)
		return PushMPLS{uint16(t)}, err
	case "write_metadata":
		return parseWriteMetadata(token, value)
	case "set_field":
		return parseSetField(token, value)
	}
	return nil, fmt.Errorf("unknown action %q", token)
}

// parenthesized cuts name(body).
func parenthesized(token string) (name, body string, ok bool) {
	name, body, ok = strings.Cut(token, "(")
	if !ok || !strings.HasSuffix(body, ")") {
		return "", "", false
	}
	return name, strings.TrimSuffix(body, ")"), true
}

func parseParenthesized(token, name, body string, inside int) (Action, error) {
	switch name {
	case "write_actions":
		if inside > 0 {
			return nil, fmt.Errorf("write_actions within write_actions")
		}
		list, err := parseActions(body, inside+1)
		return WriteActions{list}, err
	case "raw", "raw_instruction":
		b, err := hex.DecodeString(body)
		if err != nil {
			return nil, fmt.Errorf("%s: not in hexadecimal", token)
		}
		if name == "raw" {
			return Raw{string(b)}, nil
		}
		return RawInstruction{string(b)}, nil
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
	text, name, _ := strings.Cut(value, "->")
	if strings.HasPrefix(name, "oxm_") {
		x, err := parseRaw(name, text)
		return SetField{x}, err
	}
	for _, k := range fields {
		if k.set != name {
			continue
		}
		k = k.setting()
		x, err := k.parse(name, text)
		if err == nil && !k.fits(x) {
			err = fmt.Errorf("%s: a mask on a field that takes none", token)
		}
		return SetField{x}, err
	}
	return nil, fmt.Errorf("unknown action %q", token)
}
