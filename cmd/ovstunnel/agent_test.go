package main

import (
	"encoding/xml"
	"strings"
	"testing"
)

// What follows is a model of CloudStack's side, written from its sources: of
// Script.execute() with its OutputInterpreter, of the KVM agent's wrappers
// (LibvirtOvs…CommandWrapper, LibvirtComputingResource), and of XenServer's
// (CitrixOvs…CommandWrapper, callHostPlugin). It is no CloudStack.

// scriptExecute is what Script.execute() returns of a process that ended in time:
// null for exit code 0, else the lines of stdout and stderr without their breaks.
func scriptExecute(r ran) (result string, null bool) {
	if r.code == 0 {
		return "", true
	}
	return strings.ReplaceAll(r.stdout+r.stderr, "\n", ""), false
}

// agentTakesForSuccess is the wrapper's verdict on a call of the KVM agent.
func agentTakesForSuccess(function string, r ran) bool {
	result, null := scriptExecute(r)
	switch function {
	case createTunnel:
		return !null
	case configureTopology, configurePolicies:
		return !null && strings.EqualFold(result, "SUCCESS") // null: an exception, caught
	}
	return null
}

// xapiTakesForSuccess is the wrapper's verdict on what a plugin answered.
func xapiTakesForSuccess(function string, a answer) bool {
	if a.status != "Success" {
		return false // XenAPI throws
	}
	value := strings.ReplaceAll(a.value, "\n", "")
	fields := strings.Split(value, ":")
	switch function {
	case destroyTunnel:
		return value == "SUCCESS"
	case configureTopology, configurePolicies:
		return strings.HasPrefix(value, "SUCCESS")
	}
	return len(fields) == 2 && strings.EqualFold(fields[0], "SUCCESS")
}

// answer is a methodResponse, read without the package's own code.
type answer struct {
	status, value string
	description   []string
}

func readAnswer(t *testing.T, r ran) answer {
	t.Helper()
	type value struct {
		Text string   `xml:"string"`
		List []string `xml:"array>data>value>string"`
	}
	var doc struct {
		XMLName xml.Name `xml:"methodResponse"`
		Members []struct {
			Name  string `xml:"name"`
			Value value  `xml:"value"`
		} `xml:"params>param>value>struct>member"`
	}
	if err := xml.Unmarshal([]byte(r.stdout), &doc); err != nil {
		t.Fatalf("%q: %v", r.stdout, err)
	}
	var a answer
	for _, m := range doc.Members {
		switch m.Name {
		case "Status":
			a.status = m.Value.Text
		case "Value":
			a.value = m.Value.Text
		case "ErrorDescription":
			a.description = m.Value.List
		default:
			t.Errorf("member %s", m.Name)
		}
	}
	return a
}

// What the controller has done is success to the agent and to XenServer's
// resource, by the exit codes and texts that each wants.
func TestSuccessIsSuccess(t *testing.T) {
	s := setup{server: willing(t)}
	codes := map[string]int{createTunnel: 1, configureTopology: 1, configurePolicies: 1}
	for function, args := range kvmCalls() {
		want := ran{stdout: values()[function] + "\n", code: codes[function]}
		if function == configureTopology || function == configurePolicies {
			want.stdout = "SUCCESS\n"
		}
		r := s.run(t, args...)
		r.took = 0
		if r != want || !agentTakesForSuccess(function, r) {
			t.Errorf("%s: %+v, want %+v", function, r, want)
		}
		for _, strict := range []ran{s.run(t, append(args, "--strict")...), setup{server: s.server, config: "strict: true"}.run(t, args...)} {
			strict.took = 0
			if want := (ran{stdout: values()[function] + "\n"}); strict != want {
				t.Errorf("%s --strict: %+v, want %+v", function, strict, want)
			}
		}
	}
	for function, text := range xapiCalls() {
		r := s.run(t, text)
		if a := readAnswer(t, r); r.code != 0 || r.stderr != "" || a.value != values()[function] || !xapiTakesForSuccess(function, a) {
			t.Errorf("%s: %+v", function, r)
		}
	}
}

// With --strict a failure's exit code is 1, whatever the function.
func TestStrictFailure(t *testing.T) {
	s := setup{server: refusing(t, 409, "no")}
	for function, args := range kvmCalls() {
		r := s.run(t, append([]string{"--strict"}, args...)...)
		if r.code != 1 || r.stdout != "" || r.stderr != "ovstunnel: "+function+": no\n" {
			t.Errorf("%s: %+v", function, r)
		}
	}
}
