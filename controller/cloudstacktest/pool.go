package cloudstacktest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ovsmesh/ovsdb/ovstest"
)

// Pool is what the hosts of a XenServer pool share: XAPI's database, as files,
// and the command xe that reads and writes it.
//
//	networks/UUID/name-label, bridge, other-config/KEY
//	pifs/UUID/network-uuid
//	hosts/UUID/software-version/platform_name
type Pool struct {
	dir   string
	first int // number of the next bridge, xapi0 …
}

// NewPool makes a pool whose files are in a directory that exists. Its first
// tunnel network gets the bridge xapi<first>: in another pool the same network
// has another one. Hosts are reached on the network called label, which is the
// bridge br-phy.
func NewPool(dir string, first int, label string) (*Pool, error) {
	p := &Pool{dir: dir, first: first}
	phy := ovstest.NewUUID()
	err := errors.Join(
		p.put("networks/"+phy+"/name-label", label), p.put("networks/"+phy+"/bridge", "br-phy"),
		p.put("pifs/"+ovstest.NewUUID()+"/network-uuid", phy),
		p.put("hosts/"+ovstest.NewUUID()+"/software-version/platform_name", "XCP"),
		os.WriteFile(p.XE(), []byte(fmt.Sprintf(xeScript, dir)), 0o755))
	if err != nil {
		return nil, fmt.Errorf("pool: %w", err)
	}
	return p, nil
}

// XE is the path of the pool's command xe.
func (p *Pool) XE() string { return filepath.Join(p.dir, "xe") }

// xeScript knows what CloudStack's scripts ask of xe, and complains of all else.
const xeScript = `#!/bin/sh
# A model of xe on files below this directory.
cd %q || exit 1
fail() { echo "Error: $*" >&2; exit 1; }
command=$1; shift
uuid= name= key= want= set= value=
for a in "$@"; do
	case $a in
	--minimal) ;;
	uuid=*) uuid=${a#uuid=} ;;
	param-name=*) name=${a#param-name=} ;;
	param-key=*) key=${a#param-key=} ;;
	bridge=*) want=${a#bridge=} ;;
	other-config:*=*) set=${a#other-config:}; value=${set#*=}; set=${set%%%%=*} ;;
	*) fail "unknown argument $a" ;;
	esac
done
kind=${command%%%%-*}s
case $command in
network-list|pif-list|host-list)
	all=
	for d in "$kind"/*; do
		[ -z "$want" ] || [ "$(cat "$d/bridge")" = "$want" ] || continue
		all=$all,${d#*/}
	done
	echo "${all#,}" ;;
network-param-get|pif-param-get|host-param-get)
	[ -d "$kind/$uuid" ] || fail "The uuid you supplied was invalid: $uuid"
	f=$kind/$uuid/$name${key:+/$key}
	if [ -d "$f" ]; then
		all=
		for k in "$f"/*; do [ -f "$k" ] && all="$all; ${k##*/}: $(cat "$k")"; done
		echo "${all#; }"
		exit
	fi
	[ -f "$f" ] || fail "Key $key not found"
	cat "$f"; echo ;;
network-param-set)
	[ -d "$kind/$uuid" ] && [ -n "$set" ] || fail "network-param-set $*"
	mkdir -p "$kind/$uuid/other-config" && printf %%s "$value" >"$kind/$uuid/other-config/$set" ;;
*) fail "unknown command $command" ;;
esac
`

// tunnelNetwork returns the UUID of the network of that label, which is made if
// there is none: findOrCreateTunnelNetwork.
func (p *Pool) tunnelNetwork(label string) (string, error) {
	found, err := p.find("name-label", label)
	if err != nil || found != "" {
		return found, err
	}
	uuid := ovstest.NewUUID()
	bridge := fmt.Sprintf("xapi%d", p.first)
	p.first++
	return uuid, errors.Join(
		p.put("networks/"+uuid+"/name-label", label), p.put("networks/"+uuid+"/bridge", bridge),
		p.put("networks/"+uuid+"/other-config/ovs-host-setup", ""),
		p.put("networks/"+uuid+"/other-config/assume_network_is_shared", "true"))
}

// find returns the UUID of the network of which a field has a value, or "".
func (p *Pool) find(field, value string) (string, error) {
	networks, err := os.ReadDir(filepath.Join(p.dir, "networks"))
	if err != nil {
		return "", err
	}
	for _, n := range networks {
		if got, err := p.get("networks/" + n.Name() + "/" + field); err != nil || got == value {
			return n.Name(), err
		}
	}
	return "", nil
}

// bridge is the name of the bridge of a network.
func (p *Pool) bridge(uuid string) (string, error) { return p.get("networks/" + uuid + "/bridge") }

// SetUp lists the hosts that a network of that label is set up on, as the
// plugin has noted them.
func (p *Pool) SetUp(label string) ([]string, error) {
	uuid, err := p.find("name-label", label)
	if err != nil || uuid == "" {
		return nil, err
	}
	hosts, err := p.get("networks/" + uuid + "/other-config/ovs-host-setup")
	if err != nil || hosts == "" {
		return nil, err
	}
	return strings.Split(hosts, ","), nil
}

// noteSetUp notes that a network is set up on a host, or no longer, as the plugin
// does: a new one comes first, and when one goes the others turn round.
func (p *Pool) noteSetUp(uuid, host string, is bool) error {
	const key = "/other-config/ovs-host-setup"
	got, err := p.get("networks/" + uuid + key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var hosts []string
	known := false
	for _, h := range strings.Split(got, ",") {
		switch {
		case h == "":
		case h != host:
			hosts = append(hosts, h)
		default:
			known = true
		}
	}
	if is {
		if known {
			return nil
		}
		hosts = append([]string{host}, hosts...)
	} else {
		for i, j := 0, len(hosts)-1; i < j; i, j = i+1, j-1 {
			hosts[i], hosts[j] = hosts[j], hosts[i]
		}
	}
	return p.put("networks/"+uuid+key, strings.Join(hosts, ","))
}

func (p *Pool) get(path string) (string, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, path))
	return string(b), err
}

func (p *Pool) put(path, value string) error {
	path = filepath.Join(p.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(value), 0o644)
}
