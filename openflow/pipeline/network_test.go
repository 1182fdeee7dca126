package pipeline_test

import (
	"net/netip"
	"reflect"
	"testing"

	"ovsmesh/openflow/pipeline"
)

// Equal looks at every field there is: whatever is changed in a copy, wherever,
// makes it another.
func TestNetworkEqual(t *testing.T) {
	make := func() *pipeline.Network {
		return &pipeline.Network{
			ID: 1, VIFs: []pipeline.VIF{{OFPort: 1, MACs: [][6]byte{mac(1)}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
				Allowed: []pipeline.Pair{{MAC: mac(9), IP: netip.MustParseAddr("10.0.0.9")}}}},
			Tunnels:  []pipeline.Tunnel{{OFPort: 2, Key: 3, Remote: netip.MustParseAddr("192.0.2.1")}},
			Remotes:  []pipeline.Remote{{MAC: mac(2), Via: []int{0}}},
			Stations: []pipeline.Station{{IP: netip.MustParseAddr("10.0.0.1"), MAC: mac(1)}},
		}
	}
	if !make().Equal(make()) {
		t.Fatal("two that are the same are not equal")
	}
	checked := 0
	var change func(v reflect.Value, other *pipeline.Network, where string)
	change = func(v reflect.Value, other *pipeline.Network, where string) {
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		differs := func() {
			checked++
			if other.Equal(make()) || make().Equal(other) {
				t.Errorf("%s counts for nothing", where)
			}
			v.Set(was)
		}
		switch v.Kind() {
		case reflect.Bool:
			v.SetBool(!v.Bool())
			differs()
		case reflect.Int:
			v.SetInt(v.Int() + 1)
			differs()
		case reflect.Uint8, reflect.Uint32, reflect.Uint64:
			v.SetUint(v.Uint() + 1)
			differs()
		case reflect.Array:
			change(v.Index(5), other, where+"[5]")
		case reflect.Slice:
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			differs()
			change(v.Index(0), other, where+"[0]")
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[netip.Addr]() {
				v.Set(reflect.ValueOf(netip.MustParseAddr("203.0.113.1")))
				differs()
				return
			}
			for i := range v.NumField() {
				change(v.Field(i), other, where+"."+v.Type().Field(i).Name)
			}
		default:
			t.Fatalf("%s: a %s", where, v.Kind())
		}
	}
	other := make()
	change(reflect.ValueOf(other).Elem(), other, "Network")
	if checked < 20 {
		t.Errorf("only %d changes", checked)
	}
}
