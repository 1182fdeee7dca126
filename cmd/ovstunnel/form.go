package main

import (
	"fmt"
	"slices"
	"strings"
)

// form is one of the ways in which the plugin is called and answers.
type form interface {
	// read returns the call that the command line makes. With an error the call
	// holds what could be told of it.
	read() (call, *failure)
	// say returns what is printed of a call's outcome, and the exit code: with
	// strict one that is as for any command.
	say(o outcome, strict bool) (stdout, stderr string, code int)
}

// xapiForm is that of XenServer's toolstack: XML-RPC in the one argument and on
// stdout, where nothing else may be. The exit code is 0 for a failure, too: it is
// the answer that tells.
type xapiForm struct{ text string }

// isXAPI reports whether a command line is of XenServer's form.
func isXAPI(args []string) bool {
	return len(args) == 1 && strings.HasPrefix(strings.TrimLeft(args[0], " \t\r\n"), "<")
}

func (x xapiForm) read() (call, *failure) {
	method, given, err := readMethodCall(x.text)
	c := call{function: method}
	if err != nil {
		return c, failed(argumentError, "%v", err)
	}
	f, ok := findFunction(method)
	if !ok {
		return c, failed(unknownError, "%s", method)
	}
	c.args = map[string]string{}
	var missing []string
	for _, a := range f.args {
		value, is := given[a.name]
		switch {
		case is:
			c.args[a.name] = value
		case !a.optional:
			missing = append(missing, a.name)
		}
	}
	if len(missing) > 0 {
		return c, failed(argumentError, "%s needs %s", method, strings.Join(missing, " and "))
	}
	return c, nil
}

func (xapiForm) say(o outcome, _ bool) (stdout, stderr string, code int) {
	switch {
	case o.err == nil:
		return succeeded(o.value), "", 0
	case o.err.class == unknownError:
		return refused("UNKNOWN_XENAPI_PLUGIN_FUNCTION", short(o.call.function)), "", 0
	}
	return refused("XENAPI_PLUGIN_FAILURE", short(o.call.function), o.err.class, short(o.err.text)), "", 0
}

// kvmForm is that of CloudStack's KVM agent: a function and options, answered by
// the exit code and what is printed.
type kvmForm struct {
	args    []string
	options options
	err     error // about options
}

func newKVMForm(args []string) kvmForm {
	o, err := readOptions(args)
	return kvmForm{args, o, err}
}

func (k kvmForm) read() (call, *failure) {
	c, err := k.options.call()
	if k.err != nil {
		err = k.err
	}
	if err == nil {
		return c, nil
	}
	if slices.Contains(k.args, createTunnel) {
		c.function = createTunnel // whose failures have an exit code of their own
	}
	return c, failed(argumentError, "%s (see ovstunnel --help)", oneLine(err.Error()))
}

// say answers as the agent's code reads it. Its Script.execute() gives null for
// exit code 0, else what was printed on stdout and stderr together. For most
// functions null is success. LibvirtOvsCreateTunnelCommandWrapper takes null for
// failure and all else for success; those of the VPC functions take "SUCCESS"
// for success and all else for failure, null by way of an exception. It reads what
// was printed only after the end, so that must be no more than a pipe holds.
func (kvmForm) say(o outcome, strict bool) (stdout, stderr string, code int) {
	if o.err != nil {
		text := strings.TrimSpace(o.call.function + ": " + o.err.text)
		stderr = fmt.Sprintf("ovstunnel: %s\n", short(strings.TrimPrefix(oneLine(text), ": ")))
	} else {
		stdout = oneLine(o.value) + "\n"
	}
	switch {
	case strict && o.err == nil:
		return stdout, stderr, 0
	case strict:
		return stdout, stderr, 1
	case o.call.function == createTunnel && o.err != nil:
		return stdout, stderr, 0
	case o.call.function == createTunnel:
		return stdout, stderr, 1
	case o.err != nil:
		return stdout, stderr, 1
	case o.call.function == configureTopology || o.call.function == configurePolicies:
		return "SUCCESS\n", "", 1
	}
	return stdout, stderr, 0
}

// maxText bounds what is told of a failure, in bytes.
const maxText = 4 << 10

// short is text of at most maxText bytes.
func short(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}

// oneLine is text without line breaks and what a terminal would not print but
// obey.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(clean), " ")
}
