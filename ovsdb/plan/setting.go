package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ovn-org/libovsdb/ovsdb"

	"ovsmesh/ovsdb/schema"
)

// The settings of a managed bridge, by the names that people and
// external_ids:ovsmesh-saved know them by.
const (
	failMode   = "fail_mode"
	stp        = "stp_enable"
	rstp       = "rstp_enable"
	protocols  = "protocols"
	inBand     = "other_config:disable-in-band"
	datapathID = "other_config:datapath-id"
)

// What else of a managed bridge may not be as wanted, see Setting.
const (
	settingController = "controller"
	settingMode       = "connection_mode" // of the Controller; by itself only in Settings
	outOfBand         = "out-of-band"
	settingBridge     = "bridge"         // its presence
	settingMark       = "external_ids:"  // and a key
	settingFence      = "VLANs of port " // and its name
	present, missing  = "present", "missing"
)

// settings are values by setting; "" is a column or key that is not set.
type settings map[string]string

// names is the order in which settings are written and told.
func names() []string { return []string{failMode, stp, rstp, protocols, inBand, datapathID} }

// current returns the settings that a bridge has now, without those that the
// host's schema has no column for.
func current(db *schema.DB, b *schema.Bridge) settings {
	s := settings{inBand: b.OtherConfig["disable-in-band"], datapathID: b.OtherConfig["datapath-id"]}
	if db.Has("Bridge", "fail_mode") {
		s[failMode] = b.FailMode
	}
	if db.Has("Bridge", "stp_enable") {
		s[stp] = strconv.FormatBool(b.STPEnable)
	}
	if db.Has("Bridge", "rstp_enable") {
		s[rstp] = strconv.FormatBool(b.RSTPEnable)
	}
	if db.Has("Bridge", "protocols") {
		s[protocols] = strings.Join(slices.Sorted(slices.Values(b.Protocols)), ",")
	}
	return s
}

// managed returns the settings that a bridge with the given current ones must
// have while we manage it.
//
// A standalone bridge goes over to NORMAL while its controller is away, which
// in a full mesh is a loop; one that is taken must be standalone all the same,
// see Taken. In-band control would send ARP with the controller's address
// NORMAL, from tunnel to tunnel too, at priorities above all of ours; and a VM
// that forges one would be sent what the host means for its controller. STP
// drops explicit outputs as well. OpenFlow 1.0 stays where it is: the
// toolstack's ovs-ofctl needs it.
func managed(got settings, dpid string, taken bool) settings {
	s := settings{inBand: "true", datapathID: dpid}
	for _, k := range []string{failMode, stp, rstp, protocols} {
		now, has := got[k]
		switch {
		case !has:
		case k == failMode && taken && now == "":
			s[k] = "" // which is standalone
		case k == failMode && taken:
			s[k] = "standalone"
		case k == failMode:
			s[k] = "secure"
		case k == protocols:
			s[k] = withOpenFlow13(now)
		default:
			s[k] = "false"
		}
	}
	return s
}

func withOpenFlow13(list string) string {
	if list == "" || slices.Contains(strings.Split(list, ","), "OpenFlow13") {
		return list
	}
	all := append(strings.Split(list, ","), "OpenFlow13")
	slices.Sort(all)
	return strings.Join(all, ",")
}

// fixedDPID is the datapath ID that a bridge has, or will have if it is made:
// other than the default, which comes from a MAC, it outlasts the bridge.
func fixedDPID(db *schema.DB, b *schema.Bridge, want, owner string) string {
	host := db.Open.ExternalIDs["system-id"]
	if host == "" {
		host = db.Open.UUID
	}
	switch {
	case want != "":
		return want
	case b.OtherConfig["datapath-id"] != "":
		return b.OtherConfig["datapath-id"]
	case b.DatapathID != "":
		return b.DatapathID
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{owner, host, b.Name}, "\x00")))
	sum[7] |= 1 // never zero
	return hex.EncodeToString(sum[:8])
}

// leaves notes that a setting of a bridge is not as wanted, and reports whether
// it is to stay so for now.
func (d *differ) leaves(w Bridge, name, want, got string) bool {
	left := slices.Contains(w.Leave, name)
	d.plan.Settings = append(d.plan.Settings, Setting{Bridge: w.Name, Name: name, Want: want, Got: got, Left: left})
	return left
}

// leave takes those settings out of want that are to stay as they are for now.
func (d *differ) leave(w Bridge, got, want settings) {
	for _, k := range names() {
		if v, wanted := want[k]; wanted && got[k] != v && d.leaves(w, k, v, got[k]) {
			delete(want, k)
		}
	}
}

// change returns the columns to update and the mutations that take a bridge
// from got to want, and the same in words.
func change(b *schema.Bridge, got, want settings) (ovsdb.Row, []ovsdb.Mutation, []string) {
	row := ovsdb.Row{}
	var steps []string
	config := map[string]string{}
	for _, k := range names() {
		v, wanted := want[k]
		if !wanted || got[k] == v {
			continue
		}
		if key, ok := strings.CutPrefix(k, "other_config:"); ok {
			config[key] = v
		} else {
			row[k] = column(k, v)
		}
		if v == "" {
			steps = append(steps, fmt.Sprintf("clear %s of bridge %s", k, b.Name))
		} else {
			steps = append(steps, fmt.Sprintf("set %s=%s on bridge %s", k, v, b.Name))
		}
	}
	return row, patch("other_config", b.OtherConfig, config), steps
}

// column returns the value of a setting as its column takes it.
func column(name, value string) any {
	switch {
	case name == stp || name == rstp:
		return value == "true"
	case value == "":
		return texts(nil)
	}
	return texts(strings.Split(value, ","))
}

// saved is the content of external_ids:ovsmesh-saved: the settings that a
// bridge had before we managed it.
type saved struct {
	Version  int      `json:"version"`
	Settings settings `json:"settings"`
}

const savedVersion = 1

func encodeSaved(s settings) string {
	text, _ := json.Marshal(saved{Version: savedVersion, Settings: s}) // strings always marshal
	return string(text)
}

// decodeSaved reads external_ids:ovsmesh-saved. Values are checked, for they
// come from a host's database and go back into it.
func decodeSaved(text string) (settings, error) {
	var s saved
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("%s: %w", schema.KeySaved, err)
	}
	if s.Version != savedVersion {
		return nil, fmt.Errorf("%s: version %d, not %d", schema.KeySaved, s.Version, savedVersion)
	}
	for k, v := range s.Settings {
		if !slices.Contains(names(), k) {
			return nil, fmt.Errorf("%s: unknown setting %.64q", schema.KeySaved, k)
		}
		if (k == stp || k == rstp) && v != "true" && v != "false" ||
			k == failMode && v != "" && v != "standalone" && v != "secure" {
			return nil, fmt.Errorf("%s: %s is %.64q", schema.KeySaved, k, v)
		}
	}
	return s.Settings, nil
}

// Settings returns the settings that a bridge must have while we manage it and
// those that it has, by name, for an audit; nil where it is not there. owner and
// target are those of Want and Bridge.
func Settings(db *schema.DB, bridge, owner, target string) (want, got map[string]string) {
	b := db.BridgeByName(bridge)
	if b == nil {
		return nil, nil
	}
	got = current(db, b)
	want = managed(got, fixedDPID(db, b, "", b.ExternalIDs[schema.KeyOwner]), b.ExternalIDs[keyTaken] != "")
	if b.ExternalIDs[keyTaken] == takenSpanning {
		delete(want, stp)
		delete(want, rstp)
	}
	want[settingController] = target
	best := 0
	for _, id := range slices.Sorted(slices.Values(b.Controllers)) {
		c := db.Controllers[id]
		if c == nil {
			continue
		}
		rank := 1 // somebody else's, who may have put it in the place of ours
		switch {
		case c.Target == target:
			rank = 3
		case c.ExternalIDs[schema.KeyOwner] == owner:
			rank = 2
		}
		if rank <= best {
			continue
		}
		best, got[settingController] = rank, c.Target
		if rank > 1 && db.Has("Controller", "connection_mode") {
			want[settingMode], got[settingMode] = outOfBand, c.ConnectionMode
		}
	}
	return want, got
}

// SettingOf returns the name of a setting, as Setting.Name has it, of one that
// Settings names: there our Controller is one, here its columns are.
func SettingOf(name string) string {
	if name == settingMode {
		return settingController
	}
	return name
}
