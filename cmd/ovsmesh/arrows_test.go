package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrow forbids imports. Packages are named without the module's path; a name
// that ends in /... means everything below, too.
type arrow struct {
	from   []string // packages that the rule binds; empty: all of the module
	except []string // packages that it does not bind
	never  []string // imports that are forbidden, of the module with its path
	deep   bool     // forbidden also by way of others
	why    string
}

// The packages that compute and do nothing else.
var pure = []string{
	"topology", "topology/graph", "topology/vpc", "openflow/flow", "openflow/pipeline", "openflow/forward", "openflow/trace", "openflow/audit", "openflow/verify", "ovsdb/notation", "ovsdb/schema", "ovsdb/plan", "controller/adopt", "controller/redact",
}

var arrows = []arrow{
	{
		from:  pure,
		never: []string{"net", "net/http", "os/...", "io/fs", "syscall", "golang.org/x/sys/..."},
		why:   "what they compute must follow from what they are given; net/netip is only a type",
	},
	{
		from:  pure,
		never: []string{"time", "math/rand/...", "crypto/rand"},
		why:   "the same input must give the same output at any time; whoever keeps time hands it in",
	},
	{
		from:  pure,
		never: []string{"log/...", "go.uber.org/zap/...", "github.com/prometheus/..."},
		why:   "who owns a state transition reports it, and that is a loop",
	},
	{
		from:  pure,
		never: []string{"sync/...", "context", "golang.org/x/sync/..."},
		why:   "they start nothing and wait for nothing; one goroutine owns each model",
	},
	{
		from: []string{"topology"}, never: []string{"ovsmesh/..."}, deep: true,
		why: "the model knows neither protocol; both are told in its terms",
	},
	{
		from: []string{"topology/graph"}, never: []string{"ovsmesh/..."}, deep: true,
		why: "a picture is of hosts and lines; whose they are is the caller's to know",
	},
	{
		from: []string{"topology/vpc"}, never: []string{"ovsmesh/controller/...", "ovsmesh/openflow/...", "ovsmesh/ovsdb/...", "ovsmesh/cmd/..."}, deep: true,
		why: "what CloudStack says of a VPC is told in the model's terms, and what follows from it elsewhere",
	},
	{
		from: []string{"openflow/flow"}, never: []string{"ovsmesh/..."}, deep: true,
		why: "flows are spoken of everywhere, so their package is a leaf",
	},
	{
		from: []string{"ovsdb/notation"}, never: []string{"ovsmesh/..."}, deep: true,
		why: "how JSON is read within bounds concerns nobody's meaning",
	},
	{
		from: []string{"ovsdb/schema"}, deep: true,
		never: []string{"ovsmesh/topology", "ovsmesh/openflow/...", "ovsmesh/controller/...", "ovsmesh/cmd/...", "ovsmesh/ovsdb/plan", "ovsmesh/ovsdb/ovstest"},
		why:   "rows are spoken of everywhere, so their package knows only the notation that they come in",
	},
	{
		from: []string{"openflow", "openflow/..."}, never: []string{"ovsmesh/ovsdb/..."}, deep: true,
		why: "the two protocols do not know each other: controller joins them",
	},
	{
		from: []string{"ovsdb", "ovsdb/..."}, never: []string{"ovsmesh/openflow/..."}, deep: true,
		why: "the two protocols do not know each other: controller joins them",
	},
	{
		from:  []string{"openflow", "openflow/...", "ovsdb", "ovsdb/..."},
		never: []string{"ovsmesh/controller/...", "ovsmesh/cmd/..."}, deep: true,
		why: "the libraries serve the controller and don't call it",
	},
	{
		from: []string{"openflow/flow", "openflow/pipeline", "openflow/forward", "openflow/trace", "openflow/audit", "openflow/verify", "openflow/wire", "openflow/ofctl"}, never: []string{"ovsmesh/openflow"}, deep: true,
		why: "a leaf never imports its parent: without sessions it can be used offline and tested alone",
	},
	{
		from: []string{"ovsdb/notation", "ovsdb/schema", "ovsdb/plan"}, never: []string{"ovsmesh/ovsdb"}, deep: true,
		why: "a leaf never imports its parent: without sessions it can be used offline and tested alone",
	},
	{
		from: []string{"controller/api", "controller/store"}, never: []string{"ovsmesh/controller"}, deep: true,
		why: "a leaf never imports its parent",
	},
	{
		except: []string{"openflow/wire"}, never: []string{"github.com/contiv/libOpenflow/..."},
		why: "its encoder needs the checks of wire, and its decoder must never see a peer's bytes",
	},
	{
		except: []string{"openflow/ofctl"}, never: []string{"github.com/digitalocean/go-openvswitch/..."},
		why: "it runs ovs-vsctl and ovs-ofctl: right on a hypervisor and in tests, nowhere else",
	},
	{
		from: []string{"topology", "openflow", "openflow/...", "controller", "controller/..."}, never: []string{"github.com/ovn-org/libovsdb/..."},
		why: "its structs stay within ovsdb, apart from what commands and the lab ask of trusted databases",
	},
	{
		except: []string{"topology", "cmd/..."}, never: []string{"github.com/goccy/go-yaml/..."},
		why: "only the spec and what people read and write are YAML; between programs it is JSON",
	},
	{
		except: []string{"controller/store"}, never: []string{"go.etcd.io/bbolt/..."},
		why: "another store can take its place without anybody noticing",
	},
	{
		except: []string{"cmd/..."}, never: []string{"github.com/spf13/cobra/...", "github.com/spf13/pflag/...", "flag"},
		why: "the command line belongs to the commands",
	},
	{
		from: []string{"cmd/ovstunnel"}, never: []string{"ovsmesh/controller", "ovsmesh/controller/store", "ovsmesh/openflow/...", "ovsmesh/ovsdb/..."},
		why: "it asks the controller, and touches no switch itself",
	},
	{
		from: []string{"cmd/internal/configfile"}, never: []string{"ovsmesh/...", "os/...", "net", "net/http"},
		why: "how a file is read concerns no command's meaning, and where it is found is the command's to know",
	},
	{
		except: []string{"cmd/ovsmesh-lab", "ovsdb/ovstest", "controller/faults", "controller/cloudstacktest"}, never: []string{"ovsmesh/ovsdb/ovstest"},
		why: "the product does not carry its test bed along",
	},
	{
		except: []string{"cmd/ovsmesh-lab"}, never: []string{"ovsmesh/controller/faults"},
		why: "faults are for tests and the lab",
	},
	{
		never: []string{"ovsmesh/controller/cloudstacktest"},
		why:   "the model of CloudStack is for tests",
	},
	{
		from: []string{"controller/faults", "controller/cloudstacktest"}, never: []string{"ovsmesh/controller", "ovsmesh/controller/store"},
		why: "a controller that can be killed is a process, and is spoken to as its users do",
	},
	{
		except: []string{"controller/store/crashtest"}, never: []string{"ovsmesh/controller/store/crashtest"},
		why: "what makes a program's writes fail is for tests",
	},
	{
		except: []string{"cmd/ovsmesh-lab", "ovsdb/ovstest"}, never: []string{"testing", "github.com/google/go-cmp/...", "pgregory.net/rapid"},
		why: "what is for tests stays in tests",
	},
}

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath string
	Imports    []string // direct
	Deps       []string // all, however far
}

const module = "ovsmesh"

func TestImportArrows(t *testing.T) {
	packages := listPackages(t)
	for _, a := range arrows {
		for _, name := range slices.Concat(a.from, a.except) {
			if !slices.ContainsFunc(packages, func(p goPackage) bool { return matches(name, p.name()) }) {
				t.Errorf("no package is %s: the rule %q binds nothing", name, a.why)
			}
		}
		for _, p := range packages {
			for _, broken := range a.broken(p) {
				t.Errorf("%s must not import %s: %s", p.name(), broken, a.why)
			}
		}
	}
}

// The rules are worth nothing if they can't be broken.
func TestArrowsBreak(t *testing.T) {
	p := goPackage{ImportPath: module + "/openflow/flow", Imports: []string{"net/netip", "os/exec", "ovsmesh/openflow"}, Deps: []string{"net", "ovsmesh/ovsdb/plan"}}
	tests := []struct {
		arrow arrow
		want  []string
	}{
		{arrow{never: []string{"os/..."}}, []string{"os/exec"}},
		{arrow{never: []string{"net"}}, nil},
		{arrow{never: []string{"net"}, deep: true}, []string{"net"}},
		{arrow{never: []string{"ovsmesh/openflow"}}, []string{"ovsmesh/openflow"}},
		{arrow{never: []string{"ovsmesh/ovsdb/..."}, deep: true}, []string{"ovsmesh/ovsdb/plan"}},
		{arrow{from: []string{"openflow/..."}, never: []string{"os/exec"}}, []string{"os/exec"}},
		{arrow{from: []string{"openflow"}, never: []string{"os/exec"}}, nil},
		{arrow{except: []string{"openflow/flow"}, never: []string{"os/exec"}}, nil},
	}
	for _, tt := range tests {
		if got := tt.arrow.broken(p); !slices.Equal(got, tt.want) {
			t.Errorf("%+v is broken by %q, want %q", tt.arrow, got, tt.want)
		}
	}
}

// broken returns what a package imports against the rule.
func (a arrow) broken(p goPackage) []string {
	in := func(list []string) bool {
		return slices.ContainsFunc(list, func(name string) bool { return matches(name, p.name()) })
	}
	if len(a.from) > 0 && !in(a.from) || in(a.except) {
		return nil
	}
	imports := p.Imports
	if a.deep {
		imports = p.Deps
	}
	var broken []string
	for _, i := range imports {
		if slices.ContainsFunc(a.never, func(name string) bool { return matches(name, i) }) {
			broken = append(broken, i)
		}
	}
	return broken
}

// name returns a package's path within the module.
func (p goPackage) name() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func matches(pattern, path string) bool {
	prefix, below := strings.CutSuffix(pattern, "/...")
	return path == prefix || below && strings.HasPrefix(path, prefix+"/")
}

// listPackages returns the packages of the module, without their tests.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	watchSources(t)
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("go list: %w: %s", err, stderr.String()))
	}
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, module+"/") {
			packages = append(packages, p)
		}
	}
}

// watchSources looks into every directory of the module. go test gives a
// result again from its cache as long as what the test itself looked at is
// unchanged, and of what go list looks at it knows nothing.
func watchSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another package's test put it there, and took it away
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
