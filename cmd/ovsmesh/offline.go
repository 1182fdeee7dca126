package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"ovsmesh/controller"
	"ovsmesh/controller/api"
	"ovsmesh/openflow/ofctl"
	"ovsmesh/ovsdb/schema"
	"ovsmesh/topology"
)

// maxInventory bounds an inventory, in bytes: one of 1,000 hosts has some tens
// of megabytes.
const maxInventory = 1 << 30

// offlineFlags are those of a command that can work on files instead of asking
// a controller.
type offlineFlags struct {
	dumps     []string // HOST/BRIDGE=FILE
	spec      []string
	inventory string
}

func (f *offlineFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.dumps, "dump", nil, "offline: HOST/BRIDGE=FILE with the output of ovs-ofctl dump-flows (repeatable)")
	flags.StringArrayVar(&f.spec, "spec", nil, "offline: what ovsmesh export has written; a file, directory or - for stdin (repeatable)")
	flags.StringVar(&f.inventory, "inventory", "", "offline: what ovsmesh export --inventory has written; a file or - for stdin")
	cmd.RegisterFlagCompletionFunc("dump", f.completeDump)
}

// given reports whether the command is to work on files. The error says which
// of the flags that belong together is missing.
func (f *offlineFlags) given() (bool, error) {
	switch {
	case len(f.dumps)+len(f.spec) == 0 && f.inventory == "":
		return false, nil
	case len(f.dumps) == 0:
		return false, errors.New("--spec and --inventory are for --dump HOST/BRIDGE=FILE: name at least one")
	case len(f.spec) == 0:
		return false, errors.New("--dump needs --spec FILE, which ovsmesh export writes")
	case f.inventory == "":
		return false, errors.New("--dump needs --inventory FILE, which ovsmesh export --inventory writes")
	case f.inventory == "-" && slices.Contains(f.spec, "-"):
		return false, errors.New("--spec - and --inventory -: stdin can be read only once")
	}
	return true, nil
}

// load works out the mesh of the files, and reads the dumps. Lines of these
// that can't be read are in them, as errors.
func (f *offlineFlags) load(stdin io.Reader) (*controller.Offline, controller.Dumps, error) {
	inv, err := readInventory(f.inventory, stdin)
	if err != nil {
		return nil, nil, err
	}
	files, err := readFiles(f.spec, stdin)
	if err != nil {
		return nil, nil, fmt.Errorf("--spec: %w", err)
	}
	spec := make([]topology.File, len(files))
	for i, file := range files {
		spec[i] = topology.File{Name: file.Name, Data: []byte(file.Data)}
	}
	o, err := controller.NewOffline(spec, inv)
	if err != nil {
		return nil, nil, err
	}
	dumps, err := f.readDumps(o)
	return o, dumps, err
}

// readDumps reads the files of --dump. An argument that makes no sense, or a
// file that is not there, is an error, before anything is compared.
func (f *offlineFlags) readDumps(o *controller.Offline) (controller.Dumps, error) {
	dumps := controller.Dumps{}
	paths := map[[2]string]string{}
	for _, arg := range f.dumps {
		host, bridge, path, err := cutDump(arg)
		if err != nil {
			return nil, err
		}
		if before, twice := paths[[2]string{host, bridge}]; twice {
			return nil, fmt.Errorf("--dump: %s/%s is given twice, as %s and as %s", host, bridge, before, path)
		}
		paths[[2]string{host, bridge}] = path
		if dumps[host] == nil {
			dumps[host] = map[string]controller.BridgeDump{}
		}
		dumps[host][bridge] = controller.BridgeDump{}
	}
	if err := o.Check(dumps); err != nil {
		return nil, err
	}
	for at, path := range paths {
		d, err := readDump(path, o.Host(at[0]), at[1])
		if err != nil {
			return nil, err
		}
		dumps[at[0]][at[1]] = d
	}
	return dumps, nil
}

func readDump(path string, h *controller.OfflineHost, bridge string) (controller.BridgeDump, error) {
	file, err := os.Open(path)
	if err != nil {
		return controller.BridgeDump{}, err
	}
	defer file.Close() // nothing was written
	d, err := ofctl.ReadDump(file, path, h.Names(bridge))
	return controller.BridgeDump{Flows: d.Flows, Old: d.Old, Cut: d.Cut, Err: err}, nil
}

// cutDump cuts HOST/BRIDGE=FILE.
func cutDump(arg string) (host, bridge, path string, err error) {
	at, path, ok := strings.Cut(arg, "=")
	host, bridge, okay := strings.Cut(at, "/")
	if !ok || !okay || host == "" || bridge == "" || path == "" {
		return "", "", "", fmt.Errorf("--dump %s: want HOST/BRIDGE=FILE, like xen1/xapi1=xen1.flows", arg)
	}
	return host, bridge, path, nil
}

// readInventory reads an inventory in YAML or JSON.
func readInventory(path string, stdin io.Reader) (api.Inventory, error) {
	var inv api.Inventory
	r := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return inv, err
		}
		defer file.Close() // nothing was written
		r = file
	}
	text, err := io.ReadAll(io.LimitReader(r, maxInventory+1))
	if err != nil {
		return inv, fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > maxInventory {
		return inv, fmt.Errorf("%s: more than %d MiB", path, maxInventory>>20)
	}
	if err := decodeInventory(text, &inv); err != nil {
		return inv, fmt.Errorf("%s: this is not what ovsmesh export --inventory writes: %w", path, err)
	}
	if inv.StoreID == "" {
		return inv, fmt.Errorf("%s: the inventory names no storeID, by which ovsmesh knows its own rows: export it anew", path)
	}
	return inv, nil
}

// decodeInventory takes JSON for what it is, which is much faster than to take it
// for the YAML that it is as well.
func decodeInventory(text []byte, inv *api.Inventory) error {
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 || trimmed[0] != '{' {
		return yaml.UnmarshalWithOptions(text, inv, yaml.Strict())
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(inv)
}

// completeDump completes HOST/BRIDGE of the inventory, and the file.
func (f *offlineFlags) completeDump(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	if f.inventory == "" || f.inventory == "-" || strings.Contains(word, "=") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	inv, err := readInventory(f.inventory, nil)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, h := range inv.Hosts {
		if h.OVS == nil {
			continue
		}
		for _, b := range h.OVS.Bridges {
			if b.ExternalIDs[schema.KeyOwner] != inv.StoreID {
				continue
			}
			out = append(out, h.Name+"/"+b.Name+"=")
		}
	}
	return out, cobra.ShellCompDirectiveNoSpace
}
