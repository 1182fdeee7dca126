package ovstest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// FreezeOVSDB stops ovsdb-server where it stands (SIGSTOP): its connections stay
// open and it answers nothing until ThawOVSDB.
func (o *OVS) FreezeOVSDB() error { return o.signal("ovsdb-server", syscall.SIGSTOP) }

// ThawOVSDB lets a frozen ovsdb-server go on.
func (o *OVS) ThawOVSDB() error { return o.signal("ovsdb-server", syscall.SIGCONT) }

// CutManagement makes the fabric drop all frames between the host and the
// controller, silently, while its underlay goes on. The bed must have a
// management plane.
func (h *Host) CutManagement(ctx context.Context) error { return h.setManagement(ctx, "0") }

// RestoreManagement undoes CutManagement.
func (h *Host) RestoreManagement(ctx context.Context) error { return h.setManagement(ctx, "3") }

// setManagement does what setForwarding does on the other plane.
func (h *Host) setManagement(ctx context.Context, state string) error {
	_, err := runIn(ctx, h.bed.fabricNS(), nil, "bridge", "link", "set", "dev", h.fabricPort(management), "state", state)
	return err
}

// CutUnderlayTo makes the host drop all that comes from another host's underlay
// addresses, silently; both ways are cut when the other does the same. It lasts
// until RestoreUnderlayTo or the end of ovs-vswitchd.
func (h *Host) CutUnderlayTo(ctx context.Context, peer *Host) error {
	for _, match := range comesFrom(peer) {
		if _, err := h.OFCtl(ctx, "add-flow", phyBridge, "priority=1000,"+match+",actions=drop"); err != nil {
			return err
		}
	}
	return nil
}

// RestoreUnderlayTo undoes CutUnderlayTo.
func (h *Host) RestoreUnderlayTo(ctx context.Context, peer *Host) error {
	for _, match := range comesFrom(peer) {
		if _, err := h.OFCtl(ctx, "--strict", "del-flows", phyBridge, "priority=1000,"+match); err != nil {
			return err
		}
	}
	return nil
}

// comesFrom are matches of what another host sends on the underlay.
func comesFrom(peer *Host) []string {
	return []string{"in_port=eth0,ip,nw_src=" + peer.Addr.String(), "in_port=eth0,ipv6,ipv6_src=" + peer.Addr6.String()}
}

// RebootEmpty ends both daemons at once, as a loss of power does, and boots the
// host with an empty database: with its identity and its underlay, but without
// managers and bridges. VIFs keep their devices and are on no bridge; see
// VM.Replug.
func (h *Host) RebootEmpty(ctx context.Context) error {
	if err := h.Stop(); err != nil {
		return err
	}
	schema := h.path("vswitch.ovsschema") // of an old host
	if _, err := os.Stat(schema); errors.Is(err, os.ErrNotExist) {
		schema = schemaFile
	}
	if err := os.Remove(h.path("conf.db")); err != nil {
		return err
	}
	if _, err := h.run(ctx, "ovsdb-tool", "create", h.path("conf.db"), schema); err != nil {
		return err
	}
	if err := h.boot(ctx, identity{systemID: h.SystemID, hostname: h.Name}); err != nil {
		return fmt.Errorf("reboot host %s: %w", h.Name, err)
	}
	return h.addPhy(ctx)
}

// RebootWithoutBridges ends both daemons at once and boots the host as a start
// script with --delete-bridges does, ovs-ctl(8): all bridges go before
// ovs-vswitchd starts; the host's managers and identity stay.
func (h *Host) RebootWithoutBridges(ctx context.Context) error {
	if err := h.Stop(); err != nil {
		return err
	}
	if err := h.StartOVSDB(ctx); err != nil {
		return err
	}
	bridges, err := h.VSCtl(ctx, "list-br")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(bridges) {
		if _, err := h.VSCtl(ctx, "--no-wait", "del-br", name); err != nil {
			return err
		}
	}
	if err := h.OVS.StartVSwitchd(ctx); err != nil {
		return err
	}
	return h.addPhy(ctx)
}

// Replug plugs the VM's VIF into its bridge again, as a toolstack does when a VM
// starts, after the port or the whole bridge was deleted.
func (vm *VM) Replug(ctx context.Context) error {
	h := vm.bed.Host(vm.Host)
	if h == nil {
		return fmt.Errorf("VM %s: its host %s is gone", vm.Name, vm.Host)
	}
	_, err := h.VSCtl(ctx, vm.plugArgs(vm.Interface)...)
	return err
}
