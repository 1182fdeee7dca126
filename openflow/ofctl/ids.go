package ofctl

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// ExternalID returns a value of Open_vSwitch.external_ids, "" where it is not
// set.
func (h *Host) ExternalID(ctx context.Context, key string) (string, error) {
	out, err := h.vsctl(ctx, "--if-exists", "get", "Open_vSwitch", ".", "external_ids:"+key)
	if err != nil {
		return "", fmt.Errorf("read external_ids:%s: %w", key, err)
	}
	if !strings.HasPrefix(out, `"`) {
		return out, nil
	}
	value, err := strconv.Unquote(out)
	if err != nil {
		return "", fmt.Errorf("read external_ids:%s: %s: %w", key, out, err)
	}
	return value, nil
}

// SetExternalID sets a value of Open_vSwitch.external_ids.
func (h *Host) SetExternalID(ctx context.Context, key, value string) error {
	if _, err := h.vsctl(ctx, "set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:%s=%q", key, value)); err != nil {
		return fmt.Errorf("set external_ids:%s: %w", key, err)
	}
	return nil
}

// RemoveExternalID takes a key of Open_vSwitch.external_ids away.
func (h *Host) RemoveExternalID(ctx context.Context, key string) error {
	if _, err := h.vsctl(ctx, "remove", "Open_vSwitch", ".", "external_ids", key); err != nil {
		return fmt.Errorf("remove external_ids:%s: %w", key, err)
	}
	return nil
}
