package ovstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

// underlayMTU is the MTU of every link of the fabric.
const underlayMTU = 1500

// plane is one of a bed's two networks: that of the tunnels, and that on which
// hosts reach the controller where it is another.
type plane int

const (
	underlay   plane = 211 // 10.211.N.0/24, fd00:6f6d:211:N::/64
	management plane = 212
)

func (b *Bed) addr4(p plane, host int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(p), byte(b.Number), byte(host)})
}

func (b *Bed) addr6(p plane, host int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("fd00:6f6d:%d:%x::%x", p, b.Number, host))
}

// prefixes are a host's addresses on a plane, with the length of its networks.
func (b *Bed) prefixes(p plane, host int) []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(b.addr4(p, host), 24), netip.PrefixFrom(b.addr6(p, host), 64)}
}

func covers(n *net.IPNet, a netip.Addr) bool {
	ones, _ := n.Mask.Size()
	return ones > 0 && n.Contains(a.AsSlice())
}

// build makes the fabric and the controller's link to it.
func (b *Bed) build(ctx context.Context) error {
	if err := addNS(ctx, b.fabricNS()); err != nil {
		return err
	}
	if err := setSysctls(b.fabricNS(), "ipv6/conf/default/disable_ipv6=1"); err != nil {
		return err
	}
	plane := underlay
	if b.Options.Management {
		plane = management
		if err := b.addFabric(fabricLink + "m"); err != nil {
			return err
		}
	}
	if err := b.addFabric(fabricLink); err != nil {
		return err
	}
	near, far := end{"", b.ID}, end{b.fabricNS(), "ctl"}
	if err := addVeth(near, far, underlayMTU); err != nil {
		return err
	}
	err := errors.Join(
		b.attach(far, b.fabricOf(plane)),
		checksumInSoftware(near),
		bringUp(near, b.prefixes(plane, 1)...))
	if err != nil {
		return err
	}
	return b.save()
}

// fabricOf names the bridge of a plane.
func (b *Bed) fabricOf(p plane) string {
	if p == management {
		return fabricLink + "m"
	}
	return fabricLink
}

func (b *Bed) addFabric(name string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	noSnooping := false // else IPv6 neighbour solicitations wait for a querier
	err := inNS(b.fabricNS(), func() error {
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &noSnooping})
	})
	if err != nil {
		return fmt.Errorf("add fabric (a Linux bridge): %w", err)
	}
	return bringUp(end{b.fabricNS(), name})
}

// attach plugs a device of the fabric's namespace into one of its bridges.
func (b *Bed) attach(e end, bridge string) error {
	return withLink(e, func(link netlink.Link) error {
		master, err := netlink.LinkByName(bridge)
		if err != nil {
			return fmt.Errorf("bridge %s: %w", bridge, err)
		}
		if err := netlink.LinkSetMaster(link, master); err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
}

var validBed = regexp.MustCompile(`^` + prefix + `[0-9a-f]{2}$`)

// RemoveBed removes whatever there is of a bed, also of one that was only half
// made or whose maker died. It is idempotent.
func RemoveBed(id string) error {
	if !validBed.MatchString(id) {
		return fmt.Errorf("%q is no bed", id)
	}
	dir := filepath.Join(runDir, id)
	var errs []error
	hosts, err := filepath.Glob(filepath.Join(dir, "h-*"))
	errs = append(errs, err)
	for _, h := range hosts {
		errs = append(errs, (&OVS{dir: h}).Stop())
	}
	errs = append(errs, delLink(end{"", id}))
	namespaces, err := filepath.Glob(filepath.Join(netnsDir, id+"-*"))
	errs = append(errs, err, killIn(namespaces))
	for _, ns := range namespaces {
		errs = append(errs, delNS(context.Background(), filepath.Base(ns)))
	}
	// The directory goes last: while it is there, the bed's number is taken.
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove bed %s: %w", id, err)
	}
	return os.RemoveAll(dir)
}

// killIn ends the processes that run in network namespaces, which a namespace
// would otherwise outlive its name in.
func killIn(namespaces []string) error {
	inside := make(map[uint64]bool)
	for _, path := range namespaces {
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err == nil {
			inside[st.Ino] = true
		}
	}
	if len(inside) == 0 {
		return nil
	}
	processes, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return err
	}
	for _, path := range processes {
		var st syscall.Stat_t
		// A process that ended meanwhile has no such file.
		if err := syscall.Stat(path, &st); err != nil || !inside[st.Ino] {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(strings.TrimPrefix(path, "/proc/"), "%d", &pid); err != nil || pid == os.Getpid() {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end process %d: %w", pid, err)
		}
	}
	return nil
}
