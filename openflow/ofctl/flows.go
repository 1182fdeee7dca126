package ofctl

import (
	"context"
	"fmt"
	"strings"
)

// versions are what may be spoken with a bridge: a managed one always takes 1.3,
// one that was given back may take 1.0 alone.
const versions = "OpenFlow10,OpenFlow13"

// DumpFlows returns a bridge's flows in the syntax of ovs-ofctl add-flows, one
// a line, without statistics and with ports by number.
func (h *Host) DumpFlows(ctx context.Context, bridge string) ([]string, error) {
	out, err := h.run(ctx, nil, "ovs-ofctl", "--timeout=10", "-O", versions, "--no-stats", "--no-names", "dump-flows", bridge)
	if err != nil {
		return nil, fmt.Errorf("flows of %s: %w", bridge, err)
	}
	var flows []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); strings.Contains(line, "actions=") {
			flows = append(flows, line)
		}
	}
	return flows, nil
}

// AddFlows adds flows, as DumpFlows returns them, one after the other.
func (h *Host) AddFlows(ctx context.Context, bridge string, flows []string) error {
	if len(flows) == 0 {
		return nil
	}
	text := strings.NewReader(strings.Join(flows, "\n") + "\n")
	if _, err := h.run(ctx, text, "ovs-ofctl", "--timeout=10", "-O", versions, "add-flows", bridge, "-"); err != nil {
		return fmt.Errorf("add %d flows to %s: %w", len(flows), bridge, err)
	}
	return nil
}

// DeleteFlows deletes the flows of which the cookie has the bits of mask as in
// cookie.
func (h *Host) DeleteFlows(ctx context.Context, bridge string, cookie, mask uint64) error {
	match := fmt.Sprintf("cookie=%#x/%#x", cookie, mask)
	if _, err := h.run(ctx, nil, "ovs-ofctl", "--timeout=10", "-O", versions, "del-flows", bridge, match); err != nil {
		return fmt.Errorf("delete flows of %s: %w", bridge, err)
	}
	return nil
}
