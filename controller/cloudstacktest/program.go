package cloudstacktest

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"ovsmesh/ovsdb/ovstest"
)

// Program is a program on a host in the place of the plugin. It is Plugin for
// XenServer's resource and Script for KVM's agent.
type Program struct {
	On   *ovstest.Host
	Path string
	Env  []string // further environment
}

// Call runs the program as XAPI does: with one argument, the call, and nothing
// in its environment to be relied on.
func (p *Program) Call(ctx context.Context, function string, args map[string]string) (string, error) {
	stdout, stderr, code, err := p.exec(ctx, methodCall(function, args))
	if err != nil {
		return "", err
	}
	if code != 0 {
		return "", fmt.Errorf("XENAPI_PLUGIN_FAILURE: exit code %d: %s%s", code, stdout, stderr)
	}
	return methodResponse(stdout)
}

// Run runs the program as the agent does: what it writes to stdout and stderr is
// one text.
func (p *Program) Run(ctx context.Context, args ...string) (string, int, error) {
	stdout, stderr, code, err := p.exec(ctx, args...)
	return stdout + stderr, code, err
}

func (p *Program) exec(ctx context.Context, args ...string) (stdout, stderr string, code int, err error) {
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &problems, p.Env
	if err := p.On.Start(cmd); err != nil {
		return "", "", 0, err
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		return out.String(), problems.String(), exit.ExitCode(), nil
	}
	return out.String(), problems.String(), 0, err
}

// methodCall is a call as XAPI writes it: text has no type there.
func methodCall(function string, args map[string]string) string {
	var b strings.Builder
	b.WriteString("<?xml version='1.0'?><methodCall><methodName>" + escape(function) +
		"</methodName><params><param><value>OpaqueRef:5e7a9d0c-0000-4000-8000-000000000001</value></param><param><value><struct>")
	for _, k := range slices.Sorted(maps.Keys(args)) {
		b.WriteString("<member><name>" + escape(k) + "</name><value>" + escape(args[k]) + "</value></member>")
	}
	b.WriteString("</struct></value></param></params></methodCall>")
	return b.String()
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes all
	return b.String()
}

// value is one of XML-RPC's that a plugin may answer with.
type value struct {
	Text    string  `xml:",chardata"`
	String  *string `xml:"string"`
	Members []struct {
		Name  string `xml:"name"`
		Value value  `xml:"value"`
	} `xml:"struct>member"`
	Items []value `xml:"array>data>value"`
}

func (v value) text() string {
	if v.String != nil {
		return *v.String
	}
	return v.Text
}

// methodResponse is what XAPI makes of a plugin's answer: its value, or the
// error that it describes.
func methodResponse(answer string) (string, error) {
	var r struct {
		XMLName xml.Name `xml:"methodResponse"`
		Params  []value  `xml:"params>param>value"`
	}
	if err := xml.Unmarshal([]byte(answer), &r); err != nil {
		return "", fmt.Errorf("XENAPI_PLUGIN_FAILURE: %w: %q", err, answer)
	}
	if len(r.Params) != 1 {
		return "", fmt.Errorf("XENAPI_PLUGIN_FAILURE: %d results: %q", len(r.Params), answer)
	}
	got := make(map[string]value)
	for _, m := range r.Params[0].Members {
		got[m.Name] = m.Value
	}
	switch status := got["Status"].text(); status {
	case "Success":
		v, ok := got["Value"]
		if !ok {
			return "", fmt.Errorf("XENAPI_PLUGIN_FAILURE: success without a value: %q", answer)
		}
		return v.text(), nil
	case "Failure":
		var words []string
		for _, item := range got["ErrorDescription"].Items {
			words = append(words, item.text())
		}
		return "", errors.New(strings.Join(words, ": "))
	default:
		return "", fmt.Errorf("XENAPI_PLUGIN_FAILURE: status %q: %q", status, answer)
	}
}
