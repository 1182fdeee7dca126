package controller_test

import (
	"net/http"
	"testing"

	"github.com/goccy/go-yaml"

	"ovsmesh/controller/api"
	"ovsmesh/controller/api/apitest"
)

// conforms holds a request and its answer to the description: an answer must
// be described, and a request that is served must be allowed.
func (w *web) conforms(c call, resp *http.Response, body []byte) {
	w.t.Helper()
	what := c.method + " " + c.path
	d, err := apitest.Parse(api.Description("test"))
	if err != nil {
		w.t.Fatal(err)
	}
	u := resp.Request.URL
	op, err := d.Operation(c.method, u.EscapedPath())
	if err != nil {
		if resp.StatusCode/100 != 4 {
			w.t.Errorf("%d, but %v", resp.StatusCode, err)
		}
		if err := d.Validate("Error", body); err != nil {
			w.t.Errorf("%s: %v", what, err)
		}
		return
	}
	if err := op.CheckAnswer(resp.StatusCode, resp.Header.Get("Content-Type"), body); err != nil {
		w.t.Errorf("%s: %d: %v", what, resp.StatusCode, err)
	}
	if resp.StatusCode/100 != 2 {
		return
	}
	if err := op.CheckQuery(u.Query()); err != nil {
		w.t.Errorf("%s is served: %v", what, err)
	}
	text := []byte(c.body)
	if c.contentType == asYAML {
		if text, err = yaml.YAMLToJSON(text); err != nil {
			w.t.Errorf("%s is served: %v", what, err)
		}
	}
	if err := op.CheckBody(c.contentType, text); err != nil {
		w.t.Errorf("%s is served: %v", what, err)
	}
}

// The description is served as it is made.
func TestHTTPDescription(t *testing.T) {
	w := startWeb(t, "s3cret")
	status, header, body := w.do(call{method: "GET", path: "/openapi.json", token: "Bearer s3cret"})
	if status != http.StatusOK || header.Get("Content-Type") != asJSON || body != string(api.Description("test")) {
		t.Errorf("%d %s, %d bytes", status, header.Get("Content-Type"), len(body))
	}
}
