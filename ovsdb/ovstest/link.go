package ovstest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// end is one end of a veth pair: a device in a network namespace.
type end struct {
	ns   string // "" is that of this process
	name string // at most 15 bytes
}

func (e end) String() string { return e.ns + "/" + e.name }

// addVeth makes a veth pair, both ends down. The far end must be in a named
// namespace.
func addVeth(near, far end, mtu int) error {
	peer, err := os.Open(filepath.Join(netnsDir, far.ns))
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", far.ns, err)
	}
	defer peer.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = near.name
	attrs.MTU = mtu
	veth := netlink.NewVeth(attrs)
	veth.PeerName = far.name
	veth.PeerNamespace = netlink.NsFd(peer.Fd())
	veth.PeerMTU = uint32(mtu)
	return inNS(near.ns, func() error {
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("add veth %s: %w", near.name, err)
		}
		return nil
	})
}

// withLink runs fn in the namespace of e with its device.
func withLink(e end, fn func(netlink.Link) error) error {
	return inNS(e.ns, func() error {
		link, err := netlink.LinkByName(e.name)
		if err != nil {
			return fmt.Errorf("link %s: %w", e.name, err)
		}
		if err := fn(link); err != nil {
			return fmt.Errorf("link %s: %w", e.name, err)
		}
		return nil
	})
}

// bringUp sets a device up and gives it addrs, without waiting for duplicate
// address detection.
func bringUp(e end, addrs ...netip.Prefix) error {
	return withLink(e, func(link netlink.Link) error {
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		for _, p := range addrs {
			addr, err := netlink.ParseAddr(p.String())
			if err != nil {
				return err
			}
			if p.Addr().Is6() {
				addr.Flags = unix.IFA_F_NODAD
			}
			if err := netlink.AddrReplace(link, addr); err != nil {
				return fmt.Errorf("address %v: %w", p, err)
			}
		}
		return nil
	})
}

// delLink removes a device; one that is not there is no error.
func delLink(e end) error {
	return inNS(e.ns, func() error {
		link, err := netlink.LinkByName(e.name)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("link %s: %w", e.name, err)
		}
		if err := netlink.LinkDel(link); err != nil {
			return fmt.Errorf("delete link %s: %w", e.name, err)
		}
		return nil
	})
}

// checksumInSoftware turns transmit checksum offload off, as ethtool -K DEV tx
// off does. The userspace datapath forwards a veth's frames as they are; with
// offload on they carry no valid checksum and no TCP connection completes.
func checksumInSoftware(e end) error {
	return inNS(e.ns, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		// struct ethtool_value and struct ifreq of the kernel's interface.
		value := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_STXCSUM}
		var req struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}
		copy(req.name[:unix.IFNAMSIZ-1], e.name)
		req.data = unsafe.Pointer(&value)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if errno != 0 {
			return fmt.Errorf("link %s: tx checksum off: %w", e.name, errno)
		}
		return nil
	})
}

// setSysctls writes net.* settings, "ipv6/conf/default/accept_dad=0", in a
// namespace.
func setSysctls(ns string, settings ...string) error {
	return inNS(ns, func() error {
		for _, s := range settings {
			key, value, _ := strings.Cut(s, "=")
			// proc(5): /proc/sys/net is that of the thread that opens it.
			if err := os.WriteFile("/proc/sys/net/"+key, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
}
