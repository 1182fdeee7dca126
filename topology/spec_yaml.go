package topology

import (
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"
)

// YAML returns the spec in the form that Parse reads back to an equal one.
// Fields that hold their defaults are left out.
func (s Spec) YAML() ([]byte, error) {
	j, err := s.JSON()
	if err != nil {
		return nil, err
	}
	y, err := yaml.JSONToYAML(j)
	if err != nil {
		return nil, fmt.Errorf("write spec: %w", err)
	}
	return y, nil
}

// JSON returns the spec as YAML does, in JSON.
func (s Spec) JSON() ([]byte, error) {
	out := Spec{KeyPools: s.KeyPools, Ports: s.Ports}
	for _, n := range s.Networks {
		out.Networks = append(out.Networks, n.short())
	}
	for _, h := range s.Hosts {
		out.Hosts = append(out.Hosts, h.short())
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write spec: %w", err)
	}
	return b, nil
}
