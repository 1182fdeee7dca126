// Package vpc reads the documents in which CloudStack tells hypervisors of a
// VPC with distributed routing: which machines and tiers there are, and what may
// pass between them. It is pure; what follows from a document is not its
// business.
package vpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"ovsmesh/topology"
)

// Topology is where a VPC's machines and tiers are.
type Topology struct {
	CIDR  netip.Prefix
	Hosts []Host
	Tiers []Tier
	VMs   []VM
}

// Host is a hypervisor that runs machines of the VPC.
type Host struct {
	ID int        // CloudStack's number of it
	IP netip.Addr // its tunnels' endpoint
}

// Tier is one of the VPC's networks.
type Tier struct {
	Key         uint32 // GRE
	NetworkUUID string
	Gateway     netip.Addr   // zero: not told
	GatewayMAC  topology.MAC // zero: not told
	CIDR        netip.Prefix
}

// VM is a virtual machine.
type VM struct {
	HostID int // a Host's ID
	NICs   []NIC
}

// NIC is one interface of a VM.
type NIC struct {
	IP          netip.Addr   // zero: not told
	MAC         topology.MAC // zero: not told
	NetworkUUID string       // a Tier's
}

// Policy is what may pass between a VPC's tiers.
type Policy struct {
	ID    string
	CIDR  netip.Prefix
	Tiers []PolicyTier
	ACLs  []ACL
}

// PolicyTier names the list that holds for a tier.
type PolicyTier struct {
	ID   string
	CIDR netip.Prefix
	ACL  string // an ACL's ID; "" where the tier has none
}

// ACL is a list of rules.
type ACL struct {
	ID    string
	Rules []Rule
}

// Rule is one rule of an ACL; the lowest number that matches decides.
type Rule struct {
	Number   int
	UUID     string
	Allow    bool   // else it denies
	Ingress  bool   // into the tier, else out of it
	Protocol string // tcp, udp, icmp, all, or an IP protocol's number
	Ports    *Ports // nil: all of them
	Sources  []netip.Prefix
}

// Ports are TCP or UDP ports, both ends included.
type Ports struct{ First, Last uint16 }

// ParseTopology reads a configure_ovs_bridge_for_network_topology document.
// Keys that it does not know are passed over. Errors name the field.
func ParseTopology(text []byte) (Topology, error) {
	var doc topologyDocument
	if err := decode(text, &doc); err != nil {
		return Topology{}, err
	}
	if doc.VPC == nil {
		return Topology{}, errors.New("vpc is missing")
	}
	r := &reader{}
	t := Topology{CIDR: r.prefix("vpc.cidr", doc.VPC.CIDR)}
	for i, h := range doc.VPC.Hosts {
		at := fmt.Sprintf("vpc.hosts[%d]", i)
		t.Hosts = append(t.Hosts, Host{ID: r.number(at+".hostid", h.ID, 1, maxHostID), IP: r.addr(at+".ipaddress", h.IP)})
	}
	for i, n := range doc.VPC.Tiers {
		at := fmt.Sprintf("vpc.tiers[%d]", i)
		t.Tiers = append(t.Tiers, Tier{
			Key: uint32(r.number(at+".grekey", n.Key, 1, 1<<32-1)), NetworkUUID: r.text(at+".networkuuid", n.NetworkUUID), CIDR: r.prefix(at+".cidr", n.CIDR),
			Gateway: r.optionalAddr(at+".gatewayip", n.GatewayIP), GatewayMAC: r.optionalMAC(at+".gatewaymac", n.GatewayMAC),
		})
	}
	for i, v := range doc.VPC.VMs {
		at := fmt.Sprintf("vpc.vms[%d]", i)
		vm := VM{HostID: r.number(at+".hostid", v.HostID, 1, maxHostID)}
		for j, n := range v.NICs {
			at := fmt.Sprintf("%s.nics[%d]", at, j)
			vm.NICs = append(vm.NICs, NIC{
				IP: r.optionalAddr(at+".ipaddress", n.IP), MAC: r.optionalMAC(at+".macaddress", n.MAC), NetworkUUID: r.text(at+".networkuuid", n.NetworkUUID),
			})
		}
		t.VMs = append(t.VMs, vm)
	}
	if r.err != nil {
		return Topology{}, r.err
	}
	return t, nil
}

// ParsePolicy reads a configure_ovs_bridge_for_routing_policies document, as
// ParseTopology does the other.
func ParsePolicy(text []byte) (Policy, error) {
	var doc policyDocument
	if err := decode(text, &doc); err != nil {
		return Policy{}, err
	}
	if doc.VPC == nil {
		return Policy{}, errors.New("vpc is missing")
	}
	r := &reader{}
	p := Policy{ID: r.text("vpc.id", string(doc.VPC.ID)), CIDR: r.prefix("vpc.cidr", doc.VPC.CIDR)}
	for i, n := range doc.VPC.Tiers {
		at := fmt.Sprintf("vpc.tiers[%d]", i)
		p.Tiers = append(p.Tiers, PolicyTier{ID: r.text(at+".id", string(n.ID)), CIDR: r.prefix(at+".cidr", n.CIDR), ACL: string(n.ACL)})
	}
	for i, a := range doc.VPC.ACLs {
		at := fmt.Sprintf("vpc.acls[%d]", i)
		acl := ACL{ID: r.text(at+".id", string(a.ID))}
		for j, item := range a.Items {
			acl.Rules = append(acl.Rules, r.rule(fmt.Sprintf("%s.aclitems[%d]", at, j), item))
		}
		p.ACLs = append(p.ACLs, acl)
	}
	if r.err != nil {
		return Policy{}, r.err
	}
	return p, nil
}

const maxHostID = 1<<31 - 1

// decode reads one JSON object and nothing behind it.
func decode(text []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(text)))
	if err := d.Decode(into); err != nil {
		return explain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

func explain(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return fmt.Errorf("%s is a JSON %s, which makes no sense there", kind.Field, kind.Value)
	}
	return fmt.Errorf("not the JSON of a VPC: %w", err)
}

// reader turns text into values and keeps the first thing that is wrong.
type reader struct{ err error }

func (r *reader) refuse(field, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s %s", field, fmt.Sprintf(format, args...))
	}
}

// shown is how much of a value an error repeats.
const shown = "%.64q"

func (r *reader) text(field, v string) string {
	if v == "" {
		r.refuse(field, "is missing")
	}
	return v
}

func (r *reader) number(field string, v word, least, most int64) int {
	n, err := strconv.ParseInt(r.text(field, string(v)), 10, 64)
	if err != nil || n < least || n > most {
		r.refuse(field, shown+" is not a number from %d to %d", string(v), least, most)
		return 0
	}
	return int(n)
}

func (r *reader) addr(field, v string) netip.Addr {
	a, err := netip.ParseAddr(r.text(field, v))
	if err != nil || a.Zone() != "" {
		r.refuse(field, shown+" is not an IP address", v)
		return netip.Addr{}
	}
	return a.Unmap()
}

func (r *reader) optionalAddr(field, v string) netip.Addr {
	if v == "" {
		return netip.Addr{}
	}
	return r.addr(field, v)
}

func (r *reader) optionalMAC(field, v string) topology.MAC {
	if v == "" {
		return topology.MAC{}
	}
	m, err := topology.ParseMAC(v)
	if err != nil {
		r.refuse(field, shown+" is not a MAC address", v)
	}
	return m
}

func (r *reader) prefix(field, v string) netip.Prefix {
	p, err := netip.ParsePrefix(r.text(field, v))
	if err != nil {
		r.refuse(field, shown+" is not a prefix like 10.1.0.0/16", v)
		return netip.Prefix{}
	}
	return p.Masked()
}

func (r *reader) rule(at string, item aclItem) Rule {
	rule := Rule{
		Number: r.number(at+".number", item.Number, 0, 1<<31-1), UUID: string(item.UUID),
		Allow:    r.oneOf(at+".action", item.Action, "allow", "deny"),
		Ingress:  r.oneOf(at+".direction", item.Direction, "ingress", "egress"),
		Protocol: r.protocol(at+".protocol", string(item.Protocol)),
		Ports:    r.ports(at, string(item.First), string(item.Last)),
	}
	for i, c := range item.Sources {
		rule.Sources = append(rule.Sources, r.prefix(fmt.Sprintf("%s.sourcecidrs[%d]", at, i), c))
	}
	return rule
}

// oneOf reports whether v is the first of two words; anything but these is
// wrong.
func (r *reader) oneOf(field, v, first, second string) bool {
	switch {
	case strings.EqualFold(v, first):
		return true
	case !strings.EqualFold(v, second):
		r.refuse(field, shown+" is neither %s nor %s", v, first, second)
	}
	return false
}

func (r *reader) protocol(field, v string) string {
	p := strings.ToLower(r.text(field, v))
	switch p {
	case "tcp", "udp", "icmp", "all":
		return p
	}
	if _, err := strconv.ParseUint(p, 10, 8); err != nil {
		r.refuse(field, shown+" is not tcp, udp, icmp, all or a number up to 255", v)
	}
	return p
}

// ports reads both ends of a range; where one is missing it is one port.
func (r *reader) ports(at, first, last string) *Ports {
	if first == "" && last == "" {
		return nil
	}
	if first == "" {
		first = last
	}
	if last == "" {
		last = first
	}
	p := &Ports{
		First: uint16(r.number(at+".sourceportstart", word(first), 0, 65535)),
		Last:  uint16(r.number(at+".sourceportend", word(last), 0, 65535)),
	}
	if r.err == nil && p.Last < p.First {
		r.refuse(at+".sourceportend", "%d is below sourceportstart, %d", p.Last, p.First)
	}
	return p
}
