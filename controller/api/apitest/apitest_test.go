package apitest

import (
	"net/url"
	"strings"
	"testing"
)

const good = `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"security":[{"token":[]},{}],
"paths":{"/v1/{kind}":{"get":{"operationId":"list","summary":"s",
  "parameters":[{"name":"kind","in":"path","required":true,"description":"d","schema":{"type":"string"}},
    {"name":"deep","in":"query","description":"d","schema":{"type":"boolean"}},
    {"name":"from","in":"query","required":true,"description":"d","schema":{"type":"integer","minimum":0}}],
  "responses":{"200":{"description":"d","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}}}}},
 "/v1/all":{"post":{"operationId":"all","summary":"s",
  "requestBody":{"description":"d","required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}},
  "responses":{"200":{"description":"d","content":{"text/event-stream":{"schema":{"type":"integer"}}}},
   "503":{"description":"d","content":{"text/plain":{"schema":{"type":"string"}}}}}}}},
"components":{"schemas":{"Thing":{"type":"object","additionalProperties":false,"required":["name"],"properties":{
   "name":{"type":"string","enum":["a","b"]},"mac":{"type":"string","pattern":"^[0-9]$"},"n":{"type":"integer","minimum":1,"maximum":9},
   "on":{"type":"boolean"},"things":{"type":"array","items":{"$ref":"#/components/schemas/Thing"}}}}},
 "securitySchemes":{"token":{"type":"http","scheme":"bearer"}}}}`

func parse(t *testing.T) *Document {
	t.Helper()
	d, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A description with one thing changed is refused, for that reason.
func TestParseRefuses(t *testing.T) {
	tests := []struct{ old, new, want string }{
		{good, `{`, "unexpected EOF"},
		{`"openapi":"3.1.0"`, `"openapi":"2.0"`, "is not 3.1"},
		{`"openapi":"3.1.0"`, `"openapi":"3.1.0","swagger":1`, "unknown field"},
		{`"title":"t"`, `"title":""`, "title and version"},
		{`"security":[{"token":[]}`, `"security":[{"key":[]}`, `no security scheme "key"`},
		{`"/v1/all":`, `"v1/all":`, "begins with /"},
		{`"post"`, `"get":null,"post"`, "no such method"},
		{`"post"`, `"POST"`, "no such method"},
		{`"operationId":"all"`, `"operationId":"list"`, "is not its own"},
		{`"in":"path","required":true`, `"in":"path"`, "required and in the path"},
		{`{"name":"kind"`, `{"name":"sort"`, "kind is not described"},
		{`"in":"query"`, `"in":"body"`, `is in "body"`},
		{`"name":"deep"`, `"name":"from"`, "is there twice"},
		{`"description":"d","schema":{"type":"boolean"}`, `"schema":{"type":"boolean"}`, "a description"},
		{`"200":{`, `"2xx":{`, "a status code"},
		{`"503":{"description":"d"`, `"503":{"description":""`, "a description"},
		{`"text/plain"`, `"text"`, "a media type"},
		{`{"text/plain":{"schema":{"type":"string"}}}`, `{}`, "no content"},
		{`"type":"integer","minimum":1`, `"type":"float","minimum":1`, `type "float"`},
		{`"on":{"type":"boolean"}`, `"on":{"type":"boolean","minimum":1}`, "no use for"},
		{`"on":{"type":"boolean"}`, `"on":null`, "there is nothing"},
		{`"on":{"type":"boolean"}`, `"on":{"type":"boolean","oneOf":[]}`, "unknown field"},
		{`"items":{"$ref":"#/components/schemas/Thing"}`, `"items":{"$ref":"#/components/schemas/Other"}`, "leads nowhere"},
		{`"items":{"$ref":"#/components/schemas/Thing"}`, `"items":{"$ref":"#/components/schemas/Thing","type":"string"}`, "schema of its own"},
		{`,"items":{"$ref":"#/components/schemas/Thing"}`, ``, "an array of what"},
		{`"required":["name"]`, `"required":["nam"]`, "required and not described"},
		{`"pattern":"^[0-9]$"`, `"pattern":"["`, "missing closing"},
	}
	for _, tt := range tests {
		text := strings.Replace(good, tt.old, tt.new, 1)
		if text == good {
			t.Errorf("%s is not in the description", tt.old)
		}
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.new, err, tt.want)
		}
	}
}

func TestValidate(t *testing.T) {
	d := parse(t)
	for _, text := range []string{`{"name":"a"}`, `{"name":"b","n":9,"on":false,"mac":"7","things":[{"name":"a","things":[]}]}`} {
		if err := d.Validate("Thing", []byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	tests := []struct{ text, want string }{
		{``, "EOF"},
		{`{"name":"a"`, "unexpected EOF"},
		{`{"name":"a"} {}`, "more than one value"},
		{"{\"name\":\"a\xff\"}", "UTF-8"},
		{`[]`, "an array, want object"},
		{`null`, "want object"},
		{`{}`, "body.name: missing"},
		{`{"name":"c"}`, `body.name: "c" is not one of`},
		{`{"name":null}`, "want string"},
		{`{"name":{}}`, "an object, want string"},
		{`{"name":"a","nam":1}`, "body.nam: not described"},
		{`{"name":"a","n":1.5}`, "1.5, want integer"},
		{`{"name":"a","n":0}`, "out of range"},
		{`{"name":"a","n":99999999999999999999}`, "out of range"},
		{`{"name":"a","on":"true"}`, `"true", want boolean`},
		{`{"name":true}`, "true, want string"},
		{`{"name":"a","mac":"77"}`, "is not like"},
		{`{"name":"a","things":[{"name":"a"},{"name":"d"}]}`, `body.things[1].name: "d"`},
	}
	for _, tt := range tests {
		if err := d.Validate("Thing", []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		}
	}
	if err := d.Validate("Other", nil); err == nil {
		t.Error("a schema that isn't there")
	}
}

func TestExchange(t *testing.T) {
	d := parse(t)
	op := func(method, path string) *Operation {
		t.Helper()
		op, err := d.Operation(method, path)
		if err != nil {
			t.Fatal(err)
		}
		return op
	}
	list, all := op("GET", "/v1/things"), op("POST", "/v1/all")
	if list.OperationID != "list" || all.OperationID != "all" {
		t.Fatalf("found %s and %s", list.OperationID, all.OperationID)
	}
	query := func(text string) error {
		q, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		return list.CheckQuery(q)
	}
	tests := []struct {
		what string
		got  error
		want string // "" for none
	}{
		{"query", query("from=1&deep=true"), ""},
		{"missing parameter", query("deep=1"), "from: missing"},
		{"parameter of a wrong type", query("from=1&deep=maybe"), `"maybe", want boolean`},
		{"no number", query("from=x"), `"x", want integer`},
		{"negative", query("from=-1"), "out of range"},
		{"unknown parameter", query("from=1&to=2"), "to: not described"},
		{"parameter twice", query("from=1&from=2"), "given 2 times"},
		{"body", all.CheckBody("application/json; charset=utf-8", []byte(`{"name":"a"}`)), ""},
		{"wrong body", all.CheckBody("application/json", []byte(`{}`)), "missing"},
		{"wrong type of body", all.CheckBody("text/html", nil), "not described"},
		{"no type of body", all.CheckBody("", nil), "media type"},
		{"no body", list.CheckBody("", nil), ""},
		{"body where none is", list.CheckBody("application/json", []byte("{}")), "where none is described"},
		{"answer", list.CheckAnswer(200, "application/json", []byte(`{"name":"a"}`)), ""},
		{"wrong answer", list.CheckAnswer(200, "application/json", []byte(`{"name":"z"}`)), "not one of"},
		{"answer of another type", list.CheckAnswer(200, "text/plain", nil), "not described"},
		{"status", list.CheckAnswer(404, "application/json", []byte(`{}`)), "status 404 is not described"},
		{"text", all.CheckAnswer(503, "text/plain; charset=utf-8", []byte("not now")), ""},
		{"events", all.CheckAnswer(200, "text/event-stream", []byte("id: 1\ndata: 1\n\n:\n\ndata: 2\n\n")), ""},
		{"wrong event", all.CheckAnswer(200, "text/event-stream", []byte("data: 1\n\ndata: \"x\"\n\n")), "want integer"},
	}
	for _, tt := range tests {
		if (tt.got == nil) != (tt.want == "") || tt.got != nil && !strings.Contains(tt.got.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.what, tt.got, tt.want)
		}
	}
	for _, path := range []string{"/v1", "/v1/", "/v2/things", "/v1/things/x"} {
		if _, err := d.Operation("GET", path); err == nil {
			t.Errorf("%s is there", path)
		}
	}
	if _, err := d.Operation("DELETE", "/v1/all"); err == nil {
		t.Error("DELETE /v1/all is there")
	}
}
