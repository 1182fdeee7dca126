package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxMethodCall bounds a call from XenServer's toolstack, in bytes. Linux passes
// on at most 128 KiB in one argument.
const maxMethodCall = 1 << 20

// readMethodCall reads the XML-RPC methodCall of a plugin: the function's name,
// the session, which is not kept, and a struct of strings. With an error comes
// the function's name where it was reached.
func readMethodCall(text string) (method string, args map[string]string, err error) {
	if len(text) > maxMethodCall {
		return "", nil, fmt.Errorf("a methodCall of %d bytes: it may have %d", len(text), maxMethodCall)
	}
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("encoding %s: want UTF-8", charset)
	}
	r := &xmlReader{d: d}
	r.start("methodCall")
	r.start("methodName")
	method = strings.TrimSpace(r.text("methodName"))
	r.start("params")
	r.start("param")
	r.start("value")
	r.value("the session")
	r.end("param")
	r.start("param")
	r.start("value")
	args = r.arguments()
	r.end("param")
	r.end("params")
	r.end("methodCall")
	r.nothingMore()
	switch {
	case r.err != nil:
		return method, nil, fmt.Errorf("not a methodCall: %w", r.err)
	case method == "":
		return "", nil, errors.New("not a methodCall: methodName is empty")
	}
	return method, args, nil
}

// xmlReader reads elements in the order in which they must come. After its first
// error it reads nothing more.
type xmlReader struct {
	d   *xml.Decoder
	err error
}

// token returns the next element's start or end, or text; nil after an error.
func (r *xmlReader) token() xml.Token {
	for r.err == nil {
		t, err := r.d.Token()
		switch {
		case errors.Is(err, io.EOF):
			r.err = errors.New("it ends too early")
		case err != nil:
			r.err = err
		}
		if r.err != nil {
			break
		}
		switch t := t.(type) {
		case xml.Directive:
			r.err = errors.New("a document type or entity has no place in it")
		case xml.StartElement:
			if t.Name.Space != "" {
				r.err = fmt.Errorf("element %s has a name space", t.Name.Local)
				return nil
			}
			return t
		case xml.EndElement, xml.CharData:
			return t
		}
	}
	return nil
}

// tag returns the next start or end; there may be only blanks before it.
func (r *xmlReader) tag() xml.Token {
	for {
		t := r.token()
		text, ok := t.(xml.CharData)
		if !ok {
			return t
		}
		if blank := strings.TrimSpace(string(text)); blank != "" {
			r.err = fmt.Errorf("text %.20q between elements", blank)
			return nil
		}
	}
}

// start takes the start of an element.
func (r *xmlReader) start(name string) {
	switch t := r.tag().(type) {
	case xml.StartElement:
		if t.Name.Local != name {
			r.err = fmt.Errorf("element %s where %s is wanted", t.Name.Local, name)
		}
	case xml.EndElement:
		r.err = fmt.Errorf("%s ends without %s", t.Name.Local, name)
	}
}

// end takes the end of an element.
func (r *xmlReader) end(name string) {
	if t, ok := r.tag().(xml.StartElement); ok {
		r.err = fmt.Errorf("element %s where %s must end", t.Name.Local, name)
	}
}

// text returns the text up to the end of an element, which has no others in it.
func (r *xmlReader) text(name string) string {
	var b strings.Builder
	for {
		switch t := r.token().(type) {
		case xml.CharData:
			b.Write(t)
		case xml.StartElement:
			r.err = fmt.Errorf("element %s within %s", t.Name.Local, name)
			return ""
		default:
			return b.String()
		}
	}
}

// value returns the text of a value that has begun, with or without an element
// string around it.
func (r *xmlReader) value(what string) string {
	var b strings.Builder
	for {
		switch t := r.token().(type) {
		case xml.CharData:
			b.Write(t)
		case xml.StartElement:
			switch {
			case t.Name.Local != "string":
				r.err = fmt.Errorf("%s is of type %s: it must be a string", what, t.Name.Local)
			case strings.TrimSpace(b.String()) != "":
				r.err = fmt.Errorf("%s: text beside its string", what)
			}
			text := r.text("string")
			r.end("value")
			return text
		default:
			return b.String()
		}
	}
}

// arguments returns the struct of strings of a value that has begun.
func (r *xmlReader) arguments() map[string]string {
	switch t := r.tag().(type) {
	case xml.StartElement:
		if t.Name.Local != "struct" {
			r.err = fmt.Errorf("the arguments are of type %s: they must be a struct of strings", t.Name.Local)
			return nil
		}
	case xml.EndElement:
		r.err = errors.New("the arguments are empty: they must be a struct of strings")
		return nil
	}
	args := map[string]string{}
	for {
		t, ok := r.tag().(xml.StartElement)
		if !ok {
			break // of struct
		}
		if t.Name.Local != "member" {
			r.err = fmt.Errorf("element %s within struct", t.Name.Local)
			return nil
		}
		r.start("name")
		name := r.text("name")
		if _, twice := args[name]; twice && r.err == nil {
			r.err = fmt.Errorf("argument %s is given twice", name)
		}
		r.start("value")
		args[name] = r.value("argument " + name)
		r.end("member")
	}
	r.end("value")
	return args
}

// nothingMore refuses what comes after the call.
func (r *xmlReader) nothingMore() {
	for r.err == nil {
		t, err := r.d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.err = err
			return
		}
		switch t := t.(type) {
		case xml.CharData:
			if strings.TrimSpace(string(t)) == "" {
				continue
			}
		case xml.Comment, xml.ProcInst:
			continue
		}
		r.err = errors.New("something comes after its end")
	}
}

// succeeded is the methodResponse of a success, byte for byte as Python's
// xmlrpclib writes it and the plugin prints it.
func succeeded(value string) string {
	return response("Success", "Value", "<string>"+escape(value)+"</string>")
}

// refused is the methodResponse of a failure: a code and its parameters.
func refused(description ...string) string {
	var b strings.Builder
	b.WriteString("<array><data>\n")
	for _, d := range description {
		b.WriteString("<value><string>" + escape(d) + "</string></value>\n")
	}
	b.WriteString("</data></array>")
	return response("Failure", "ErrorDescription", b.String())
}

func response(status, name, value string) string {
	return "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><struct>\n" +
		"<member>\n<name>Status</name>\n<value><string>" + status + "</string></value>\n</member>\n" +
		"<member>\n<name>" + name + "</name>\n<value>" + value + "</value>\n</member>\n" +
		"</struct></value>\n</param>\n</params>\n</methodResponse>\n\n"
}

// escape is text as it stands in an element. What XML can't carry becomes a
// replacement character: a toolstack that can't read the answer shows nothing of
// it.
func escape(text string) string {
	legal := strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return ' ' // XML has every parser take it for a line's end
		case r == '\t', r == '\n', r >= ' ' && r != 0x7f && r != 0xfffe && r != 0xffff:
			return r
		}
		return 0xfffd
	}, text)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(legal)
}
