package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ovsmesh/ovsdb/ovstest"
)

// demoNetworks are those of examples/demo/spec.yaml.
var demoNetworks = [...]network{
	{Name: "blue", Tenant: "acme", Encap: "gre", Key: 103, Bridge: "xapi1", Number: 1},
	{Name: "green", Tenant: "globex", Encap: "vxlan", Bridge: "xapi2", Number: 1},
}

// demo is one run: what an operator would do by hand, said step by step.
type demo struct {
	*lab
	out    io.Writer
	start  time.Time
	binary string // ovsmesh
	spec   string
	dir    string // data directory and log of the controller; goes with the bed
	size   size
	server *server
}

func newDemoCommand() *cobra.Command {
	d := &demo{size: size{hosts: 3, networks: len(demoNetworks), vms: 1}}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show ovsmesh at work, from nothing to a checked mesh",
		Long: `demo starts hosts and a controller, has the hosts dial in, applies a spec with two
tenants whose VMs have the same addresses, and checks that every VM reaches all
of its network and none of the other. With a terminal it then leaves everything
running until Ctrl-C; without one it ends with 0 only if all checks passed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := d.size.validate(); err != nil {
				return err
			}
			if err := free(); err != nil {
				return err
			}
			d.out, d.start = cmd.OutOrStdout(), time.Now()
			return d.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&d.size.hosts, "hosts", d.size.hosts, "number of hosts")
	flags.IntVar(&d.size.vms, "vms", d.size.vms, "number of VMs of each tenant on each host")
	flags.StringVar(&d.spec, "spec", "examples/demo/spec.yaml", "spec that is applied")
	flags.StringVar(&d.binary, "ovsmesh", besideUs("ovsmesh"), "the controller's program")
	return cmd
}

// besideUs is the path of a program in the directory of our own.
func besideUs(name string) string {
	self, err := os.Executable()
	if err != nil {
		return name
	}
	path := filepath.Join(filepath.Dir(self), name)
	if cwd, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(cwd, path); err == nil && len(short) < len(path) {
			return short
		}
	}
	return path
}

func (d *demo) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, d.tearDown()) }()

	err = d.steps(ctx)
	if err != nil && d.server != nil {
		fmt.Fprintf(d.out, "\nThe controller's log ends so:\n%s\n", d.server.tail())
	}
	if ctx.Err() != nil {
		return errors.Join(errors.New("interrupted"), err)
	}
	if !isTerminal(os.Stdin) {
		if err == nil {
			fmt.Fprintf(d.out, "\nAll checks passed, %.1f s.\n", time.Since(d.start).Seconds())
		}
		return err
	}
	if err != nil {
		fmt.Fprintf(d.out, "\nNot all is well: %v\n", err)
	}
	d.printNext()
	<-ctx.Done()
	fmt.Fprintln(d.out, "\ntaking everything down")
	return err
}

// steps is the demo itself. The last, checking ones all run, even if one fails.
func (d *demo) steps(ctx context.Context) error {
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"hosts: a network namespace each, with ovsdb-server and ovs-vswitchd", d.startHosts},
		{"the controller", d.startServer},
		{"every host dials in", d.connect},
		{"two tenants are declared", d.apply},
		{"VMs start on every host; both tenants use the same MAC and IP addresses", d.startVMs},
		{"what stands", d.showTopology},
	} {
		d.title(step.title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	d.title("every VM pings every other of its network")
	pings := d.pingAll(ctx)
	d.title("does a frame cross to the other tenant?")
	crossing := d.checkIsolation(ctx)
	d.title("do the switches hold what they should?")
	return errors.Join(pings, crossing, d.audit(ctx))
}

func (d *demo) title(text string) {
	fmt.Fprintf(d.out, "\n── %4.1f s  %s\n", time.Since(d.start).Seconds(), text)
}

func (d *demo) startHosts(ctx context.Context) error {
	bed, err := ovstest.NewBed(ctx, ovstest.Options{})
	if err != nil {
		return err
	}
	d.lab = &lab{Bed: bed.ID, Networks: demoNetworks[:], bed: bed}
	if err := d.publish(); err != nil {
		return err
	}
	d.dir = filepath.Join(bed.Dir(), "demo")
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		return err
	}
	empty := d.size
	empty.vms = 0
	if err := d.addHosts(ctx, empty); err != nil {
		return err
	}
	for _, h := range bed.Hosts() {
		fmt.Fprintf(d.out, "%s at %s, bridges %s (%s) and %s (%s)\n", h.Name, h.Addr,
			demoNetworks[0].Bridge, demoNetworks[0].Tenant, demoNetworks[1].Bridge, demoNetworks[1].Tenant)
	}
	return nil
}

// connect does on every host what its operator would do.
func (d *demo) connect(ctx context.Context) error {
	for _, h := range d.bed.Hosts() {
		fmt.Fprintf(d.out, "%s$ ovs-vsctl set-manager %s\n", h.Name, d.server.manager())
		if err := h.SetManager(ctx, d.server.manager()); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) apply(ctx context.Context) error {
	text, err := os.ReadFile(d.spec)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "%s\n", text)
	return d.show(ctx, "apply", "--wait", "-f", d.spec)
}

func (d *demo) tearDown() error {
	var err error
	if d.server != nil {
		err = d.server.stop()
	}
	if d.lab != nil {
		err = errors.Join(err, d.remove())
	}
	return err
}

// printNext says how to look further.
func (d *demo) printNext() {
	vms := d.bed.VMs()
	first, last := vms[0], lastOf(vms, vms[0].Bridge)
	host := d.bed.Host(last.Host)
	fmt.Fprintf(d.out, "\nEverything runs until Ctrl-C. In another terminal, here:\n")
	if env := d.server.environment(); env != "" {
		fmt.Fprintf(d.out, "  export %s\n", env)
	}
	for _, line := range [][2]string{
		{d.binary + " topology tunnels", "each end of each tunnel"},
		{fmt.Sprintf("%s topology -o json", d.binary), "for programs"},
		{besideUs("ovsmesh-lab") + " status", "hosts, VMs and addresses"},
		{fmt.Sprintf("%s exec %s -- ping %s", besideUs("ovsmesh-lab"), first.Name, last.IPs[0].Addr()), "across a tunnel"},
		{fmt.Sprintf("%s vm move %s %s", besideUs("ovsmesh-lab"), last.Name, first.Host), "while it runs"},
		{fmt.Sprintf("%s flows %s %s", d.binary, host.Name, last.Bridge), "each flow, and what it is for"},
		{fmt.Sprintf("%s ofctl %s del-flows %s", besideUs("ovsmesh-lab"), host.Name, last.Bridge), "harm, which is mended at once"},
		{d.binary + " audit --history", "says what it broke"},
		{"tail -f " + d.server.log, "the controller's log"},
	} {
		fmt.Fprintf(d.out, "  %-58s # %s\n", line[0], line[1])
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
