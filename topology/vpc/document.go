package vpc

import (
	"encoding/json"
	"fmt"
)

// The documents as they come: keys in lower case, what has no value left out.
type (
	topologyDocument struct {
		VPC *struct {
			CIDR  string `json:"cidr"`
			Hosts []struct {
				ID word   `json:"hostid"`
				IP string `json:"ipaddress"`
			} `json:"hosts"`
			Tiers []struct {
				Key         word   `json:"grekey"`
				NetworkUUID string `json:"networkuuid"`
				GatewayIP   string `json:"gatewayip"`
				GatewayMAC  string `json:"gatewaymac"`
				CIDR        string `json:"cidr"`
			} `json:"tiers"`
			VMs []struct {
				HostID word `json:"hostid"`
				NICs   []struct {
					IP          string `json:"ipaddress"`
					MAC         string `json:"macaddress"`
					NetworkUUID string `json:"networkuuid"`
				} `json:"nics"`
			} `json:"vms"`
		} `json:"vpc"`
	}

	policyDocument struct {
		VPC *struct {
			ID    word   `json:"id"`
			CIDR  string `json:"cidr"`
			Tiers []struct {
				ID   word   `json:"id"`
				CIDR string `json:"cidr"`
				ACL  word   `json:"aclid"`
			} `json:"tiers"`
			ACLs []struct {
				ID    word      `json:"id"`
				Items []aclItem `json:"aclitems"`
			} `json:"acls"`
		} `json:"vpc"`
	}

	aclItem struct {
		Number    word     `json:"number"`
		UUID      word     `json:"uuid"`
		Action    string   `json:"action"`
		Direction string   `json:"direction"`
		First     word     `json:"sourceportstart"`
		Last      word     `json:"sourceportend"`
		Protocol  word     `json:"protocol"`
		Sources   []string `json:"sourcecidrs"`
	}
)

// word is a string, or a number as it is written: CloudStack has changed its
// mind on some.
type word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *word) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*w = word(s)
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		*w = word(b)
	default:
		return fmt.Errorf("%.64s is neither text nor a number", b)
	}
	return nil
}
