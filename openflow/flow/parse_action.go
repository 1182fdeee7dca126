package flow

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// errForeign is the answer to an action of which this package has the name and
// not this form of it.
var errForeign = errors.New("another form of an action")

// parseActions reads what stands after "actions=". inside counts the
// write_actions around it.
func parseActions(text string, inside int) (Actions, error) {
	if text == "drop" {
		return nil, nil
	}
	list := make(Actions, 0, 1+strings.Count(text, ","))
	for more := true; more; {
		var token string
		token, text, more = cutOutside(text, ",")
		a, err := parseAction(token, inside)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

func parseAction(token string, inside int) (Action, error) {
	a, err := parseKnown(token, inside)
	if errors.Is(err, errForeign) {
		return parseText(token)
	}
	return a, err
}

// parseText keeps an action as it stands.
func parseText(token string) (Action, error) {
	end := strings.IndexAny(token, ":(")
	if end < 0 {
		end = len(token)
	}
	if name := token[:end]; !identifier(name) || name == "drop" || !balanced(token) {
		return nil, fmt.Errorf("unknown action %q", token)
	}
	for i := range len(token) {
		if token[i] < ' ' || token[i] == 0x7f {
			return nil, fmt.Errorf("unknown action %q", token)
		}
	}
	return Text{token}, nil
}

func parseKnown(token string, inside int) (Action, error) {
	if name, body, ok := parenthesized(token); ok {
		return parseParenthesized(token, name, body, inside)
	}
	if token == "clear_actions" {
		return ClearActions{}, nil
	}
	if port, ok := namedPort(strings.ToUpper(token)); ok {
		if port == PortController {
			return Output{Port: port, MaxLen: 0xffff}, nil
		}
		return Output{Port: port}, nil
	}
	name, value, _ := strings.Cut(token, ":")
	switch name {
	case "output":
		return parseOutput(token, value)
	case "CONTROLLER", "controller":
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
	return nil, errForeign
}

// parseOutput reads what follows "output:", which may also be bits of a field.
func parseOutput(token, value string) (Action, error) {
	if port, ok := namedPort(value); ok {
		if port == PortController {
			return Output{Port: port, MaxLen: 0xffff}, nil
		}
		return Output{Port: port}, nil
	}
	if strings.HasSuffix(value, "]") || strings.HasPrefix(value, `"`) {
		return nil, errForeign
	}
	port, err := parseUint(token, value, 32)
	return Output{Port: uint32(port)}, err
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
			return nil, errors.New("write_actions within write_actions")
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
	return nil, errForeign
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
	for i := range fields {
		n, ok := fields[i].is(name, fields[i].set)
		if !ok {
			continue
		}
		k := fields[i].at(n).setting()
		x, err := k.parse(name, text)
		if err == nil && !k.fits(x) {
			err = fmt.Errorf("%s: a mask on a field that takes none", token)
		}
		return SetField{x}, err
	}
	if !identifier(name) || text == "" {
		return nil, fmt.Errorf("unknown action %q", token)
	}
	return nil, errForeign
}
