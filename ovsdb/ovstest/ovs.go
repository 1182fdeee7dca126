package ovstest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrNotInstalled says that the machine has no Open vSwitch to run.
var ErrNotInstalled = errors.New("open vSwitch is not installed: run apt-get install -y --no-install-recommends openvswitch-switch")

// schemaFile is where Debian's package puts the schema of the database.
const schemaFile = "/usr/share/openvswitch/vswitch.ovsschema"

// OVS is one ovsdb-server with its ovs-vswitchd, in a run directory of its own.
// Its methods may be called by several goroutines, save those that start or
// stop the daemons.
type OVS struct {
	dir      string // OVS_RUNDIR, OVS_DBDIR and OVS_LOGDIR; short, as it holds unix sockets
	ns       string // network namespace; "" is that of this process
	vswitchd []string
}

// identity is what a host's start script writes into the database.
type identity struct {
	systemID string
	hostname string
}

// startOVS makes the database of a schema in dir, which exists, and starts both daemons in
// the named network namespace. On an error nothing keeps running.
func startOVS(ctx context.Context, dir, ns, schema string, id identity, vswitchdFlags ...string) (*OVS, error) {
	for _, tool := range []string{"ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl", "ovs-appctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s: %w", tool, ErrNotInstalled)
		}
	}
	o := &OVS{dir: dir, ns: ns, vswitchd: vswitchdFlags}
	if _, err := o.run(ctx, "ovsdb-tool", "create", o.path("conf.db"), schema); err != nil {
		return nil, err
	}
	if err := o.boot(ctx, id); err != nil {
		return nil, errors.Join(err, o.Stop())
	}
	return o, nil
}

func (o *OVS) boot(ctx context.Context, id identity) error {
	if err := o.StartOVSDB(ctx); err != nil {
		return err
	}
	version, err := ovsVersion(ctx)
	if err != nil {
		return err
	}
	_, err = o.VSCtl(ctx, "--no-wait", "init", "--", "set", "Open_vSwitch", ".",
		"ovs-version="+version, "system-type=om-lab",
		"external-ids:system-id="+id.systemID, "external-ids:hostname="+id.hostname)
	if err != nil {
		return err
	}
	return o.StartVSwitchd(ctx)
}

// ovsVersion is the version that the start script would write into the
// database: ovs-vswitchd does not do so itself.
func ovsVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "ovs-vswitchd", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ovs-vswitchd --version: %w", err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line[strings.LastIndexByte(line, ' ')+1:], nil
}

func (o *OVS) path(name string) string { return filepath.Join(o.dir, name) }

// Dir is the run directory: sockets, PID files, database and logs.
func (o *OVS) Dir() string { return o.dir }

// DBSocket is the path of the unix socket on which ovsdb-server listens.
func (o *OVS) DBSocket() string { return o.path("db.sock") }

// BridgeSocket is the path of the unix socket on which a bridge of that name
// takes OpenFlow connections.
func (o *OVS) BridgeSocket(bridge string) string { return o.path(bridge + ".mgmt") }

// Env is the environment in which ovs-vsctl and its sisters find this pair.
func (o *OVS) Env() []string {
	return append(os.Environ(), "OVS_RUNDIR="+o.dir, "OVS_DBDIR="+o.dir, "OVS_LOGDIR="+o.dir, "OVS_SYSCONFDIR="+o.dir)
}

// StartOVSDB starts ovsdb-server and returns when it serves.
func (o *OVS) StartOVSDB(ctx context.Context) error {
	_, err := o.run(ctx, "ovsdb-server", o.path("conf.db"),
		"--remote=punix:"+o.DBSocket(),
		"--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
		"--private-key=db:Open_vSwitch,SSL,private_key",
		"--certificate=db:Open_vSwitch,SSL,certificate",
		"--bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert",
		"--unixctl="+o.path("ovsdb.ctl"), "--pidfile="+o.path("ovsdb-server.pid"),
		"--log-file="+o.path("ovsdb-server.log"), "-vconsole:off", "-vsyslog:off",
		"--detach", "--no-chdir")
	return err
}

// StartVSwitchd starts ovs-vswitchd and returns when it has read its
// configuration.
func (o *OVS) StartVSwitchd(ctx context.Context) error {
	args := []string{"ovs-vswitchd", "unix:" + o.DBSocket(),
		"--unixctl=" + o.path("vswitchd.ctl"), "--pidfile=" + o.path("ovs-vswitchd.pid"),
		"--log-file=" + o.path("ovs-vswitchd.log"), "-vconsole:off", "-vsyslog:off",
		"--detach", "--no-chdir"}
	_, err := o.run(ctx, append(args, o.vswitchd...)...)
	return err
}

// Stop kills both daemons and waits until they are gone. The run directory
// stays. It is idempotent.
func (o *OVS) Stop() error {
	return errors.Join(
		o.kill("ovs-vswitchd", syscall.SIGKILL),
		o.kill("ovsdb-server", syscall.SIGKILL))
}

// RestartVSwitchd ends ovs-vswitchd in good order and starts it again. All
// flows are lost, as on any host; ofports are kept.
func (o *OVS) RestartVSwitchd(ctx context.Context) error {
	if err := o.KillVSwitchd(syscall.SIGTERM); err != nil {
		return err
	}
	return o.StartVSwitchd(ctx)
}

// RestartOVSDB ends ovsdb-server in good order and starts it again, on the same
// database.
func (o *OVS) RestartOVSDB(ctx context.Context) error {
	if err := o.KillOVSDB(syscall.SIGTERM); err != nil {
		return err
	}
	return o.StartOVSDB(ctx)
}

// KillVSwitchd sends ovs-vswitchd a signal that ends it, and waits until it is
// gone. A daemon that does not run is no error.
func (o *OVS) KillVSwitchd(sig syscall.Signal) error { return o.kill("ovs-vswitchd", sig) }

// KillOVSDB does the same to ovsdb-server.
func (o *OVS) KillOVSDB(sig syscall.Signal) error { return o.kill("ovsdb-server", sig) }

// Freeze stops ovs-vswitchd where it stands (SIGSTOP): it answers nothing and
// forwards nothing until Thaw.
func (o *OVS) Freeze() error { return o.signal("ovs-vswitchd", syscall.SIGSTOP) }

// Thaw lets a frozen ovs-vswitchd go on.
func (o *OVS) Thaw() error { return o.signal("ovs-vswitchd", syscall.SIGCONT) }

// Pids returns the process IDs of the daemons; 0 for one that does not run.
func (o *OVS) Pids() (ovsdb, vswitchd int) {
	return o.pid("ovsdb-server"), o.pid("ovs-vswitchd")
}

// VSCtl runs ovs-vsctl and returns what it printed, without the last newline.
// It gives up after 30 s, as a frozen ovs-vswitchd never answers.
func (o *OVS) VSCtl(ctx context.Context, args ...string) (string, error) {
	return o.run(ctx, append([]string{"ovs-vsctl", "--timeout=30", "--db=unix:" + o.DBSocket()}, args...)...)
}

// OFCtl runs ovs-ofctl with OpenFlow 1.3; a later -O among args overrides that.
func (o *OVS) OFCtl(ctx context.Context, args ...string) (string, error) {
	return o.run(ctx, append([]string{"ovs-ofctl", "-O", "OpenFlow13", "--timeout=30"}, args...)...)
}

// AppCtl runs ovs-appctl against ovs-vswitchd.
func (o *OVS) AppCtl(ctx context.Context, args ...string) (string, error) {
	return o.run(ctx, append([]string{"ovs-appctl", "--timeout=30", "-t", o.path("vswitchd.ctl")}, args...)...)
}

// SetManager makes the host dial in at targets, such as "tcp:10.211.0.1:6640",
// in place of whatever managers it had.
func (o *OVS) SetManager(ctx context.Context, targets ...string) error {
	_, err := o.VSCtl(ctx, append([]string{"set-manager"}, targets...)...)
	return err
}

// Logs returns the last kilobytes of both daemons' logs, for people.
func (o *OVS) Logs() string {
	const limit = 8 << 10
	var b strings.Builder
	for _, name := range []string{"ovsdb-server.log", "ovs-vswitchd.log"} {
		text, err := os.ReadFile(o.path(name))
		if err != nil {
			fmt.Fprintf(&b, "--- %s: %v\n", name, err)
			continue
		}
		if len(text) > limit {
			text = text[len(text)-limit:]
		}
		fmt.Fprintf(&b, "--- %s\n%s", name, text)
	}
	return b.String()
}

// run runs a program in the pair's namespace and environment.
func (o *OVS) run(ctx context.Context, argv ...string) (string, error) {
	return runIn(ctx, o.ns, o.Env(), argv...)
}
