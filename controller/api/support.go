package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// SupportReport answers GET /v1/support: what a bundle for support has of the
// controller itself and of its hosts, beside what other paths serve. Secrets are
// taken out.
type SupportReport struct {
	Taken      string           `json:"taken"` // RFC 3339 in UTC
	Version    string           `json:"version"`
	Go         string           `json:"go"`      // version of the compiler, and system
	Started    string           `json:"started"` // likewise
	Settings   []SupportSetting `json:"settings"`
	Store      SupportStore     `json:"store"`
	Hosts      []SupportHost    `json:"hosts"` // sorted by name
	Events     []Event          `json:"events"`
	Log        []string         `json:"log"` // the last lines, oldest first
	Memory     SupportMemory    `json:"memory"`
	Goroutines string           `json:"goroutines"` // their stacks, those that are alike counted
	Heap       string           `json:"heap"`       // who has what, as runtime/pprof writes it
}

// SupportSetting is a setting that the controller runs with.
type SupportSetting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// SupportStore is the store in figures.
type SupportStore struct {
	ID         string `json:"id"`
	Bytes      int64  `json:"bytes"`      // of its file, in use
	Generation uint64 `json:"generation"` // of the spec and the mesh, since the start
	Failures   uint64 `json:"failures"`   // writes that have failed since the start
	Trouble    string `json:"trouble"`    // why it can't be written; "" where it can
	Networks   int    `json:"networks"`
	Hosts      int    `json:"hosts"`
	Ports      int    `json:"ports"`
}

// SupportHost is what a host's own database says beside its rows, see
// Inventory.
type SupportHost struct {
	Name       string              `json:"name"`
	Connected  bool                `json:"connected"`
	Address    string              `json:"address"`
	OVSVersion string              `json:"ovsVersion"`
	Health     string              `json:"health"`
	Problems   []string            `json:"problems"`
	System     map[string]string   `json:"system"` // external_ids of Open_vSwitch
	Config     map[string]string   `json:"config"` // other_config of Open_vSwitch
	NextCfg    int64               `json:"nextCfg"`
	CurCfg     int64               `json:"curCfg"`
	Managers   []SupportManager    `json:"managers"`
	Settings   []SupportSettingRow `json:"settings"`
	Missing    string              `json:"missing,omitempty"` // why part of it is not known
}

// SupportManager is a row of table Manager.
type SupportManager struct {
	Target    string            `json:"target"`
	Connected bool              `json:"connected"`
	Status    map[string]string `json:"status"`
}

// SupportSettingRow is a setting of a managed bridge.
type SupportSettingRow struct {
	Bridge  string `json:"bridge"`
	Setting string `json:"setting"`
	Want    string `json:"want"`
	Got     string `json:"got"`
}

// SupportMemory is what the process takes, in bytes.
type SupportMemory struct {
	Heap       uint64 `json:"heap"`       // objects in use
	System     uint64 `json:"system"`     // got from the system
	Goroutines int    `json:"goroutines"` // how many there are
	GCs        uint32 `json:"gcs"`        // collections since the start
}

func (s *Server) support(r *http.Request) (any, error) { return s.backend.Support(r.Context()) }

// Support returns what the server says of itself; GET /v1/support.
func (c *Client) Support(ctx context.Context) (SupportReport, error) {
	var out SupportReport
	return out, c.do(ctx, http.MethodGet, "/v1/support", nil, nil, &out)
}

// Raw returns the body of an answer as it is, if it is no longer than limit.
func (c *Client) Raw(ctx context.Context, path string, q url.Values, limit int64) ([]byte, error) {
	req, err := c.request(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return nil, err
	}
	hc := c.HTTP
	if hc == nil {
		hc = &http.Client{Timeout: clientTimeout}
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, c.read(resp, nil)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, c.explain(err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%s: answer is longer than %d bytes", path, limit)
	}
	return body, nil
}

// supportMeanings are what the description says of these types.
func supportMeanings() map[string]string {
	return map[string]string{
		"SupportReport":            "What a bundle for support has of the controller and its hosts.",
		"SupportReport.events":     "What became true lately.",
		"SupportReport.go":         "Version of the compiler, and system.",
		"SupportReport.goroutines": "Their stacks, those that are alike counted.",
		"SupportReport.heap":       "Who has what of the heap.",
		"SupportReport.hosts":      "What hosts say of themselves.",
		"SupportReport.log":        "The last lines of the log.",
		"SupportReport.memory":     "What the process takes.",
		"SupportReport.settings":   "What the controller runs with.",
		"SupportReport.started":    "When the controller started, RFC 3339 in UTC.",
		"SupportReport.store":      "The store in figures.",
		"SupportReport.taken":      "When this was written, RFC 3339 in UTC.",
		"SupportReport.version":    "Version of the controller.",

		"SupportSetting":       "A setting of the controller.",
		"SupportSetting.key":   "Its key in the configuration file.",
		"SupportSetting.value": "Its value.",

		"SupportStore":            "The store in figures.",
		"SupportStore.bytes":      "Bytes of its file that are in use.",
		"SupportStore.failures":   "Writes that have failed since the start.",
		"SupportStore.generation": "Number of the state of the spec and the mesh.",
		"SupportStore.hosts":      "Hosts in it.",
		"SupportStore.id":         "Its UUID.",
		"SupportStore.networks":   "Networks in it.",
		"SupportStore.ports":      "Ports in it.",
		"SupportStore.trouble":    "Why it can't be written; empty where it can.",

		"SupportHost":            "What a host says of itself.",
		"SupportHost.address":    "Where its OVSDB connection comes from.",
		"SupportHost.config":     "Open_vSwitch other_config, without secrets.",
		"SupportHost.connected":  "It is connected.",
		"SupportHost.curCfg":     "How far ovs-vswitchd has followed its configuration.",
		"SupportHost.health":     "How it answers.",
		"SupportHost.managers":   "Whom it dials.",
		"SupportHost.missing":    "Why part of it is not known; absent where all is.",
		"SupportHost.name":       "Its name.",
		"SupportHost.nextCfg":    "How far its configuration is.",
		"SupportHost.ovsVersion": "Version of its Open vSwitch.",
		"SupportHost.problems":   "What is wrong with it.",
		"SupportHost.settings":   "Settings of managed bridges.",
		"SupportHost.system":     "Open_vSwitch external_ids, without secrets.",

		"SupportManager":           "Whom a host dials.",
		"SupportManager.connected": "The connection stands.",
		"SupportManager.status":    "What the host says of it.",
		"SupportManager.target":    "Connection method.",

		"SupportSettingRow":         "A setting of a managed bridge.",
		"SupportSettingRow.bridge":  "The bridge.",
		"SupportSettingRow.got":     "What it is.",
		"SupportSettingRow.setting": "The setting.",
		"SupportSettingRow.want":    "What it should be; empty where nothing is wanted.",

		"SupportMemory":            "What the process takes.",
		"SupportMemory.gcs":        "Collections of garbage since the start.",
		"SupportMemory.goroutines": "Goroutines.",
		"SupportMemory.heap":       "Bytes of objects in use.",
		"SupportMemory.system":     "Bytes got from the system.",
	}
}
