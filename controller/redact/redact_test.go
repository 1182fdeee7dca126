package redact

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const secret = "Xk29-fhq81zz"

func TestSecretsGo(t *testing.T) {
	r := New("s3cretOfTheServer", "short")
	for _, text := range []string{
		"Authorization: Bearer " + secret, `{"authorization":"Bearer ` + secret + `"}`,
		"password=" + secret, `password: "` + secret + `"`, `"dbPassword":"` + secret + `",`, `\"psk\": \"` + secret + `\"`, "api-token = '" + secret + "'",
		"options:psk=" + secret + " type=gre", "{psk=" + secret + ", key=5}", "OVSMESH_TOKEN=" + secret, "private_key=" + secret,
		"https://admin:" + secret + "@host/path", "found s3cretOfTheServer here",
		"-----BEGIN RSA PRIVATE KEY-----\n" + secret + "\n-----END RSA PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\n" + secret,
		"eyJhbGciOi.eyJ" + secret + ".x",
	} {
		got := r.Text(text)
		if strings.Contains(got, secret) || strings.Contains(got, "s3cret") || !strings.Contains(got, Removed) {
			t.Errorf("%q becomes %q", text, got)
		}
		if again := r.Text(got); strings.Contains(again, secret) {
			t.Errorf("%q becomes %q", got, again)
		}
	}
	for _, name := range []string{"api-token", "apiToken", "ipsec-psk", "PSK", "client_secret", "clientSecret", "admin-password", "sslKey", "ssl", "ipsec_key", "encryptionKey",
		"privatekey", "private_key", "db.passwd", "x-auth", "credentials"} {
		if got := r.Map(map[string]string{name: secret}); got[name] != Removed {
			t.Errorf("%s: %q", name, got)
		}
		doc, err := json.Marshal(map[string]any{"a": []any{map[string]any{name: []string{secret}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.JSON(doc); err != nil || strings.Contains(string(got), secret) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if got, err := r.JSON([]byte(`{"pin-token": 123456}`)); err != nil || strings.Contains(string(got), "123456") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestRestStays(t *testing.T) {
	r := New("short")
	for _, text := range []string{
		"", "table=0, priority=1000,in_port=20001 actions=drop", "t103-1-2 gre key=103 remote_ip=192.0.2.1", "a short story", "2026-11-21T19:00:00Z rows h1 steps=3",
		"the lock \"ovsmesh\" of this host's database", "cookie=0x6f6d000000010003", "goroutine 7 [select]:\ncontroller.(*host).run(0xc000)",
	} {
		if got := r.Text(text); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	same := map[string]string{"key": "103", "in_key": "flow", "remote_ip": "192.0.2.1", "ovsmesh-owner": "16625d2e-7cc6-44dc-9092-8e3c8dbe4551", "iface-id": "x", "ovsmesh-spec-blue": `{"version":1,"autoKey":true,"network":{"key":103}}`}
	if d := cmp.Diff(same, r.Map(same)); d != "" {
		t.Error(d)
	}
	if r.Map(nil) != nil {
		t.Error("nothing becomes something")
	}
	doc := `{"autoKey":true,"key":4294967295,"keyPools":[{"encap":"gre","range":"100-110"}],"n":1e400,"x":"<&>"}`
	got, err := r.JSON([]byte(doc))
	if err != nil || strings.Join(strings.Fields(string(got)), "") != doc {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"", "{", "{} {}", "nope"} {
		if got, err := r.JSON([]byte(bad)); err == nil {
			t.Errorf("%q becomes %s", bad, got)
		}
	}
}
