package ofctl

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Manager is a row of table Manager: an OVSDB connection to a controller.
type Manager struct {
	UUID      string
	Target    string // tcp:192.0.2.10:6640
	Connected bool   // ovsdb-server writes it some seconds late
	State     string // Manager.status:state: VOID, BACKOFF, CONNECTING, ACTIVE, IDLE
	LastError string // Manager.status:last_error; often empty, whatever went wrong
}

// Managers returns all managers, sorted by target.
func (h *Host) Managers(ctx context.Context) ([]Manager, error) {
	out, err := h.vsctl(ctx, "--format=json", "--columns=_uuid,target,is_connected,status", "list", "Manager")
	if err != nil {
		return nil, fmt.Errorf("list managers: %w", err)
	}
	managers, err := parseManagers([]byte(out))
	if err != nil {
		return nil, fmt.Errorf("list managers: %w", err)
	}
	return managers, nil
}

// parseManagers reads the table that ovs-vsctl prints as JSON: cells are values
// of RFC 7047 §5.1.
func parseManagers(text []byte) ([]Manager, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var t struct {
		Data [][]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, err
	}
	var out []Manager
	for _, row := range t.Data {
		if len(row) != 4 {
			return nil, fmt.Errorf("a row has %d columns, want 4", len(row))
		}
		var m Manager
		var id [2]string
		var status [2]json.RawMessage
		var pairs [][2]string
		for i, into := range []any{&id, &m.Target, &m.Connected, &status} {
			if err := json.Unmarshal(row[i], into); err != nil {
				return nil, fmt.Errorf("column %d: %w", i, err)
			}
		}
		if err := json.Unmarshal(status[1], &pairs); err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
		for _, p := range pairs {
			switch p[0] {
			case "state":
				m.State = p[1]
			case "last_error":
				m.LastError = p[1]
			}
		}
		m.UUID = id[1]
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Manager) int { return strings.Compare(a.Target, b.Target) })
	return out, nil
}

// AddManager makes the host dial in at target, beside the managers that it has;
// their rows stay as they are, which set-manager would not see to. It redials
// every second.
func (h *Host) AddManager(ctx context.Context, target string) error {
	_, err := h.vsctl(ctx, "--", "--id=@m", "create", "Manager", fmt.Sprintf("target=%q", target), "max_backoff=1000",
		"--", "add", "Open_vSwitch", ".", "manager_options", "@m")
	if err != nil {
		return fmt.Errorf("add manager %s: %w", target, err)
	}
	return nil
}

// RemoveManager takes a manager away and leaves the others as they are.
func (h *Host) RemoveManager(ctx context.Context, m Manager) error {
	if _, err := h.vsctl(ctx, "remove", "Open_vSwitch", ".", "manager_options", m.UUID); err != nil {
		return fmt.Errorf("remove manager %s: %w", m.Target, err)
	}
	return nil
}
