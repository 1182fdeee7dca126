package openflow

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// ParseMethod returns the address to listen on, for net.Listen("tcp", …), that
// a passive OVS connection method names, ovsdb(7): "ptcp:PORT[:HOST]". Without
// HOST it is every address; an IPv6 HOST may stand in brackets. Port 0 lets the
// system choose one.
func ParseMethod(method string) (string, error) {
	scheme, rest, _ := strings.Cut(method, ":")
	switch scheme {
	case "ptcp":
	case "pssl":
		return "", fmt.Errorf("listen method %q: pssl (TLS) is not supported yet; use ptcp:PORT[:HOST]", method)
	default:
		return "", fmt.Errorf("listen method %q: want ptcp:PORT[:HOST]", method)
	}
	port, host, hasHost := strings.Cut(rest, ":")
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("listen method %q: %q is no port from 0 to 65535", method, port)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(inner, "]"); !ok {
			return "", fmt.Errorf("listen method %q: bracket is not closed", method)
		}
	}
	if hasHost && host == "" {
		return "", fmt.Errorf("listen method %q: empty host", method)
	}
	return net.JoinHostPort(host, port), nil
}
