package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovsmesh/controller/api"
	"ovsmesh/ovsdb/ovstest"
)

// realServer is a controller that runs in this process, as ovsmesh serve does.
type realServer struct {
	url, ovsdb, dir string
	stop            func()
}

func startRealServer(t *testing.T, token string) *realServer {
	t.Helper()
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	method := func(address string) string {
		host, port, _ := strings.Cut(address, ":")
		return "ptcp:" + port + ":" + host
	}
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &realServer{ovsdb: free(), dir: t.TempDir()}
	web := free()
	s.url = "http://" + web
	env := map[string]string{
		"OVSMESH_OVSDB_LISTEN": method(s.ovsdb), "OVSMESH_OPENFLOW_LISTEN": method(free()), "OVSMESH_API_LISTEN": web,
		"OVSMESH_API_TOKENFILE": tokenFile, "OVSMESH_STORE_DIR": s.dir,
	}
	cfg, err := LoadConfig("", func(k string) (string, bool) { v, ok := env[k]; return v, ok }, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, cfg) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
	t.Cleanup(s.stop)
	return s
}

// eventually waits until f is content.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// unpack returns the files of a bundle.
func unpack(t *testing.T, bundle []byte) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, bundleDir)] = string(b)
	}
}

// A secret in every place that is read of a host, of the configuration and of the
// log is in no file of the bundle; what is no secret is.
func TestSupportHasNoSecrets(t *testing.T) {
	const secret = "Q7-zz81kfh29"
	s := startRealServer(t, "token-"+secret)
	t.Setenv("OVSMESH_SERVER", s.url)
	t.Setenv("OVSMESH_TOKEN", "token-"+secret)
	t.Setenv("OVSMESH_DB_PASSWORD", "env-"+secret)
	n := 0
	hidden := func() string { n++; return fmt.Sprintf("%d-%s", n, secret) }
	sw := ovstest.StartSwitch(t)
	sw.VSCtl("set", "Open_vSwitch", ".", "external_ids:system-id=sys-1", "external_ids:hostname=h1",
		"external_ids:api-token="+hidden(), "other_config:ipsec-psk="+hidden(), "other_config:admin_password="+hidden(), "external_ids:note=harmless",
		"external_ids:motd="+strconv.Quote("log in with password="+hidden()))
	sw.VSCtl("add-br", "xapi1", "--", "set", "Bridge", "xapi1", "external_ids:client-secret="+hidden(), "other_config:auth="+hidden(),
		"--", "add-port", "xapi1", "vif1.0", "--", "set", "Interface", "vif1.0", "type=internal", "external_ids:attached-mac="+strconv.Quote("02:00:00:00:01:01"),
		"external_ids:vnc_password="+hidden(), "--", "set", "Port", "vif1.0", "external_ids:credentials="+hidden(),
		"--", "add-port", "xapi1", "tun9", "--", "set", "Interface", "tun9", "type=gre", "options:remote_ip=192.0.2.9", "options:key=9", "options:psk="+hidden(),
		"options:private_key="+hidden(), "--", "set-controller", "xapi1", "ptcp:0:127.0.0.1")
	sw.VSCtl("set", "Controller", "xapi1", "external_ids:token="+hidden())
	sw.VSCtl("set-ssl", "/etc/"+hidden()+".pem", "/etc/"+hidden()+".pem", "/etc/"+hidden()+".pem")
	sw.SetManager("tcp:" + s.ovsdb)
	sw.VSCtl("set", "Manager", ".", "external_ids:manager-password="+hidden(), "other_config:pass="+hidden())
	c := &api.Client{BaseURL: s.url, Token: "token-" + secret}
	eventually(t, "h1 connected", func() error {
		o, err := c.Objects(t.Context(), api.KindHosts, "h1")
		if err == nil && !o.Hosts[0].Status.Connected {
			err = errors.New("not connected")
		}
		return err
	})
	if _, err := c.Apply(t.Context(), api.ApplyRequest{Files: []api.File{{Name: "x", Data: "networks: [{name: blue, encap: gre, key: 103, bridge: xapi1}]"}}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "in sync", func() error {
		st, err := c.Sync(t.Context(), 1<<40)
		if err == nil && !st.Done {
			err = fmt.Errorf("%+v", st)
		}
		return err
	})

	file := filepath.Join(t.TempDir(), "b.tar.gz")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"support", "-o", file}, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s%s", code, &stdout, &stderr)
	}
	bundle, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	files := unpack(t, bundle)
	for name, text := range files {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("%s has a secret: %q", name, text[max(0, at-80):min(len(text), at+40)])
		}
	}
	for name, words := range map[string][]string{
		"README.txt": {"Secrets were taken out", "audit.json"}, "controller.json": {`"note": "harmless"`, "tcp:" + s.ovsdb, "[removed]", "store.dir", s.dir, "fail_mode"},
		"spec.json": {`"blue"`}, "inventory.json": {"vif1.0", "02:00:00:00:01:01", `"remote_ip": "192.0.2.9"`}, "topology.json": {`"h1"`}, "hosts.json": {"sys-1"},
		"audit.json": {`"complete": true`}, "history.json": {"{"}, "adopt.json": {"stores"}, "metrics.txt": {"ovsmesh_"}, "log.txt": {"host connected"},
		"goroutines.txt": {"controller.(*host).run"}, "heap.txt": {"heap profile"}, "client.txt": {"taken"},
	} {
		for _, w := range words {
			if !strings.Contains(files[name], w) {
				t.Errorf("%s has no %q: %.300s", name, w, files[name])
			}
		}
		delete(files, name)
	}
	if len(files) > 0 {
		t.Errorf("%d more files", len(files))
	}
	if code := run(t.Context(), []string{"support", "-o", file}, nil, &stdout, &stderr); code != exitError || !strings.Contains(stderr.String(), "exists") {
		t.Errorf("over a file that is there: exit code %d, %s", code, &stderr)
	}
}

// A host that is stuck is said to be so, and holds up no other.
func TestSupportWithStuckHost(t *testing.T) {
	s := startRealServer(t, "some-token")
	t.Setenv("OVSMESH_SERVER", s.url)
	t.Setenv("OVSMESH_TOKEN", "some-token")
	c := &api.Client{BaseURL: s.url, Token: "some-token"}
	var stuck *ovstest.Switch
	for _, name := range []string{"h1", "h2"} {
		sw := ovstest.StartSwitch(t)
		sw.VSCtl("set", "Open_vSwitch", ".", "external_ids:system-id="+name, "external_ids:hostname="+name)
		sw.SetManager("tcp:" + s.ovsdb)
		stuck = sw
		eventually(t, name+" connected", func() error {
			_, err := c.Objects(t.Context(), api.KindHosts, name)
			return err
		})
	}
	text, err := os.ReadFile(filepath.Join(stuck.Dir(), "ovsdb-server.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}()
	var stdout, stderr bytes.Buffer
	began := time.Now()
	code := run(t.Context(), []string{"support", "-o", "-"}, nil, &stdout, &stderr)
	if took := time.Since(began); took > time.Minute { // and not as long as the database is stuck
		t.Errorf("it took %v", took)
	}
	files := unpack(t, stdout.Bytes())
	var r api.SupportReport
	if err := json.Unmarshal([]byte(files["controller.json"]), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Hosts) != 2 || r.Hosts[0].Missing != "" || len(r.Hosts[0].Managers) != 1 || r.Hosts[1].Missing == "" {
		t.Errorf("exit code %d, %s: %+v", code, &stderr, r.Hosts)
	}
}

// Without a controller the bundle has what this machine knows.
func TestSupportWithoutController(t *testing.T) {
	const secret = "K2-fwq81kfh29"
	s := startRealServer(t, "token-"+secret)
	c := &api.Client{BaseURL: s.url, Token: "token-" + secret}
	eventually(t, "a network", func() error {
		_, err := c.Apply(t.Context(), api.ApplyRequest{Files: []api.File{{Name: "x", Data: "networks: [{name: blue, encap: gre, key: 103}]"}}})
		return err
	})
	s.stop()
	t.Setenv("OVSMESH_SERVER", s.url)
	t.Setenv("OVSMESH_TOKEN", "token-"+secret)
	config := filepath.Join(t.TempDir(), "ovsmesh.yaml")
	if err := os.WriteFile(config, []byte("# password: "+secret+"\nstore: {dir: "+s.dir+"}\nlog: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"support", "-o", "-", "--config", config}, nil, &stdout, &stderr); code != exitError {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	if !strings.Contains(stderr.String(), "can't be asked") || !strings.Contains(stderr.String(), "audit.json, history.json, adopt.json, metrics.txt: ") {
		t.Errorf("stderr: %s", &stderr)
	}
	files := unpack(t, stdout.Bytes())
	if len(files) != 4 || !strings.Contains(files["config.txt"], "log.level: debug") || !strings.Contains(files["store.json"], `"blue"`) || !strings.Contains(files["README.txt"], "NOT IN IT") {
		t.Errorf("%+v", files)
	}
	for name, text := range files {
		if strings.Contains(text, secret) {
			t.Errorf("%s has a secret", name)
		}
	}
	stdout.Reset()
	if code := run(t.Context(), []string{"support", "-o", "-", "--data-dir", filepath.Join(t.TempDir(), "none")}, nil, &stdout, &stderr); code != exitError || len(unpack(t, stdout.Bytes())) != 3 {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	for _, args := range [][]string{{"support", "x"}, {"support", "--timeout", "0s"}, {"support", "--timeout", "soon"}} {
		if code := run(t.Context(), args, nil, io.Discard, io.Discard); code != exitError {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}
