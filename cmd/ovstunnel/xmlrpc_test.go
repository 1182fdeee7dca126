package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// methodCallOf is a call as XenServer's toolstack writes it: in one line, strings
// without an element of their own.
func methodCallOf(function string, pairs ...string) string {
	var b strings.Builder
	b.WriteString("<methodCall><methodName>" + function + "</methodName><params><param><value>OpaqueRef:5e55-10n</value></param><param><value><struct>")
	for i := 0; i+1 < len(pairs); i += 2 {
		b.WriteString("<member><name>" + escape(pairs[i]) + "</name><value>" + escape(pairs[i+1]) + "</value></member>")
	}
	b.WriteString("</struct></value></param></params></methodCall>")
	return b.String()
}

func TestReadMethodCallRefuses(t *testing.T) {
	wrap := func(arguments string) string {
		return "<methodCall><methodName>f</methodName><params><param><value>s</value></param><param><value>" + arguments + "</value></param></params></methodCall>"
	}
	member := func(value string) string {
		return wrap("<struct><member><name>a</name>" + value + "</member></struct>")
	}
	tests := []struct {
		name, text, want string
	}{
		{"nothing", "", "it ends too early"},
		{"only a bracket", "<", "unexpected EOF"},
		{"a word", "<hello/>", "element hello where methodCall is wanted"},
		{"an answer", succeeded("SUCCESS"), "element methodResponse where methodCall is wanted"},
		{"no name", "<methodCall><params/></methodCall>", "element params where methodName is wanted"},
		{"empty name", strings.Replace(wrap("<struct></struct>"), ">f<", "> <", 1), "methodName is empty"},
		{"name in name", "<methodCall><methodName><b>f</b></methodName></methodCall>", "element b within methodName"},
		{"no params", "<methodCall><methodName>f</methodName></methodCall>", "methodCall ends without params"},
		{"empty params", "<methodCall><methodName>f</methodName><params/></methodCall>", "params ends without param"},
		{"session alone", "<methodCall><methodName>f</methodName><params><param><value>s</value></param></params></methodCall>", "params ends without param"},
		{"session of a kind", strings.Replace(wrap("<struct/>"), ">s<", "><int>1</int><", 1), "the session is of type int: it must be a string"},
		{"three params", strings.Replace(wrap("<struct/>"), "</params>", "<param><value>x</value></param></params>", 1), "element param where params must end"},
		{"arguments are text", wrap("text"), `text "text" between elements`},
		{"arguments are nothing", wrap(""), "the arguments are empty"},
		{"arguments are a list", wrap("<array><data/></array>"), "the arguments are of type array"},
		{"base64", member("<value><base64>YWI=</base64></value>"), "argument a is of type base64: it must be a string"},
		{"int", member("<value><int>1</int></value>"), "argument a is of type int"},
		{"boolean", member("<value><boolean>1</boolean></value>"), "argument a is of type boolean"},
		{"nil", member("<value><nil/></value>"), "argument a is of type nil"},
		{"struct in struct", member("<value><struct/></value>"), "argument a is of type struct"},
		{"text beside", member("<value>x<string>y</string></value>"), "argument a: text beside its string"},
		{"text after", member("<value><string>y</string>x</value>"), `text "x" between elements`},
		{"two strings", member("<value><string>y</string><string>z</string></value>"), "element string where value must end"},
		{"no value", member(""), "member ends without value"},
		{"value first", wrap("<struct><member><value>x</value><name>a</name></member></struct>"), "element value where name is wanted"},
		{"twice", wrap("<struct><member><name>a</name><value>1</value></member><member><name>a</name><value>2</value></member></struct>"), "argument a is given twice"},
		{"no member", wrap("<struct><name>a</name></struct>"), "element name within struct"},
		{"wrong end", "<methodCall><methodName>f</params>", "syntax error"},
		{"something after", wrap("<struct/>") + "<x/>", "something comes after its end"},
		{"text after all", wrap("<struct/>") + "x", "something comes after its end"},
		{"name space", `<methodCall xmlns="urn:x"></methodCall>`, "has a name space"},
		{"document type", `<!DOCTYPE x [<!ENTITY e "eeee">]><methodCall/>`, "a document type or entity has no place in it"},
		{"own entity", member("<value>&e;</value>"), "invalid character entity"},
		{"control character", member("<value>\x01</value>"), "illegal character code"},
		{"not UTF-8", member("<value>\xff</value>"), "invalid UTF-8"},
		{"encoding", `<?xml version="1.0" encoding="ISO-8859-1"?>` + wrap("<struct/>"), "encoding ISO-8859-1: want UTF-8"},
		{"deep", strings.Repeat("<a>", 100_000), "element a where methodCall is wanted"},
		{"huge", "<methodCall>" + strings.Repeat(" ", maxMethodCall), "it may have 1048576"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, args, err := readMethodCall(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if args != nil {
				t.Errorf("arguments %v with an error", args)
			}
		})
	}
}

// Calls as both Pythons write them are read as XenServer's own.
func TestReadMethodCall(t *testing.T) {
	create := map[string]string{"bridge": "xapi1", "remote_ip": "192.168.65.246", "key": "103", "from": "1", "to": "3", "cloudstack-network-id": "6b7a6a1e-2b8a-4f0e-9d3a-0a1b2c3d4e5f"}
	document := `{"vpc":{"cidr":"10.0.0.0/8","a<b":"&amp; \"q\" 's'"}}`
	topology := map[string]string{"bridge": "xapi1", "config": document, "host-id": "1", "seq-no": "7"}
	tests := []struct {
		name, text, method string
		args               map[string]string
	}{
		{"python 2", golden(t, "calls/create-python2.xml"), createTunnel, create},
		{"python 3", golden(t, "calls/create-python3.xml"), createTunnel, create},
		{"python 2, a document", golden(t, "calls/config-python2.xml"), configureTopology, topology},
		{"python 3, a document", golden(t, "calls/config-python3.xml"), configureTopology, topology},
		{"toolstack", methodCallOf(configureTopology, "bridge", "xapi1", "config", document, "host-id", "1", "seq-no", "7"), configureTopology, topology},
		{"no arguments", methodCallOf(isXCP), isXCP, map[string]string{}},
		{"closed struct", "<methodCall><methodName> f\n</methodName><params><param><value/></param><param><value><struct/></value></param></params></methodCall>\n", "f", map[string]string{}},
		{"spread out", `<?xml version="1.0" encoding="utf-8"?><!-- c -->
			<methodCall> <methodName>f</methodName> <params> <param> <value><string>s</string></value> </param>
			<param><value> <struct>
			<member> <name>e</name> <value></value> </member>
			<member> <name>f</name> <value/> </member>
			<member> <name>g</name> <value><string/></value> </member>
			<member> <name>b</name> <value> two blanks </value> </member>
			<member> <name>s</name> <value> <string> in it &#233;&quot;&apos;&#x9; </string> </value> </member>
			<member> <name>c</name> <value><![CDATA[<a&b>]]></value> </member>
			</struct> </value></param> </params></methodCall><!-- end -->`,
			"f", map[string]string{"e": "", "f": "", "g": "", "b": " two blanks ", "s": " in it é\"'\t ", "c": "<a&b>"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method, args, err := readMethodCall(tt.text)
			if err != nil || method != tt.method {
				t.Fatalf("method %q, %v", method, err)
			}
			if diff := cmp.Diff(tt.args, args); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A call cut short anywhere is refused.
func TestReadMethodCallTruncated(t *testing.T) {
	whole := strings.TrimSpace(golden(t, "calls/create-python2.xml"))
	for n := range len(whole) {
		if _, _, err := readMethodCall(whole[:n]); err == nil {
			t.Fatalf("%d bytes of %d are taken for a call", n, len(whole))
		}
	}
}

// Answers are byte for byte those of the plugin, which Python's xmlrpclib writes
// and print ends with one more line break.
func TestAnswersAsPython(t *testing.T) {
	for file, got := range map[string]string{
		"create.xml":  succeeded("SUCCESS:t103-1-3"),
		"empty.xml":   succeeded(""),
		"odd.xml":     succeeded("SUCCESS: a<b & \"c\" > 'd' ]]> é\n\ttab"),
		"failure.xml": refused("XENAPI_PLUGIN_FAILURE", "create_tunnel", "ControllerError", `bridge <xapi1> & "co"`),
		"unknown.xml": refused("UNKNOWN_XENAPI_PLUGIN_FUNCTION", "make_coffee"),
	} {
		if diff := cmp.Diff(golden(t, "answers/"+file), got); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

// What a toolstack could not read is taken out of an answer.
func TestEscape(t *testing.T) {
	if got, want := escape("a\x00b\x1b[2Jc\rd\xff\ufffee\u007f"), "a\ufffdb\ufffd[2Jc d\ufffd\ufffde\ufffd"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzReadMethodCall(f *testing.F) {
	for _, file := range []string{"calls/create-python2.xml", "calls/config-python3.xml"} {
		f.Add(golden(f, file))
	}
	f.Add(methodCallOf("f", "a", "<&>", "b", ""))
	f.Fuzz(func(t *testing.T, text string) {
		method, args, err := readMethodCall(text)
		if err != nil {
			return
		}
		var pairs []string
		for name, value := range args {
			if !utf8.ValidString(name+value) || strings.ContainsRune(name+value, '\r') {
				return
			}
			pairs = append(pairs, name, value)
		}
		again, same, err := readMethodCall(methodCallOf(escape(method), pairs...))
		if err != nil || again != strings.TrimSpace(strings.ReplaceAll(method, "\r", " ")) {
			t.Fatalf("%q of %q: %v", again, method, err)
		}
		if !maps.Equal(args, same) {
			t.Fatalf("%q, then %q", args, same)
		}
	})
}

func golden(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
