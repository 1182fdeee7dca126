package notation

import "fmt"

// Set reads a <value> that is a set: ["set", [<atom>, …]], or an atom alone,
// which stands for a set of one (RFC 7047 §5.1). It calls atom once for each,
// upon which atom must read it.
func (r *Reader) Set(atom func() error) error {
	if r.Peek() != '[' {
		return atom()
	}
	// An array is a set or, like ["uuid", "…"], one atom.
	mark := r.i
	tag, err := r.tag()
	if err != nil {
		return err
	}
	if tag != "set" {
		r.i = mark
		return atom()
	}
	if err := r.Array(func(int) error { return atom() }); err != nil {
		return err
	}
	return r.take(']', "the set's end")
}

// Map reads a <value> that is a map, ["map", [[<atom>, <atom>], …]]. It calls
// pair once for each, upon which pair must read the key and, after calling
// then, the value.
func (r *Reader) Map(pair func(then func() error) error) error {
	tag, err := r.tag()
	if err != nil {
		return err
	}
	if tag != "map" {
		return fmt.Errorf("got a %.20q, want a map", tag)
	}
	then := func() error { return r.take(',', "the pair's value") }
	err = r.Array(func(int) error {
		if err := r.take('[', "a pair"); err != nil {
			return err
		}
		if err := pair(then); err != nil {
			return err
		}
		return r.take(']', "the pair's end")
	})
	if err != nil {
		return err
	}
	return r.take(']', "the map's end")
}

// UUID reads ["uuid", "…"] or ["named-uuid", "…"] and returns the text, of 1 to
// 255 bytes.
func (r *Reader) UUID() (string, error) {
	tag, err := r.tag()
	if err != nil {
		return "", err
	}
	if tag != "uuid" && tag != "named-uuid" {
		return "", fmt.Errorf("got a %.20q, want a uuid", tag)
	}
	id, err := r.Text()
	if err != nil {
		return "", err
	}
	if len(id) == 0 || len(id) > 255 {
		return "", fmt.Errorf("a uuid of %d bytes", len(id))
	}
	if err := r.take(']', "the uuid's end"); err != nil {
		return "", err
	}
	return string(id), nil
}

// Tagged returns the word that begins the array that comes next, "set" of
// ["set", …], without consuming anything; "" if no such array comes next.
func (r *Reader) Tagged() string {
	mark := r.i
	defer func() { r.i = mark }()
	tag, err := r.tag()
	if err != nil {
		return ""
	}
	return tag
}

// tag reads the beginning of a tagged value up to the comma after its tag.
func (r *Reader) tag() (string, error) {
	if err := r.take('[', "a tagged value"); err != nil {
		return "", err
	}
	if r.Peek() != '"' {
		return "", fmt.Errorf("got %q, want a tag", r.Peek())
	}
	b, err := r.Text()
	if err != nil {
		return "", err
	}
	if err := r.take(',', "the tagged value"); err != nil {
		return "", err
	}
	// The tags that exist cost no allocation.
	switch string(b) {
	case "set":
		return "set", nil
	case "map":
		return "map", nil
	case "uuid":
		return "uuid", nil
	case "named-uuid":
		return "named-uuid", nil
	}
	return string(b), nil
}
