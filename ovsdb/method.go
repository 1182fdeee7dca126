package ovsdb

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ParseMethod reads a passive connection method, ptcp:PORT[:HOST] (ovsdb(7)),
// and returns the address to listen on. HOST is an IP address, in brackets or
// not if it is IPv6; without it every address. Port 0 lets the system choose.
func ParseMethod(method string) (address string, err error) {
	kind, rest, _ := strings.Cut(method, ":")
	switch kind {
	case "ptcp":
	case "pssl":
		return "", fmt.Errorf("%q: TLS is not supported yet; use ptcp:PORT[:HOST]", method)
	default:
		return "", fmt.Errorf("%q is not a connection method (want ptcp:PORT[:HOST], like ptcp:6640)", method)
	}
	port, host, hasHost := strings.Cut(rest, ":")
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || port != strconv.FormatUint(n, 10) {
		return "", fmt.Errorf("%q: %q is not a port (want 0 to 65535)", method, port)
	}
	if !hasHost {
		return ":" + port, nil
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "", fmt.Errorf("%q: %q is not an IP address", method, host)
	}
	return net.JoinHostPort(addr.String(), port), nil
}
