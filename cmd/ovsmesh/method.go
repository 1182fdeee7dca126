package main

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// method is a passive OVS connection method, ovsdb(7): ptcp:PORT[:HOST].
type method struct {
	text string
	addr netip.AddrPort // Addr unspecified where no HOST is given: all of IPv4 and IPv6
}

// Address is the address to listen on, as net.Listen takes it.
func (m method) Address() string {
	if m.addr.Addr().IsUnspecified() && m.addr.Addr().Is6() {
		return ":" + strconv.Itoa(int(m.addr.Port()))
	}
	return m.addr.String()
}

// Port is the port to listen on; 0 is any that is free.
func (m method) Port() uint16 { return m.addr.Port() }

// String returns the method as it was written.
func (m method) String() string { return m.text }

// anywhere is ptcp:PORT.
func anywhere(port uint16) method {
	return method{fmt.Sprintf("ptcp:%d", port), netip.AddrPortFrom(netip.IPv6Unspecified(), port)}
}

// parseMethod reads ptcp:PORT[:HOST]; an IPv6 HOST stands in brackets.
func parseMethod(s string) (method, error) {
	kind, rest, _ := strings.Cut(s, ":")
	switch kind {
	case "ptcp":
	case "pssl":
		return method{}, fmt.Errorf("%q: TLS is not available in this version; want ptcp:PORT[:HOST]", s)
	case "tcp", "ssl":
		return method{}, fmt.Errorf("%q dials out, but hosts dial in here: want ptcp:PORT[:HOST]", s)
	default:
		return method{}, fmt.Errorf("%q is not a connection method: want ptcp:PORT[:HOST], like ptcp:6640", s)
	}
	portText, hostText, hasHost := strings.Cut(rest, ":")
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return method{}, fmt.Errorf("%q: port %q is not a number from 0 to 65535", s, portText)
	}
	host := netip.IPv6Unspecified()
	if hasHost {
		if host, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hostText, "["), "]")); err != nil {
			return method{}, fmt.Errorf("%q: %q is not an IP address", s, hostText)
		}
	}
	return method{text: s, addr: netip.AddrPortFrom(host, uint16(port))}, nil
}

// checkTarget reads an active connection method, tcp:IP:PORT, as bridges and
// hosts are given it. port is the usual one, for the error.
func checkTarget(s string, port int) error {
	rest, ok := strings.CutPrefix(s, "tcp:")
	if !ok {
		if strings.HasPrefix(s, "ssl:") {
			return fmt.Errorf("%q: TLS is not available in this version; want tcp:IP:PORT", s)
		}
		return fmt.Errorf("%q is not a target: want tcp:IP:PORT, like tcp:192.0.2.10:%d", s, port)
	}
	at, err := netip.ParseAddrPort(rest)
	if err != nil || at.Port() == 0 || at.Addr().IsUnspecified() {
		return fmt.Errorf("%q is not a target: want tcp:IP:PORT with an IP address (IPv6 in brackets) and a port, like tcp:192.0.2.10:%d", s, port)
	}
	return nil
}

// checkListen reads the API's address, HOST:PORT, and reports whether only
// this machine can reach it.
func checkListen(s string) (loopback bool, err error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false, fmt.Errorf("%q is not an address: want IP:PORT, like 127.0.0.1:8640", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, fmt.Errorf("%q: port %q is not a number from 0 to 65535", s, port)
	}
	if host == "" {
		return false, nil
	}
	if host == "localhost" {
		return true, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false, fmt.Errorf("%q: %q is not an IP address", s, host)
	}
	return ip.Unmap().IsLoopback(), nil
}
