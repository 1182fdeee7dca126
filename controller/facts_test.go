package controller

import (
	"slices"
	"testing"

	"ovsmesh/ovsdb/schema"
)

// A bridge is known by what XenServer's toolstack writes of its networks, and by
// what CloudStack's plugin does.
func TestXenNetworksOfBridge(t *testing.T) {
	for _, tt := range []struct {
		ids  map[string]string
		want []string
	}{
		{nil, nil},
		{map[string]string{"xs-network-uuids": " ; "}, nil},
		{map[string]string{"xs-network-uuids": "a; b"}, []string{"a", "b"}},
		{map[string]string{"xs-network-uuid": "c"}, []string{"c"}},
		{map[string]string{"xs-network-uuids": "a;b", "xs-network-uuid": "b"}, []string{"a", "b"}},
		{map[string]string{"xs-network-uuids": "a", "xs-network-uuid": "c"}, []string{"a", "c"}},
	} {
		got := bridgeFacts(&schema.DB{}, &schema.Bridge{Name: "xapi3", ExternalIDs: tt.ids}).XSNetworkUUIDs
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.ids, got, tt.want)
		}
	}
}
