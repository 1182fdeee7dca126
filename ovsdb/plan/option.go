package plan

import (
	"strconv"
	"strings"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// fits reports whether an Interface has the options of a tunnel.
func fits(i *schema.Interface, t Tunnel) bool {
	o := i.Options
	var b [64]byte // it is asked of every tunnel at every look, so it makes no strings
	return o["key"] == string(appendKey(b[:0], t)) && o["remote_ip"] == string(appendRemote(b[:0], t)) &&
		o["local_ip"] == localOption(t) && o["dst_port"] == portOption(t)
}

// perPacket is the value of a tunnel option that flows set for each packet,
// ovs-vswitchd.conf.db(5).
const perPacket = "flow"

// defaultDstPort is the UDP port of VXLAN, RFC 7348 §5.
const defaultDstPort = "4789"

func keyOption(t Tunnel) string { return string(appendKey(nil, t)) }

func appendKey(b []byte, t Tunnel) []byte {
	if t.Key == 0 {
		return append(b, perPacket...)
	}
	return strconv.AppendUint(b, uint64(t.Key), 10)
}

func remoteOption(t Tunnel) string { return string(appendRemote(nil, t)) }

func appendRemote(b []byte, t Tunnel) []byte {
	if !t.RemoteIP.IsValid() {
		return append(b, perPacket...)
	}
	return t.RemoteIP.AppendTo(b)
}

func localOption(t Tunnel) string {
	if !t.LocalIP.IsValid() {
		return ""
	}
	return t.LocalIP.String()
}

func portOption(t Tunnel) string {
	if t.DstPort == 0 {
		return ""
	}
	port := strconv.Itoa(int(t.DstPort))
	if port == defaultDstPort {
		return ""
	}
	return port
}

// wanted returns the options of a tunnel, "" for those that must not be there.
func wanted(t Tunnel) map[string]string {
	return map[string]string{
		"key": keyOption(t), "remote_ip": remoteOption(t), "local_ip": localOption(t), "dst_port": portOption(t),
	}
}

// options returns the mutations that give an Interface the options of a
// tunnel. What an operator has set besides stays.
func options(i *schema.Interface, t Tunnel) []ovsdb.Mutation {
	return patch("options", i.Options, wanted(t))
}

// describe tells a tunnel to people.
func (d *differ) describe(n Network, t Tunnel) string {
	parts, o := []string{t.Type}, wanted(t)
	for _, k := range []string{"key", "remote_ip", "local_ip", "dst_port"} {
		if o[k] != "" {
			parts = append(parts, k+"="+o[k])
		}
	}
	if t.BFD {
		parts = append(parts, "with BFD")
	}
	if d.fences(n, t) {
		parts = append(parts, "fenced")
	}
	return strings.Join(parts, " ")
}

// Keys of Interface.bfd that are ours, ovs-vswitchd.conf.db(5); its others are an
// operator's, and so is another interval than ours.
const (
	bfdEnable = "enable"
	bfdMinRx  = "min_rx"
)

// bfdInterval is how often the other end is asked to say that it is there, in
// ms. An end that is silent for three times as long is down: 1.2 s, where Open
// vSwitch's own second makes it three.
const bfdInterval = "400"

// hasBFD reports whether the host's Open vSwitch has BFD, and says so if not.
func (d *differ) hasBFD(n Network) bool {
	has := d.db.Has("Interface", "bfd")
	if !has && !d.noBFD[n.Name] {
		d.noBFD[n.Name] = true
		d.problem(n.Bridge, n.Name, "", "the Open vSwitch of this host is too old for bfd: its tunnels are not watched")
	}
	return has
}

// settledBFD reports whether an Interface has BFD on or not, as wanted.
func (d *differ) settledBFD(i *schema.Interface, n Network, t Tunnel) bool {
	on := i.BFD[bfdEnable] == "true"
	return on == t.BFD && (!on || i.BFD[bfdMinRx] != "") || t.BFD && !d.hasBFD(n)
}

// bfd returns the mutations that turn BFD on or off on an Interface.
func (d *differ) bfd(i *schema.Interface, n Network, t Tunnel) []ovsdb.Mutation {
	if d.settledBFD(i, n, t) {
		return nil
	}
	want := map[string]string{bfdEnable: "true"}
	if !t.BFD {
		want[bfdEnable] = ""
	}
	switch has := i.BFD[bfdMinRx]; {
	case t.BFD && has == "":
		want[bfdMinRx] = bfdInterval
	case !t.BFD && has == bfdInterval:
		want[bfdMinRx] = ""
	}
	return patch("bfd", i.BFD, want)
}
