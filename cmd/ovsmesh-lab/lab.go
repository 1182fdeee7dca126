package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"ovsmesh/ovsdb/ovstest"
)

// lab is a bed that the commands find again: its file names the bed, and the
// networks that its VMs were made for.
type lab struct {
	Bed      string    `json:"bed"`
	Networks []network `json:"networks,omitempty"`

	bed *ovstest.Bed
}

// labFile is where the lab's file lies. There is one lab at a time, unless
// OVSMESH_LAB names others.
func labFile() string {
	name := "default"
	if env := os.Getenv("OVSMESH_LAB"); env != "" {
		name = filepath.Base(env)
	}
	return "/run/om-lab-" + name + ".json"
}

var errNoLab = errors.New("no lab is up: start one with ovsmesh-lab up --hosts 3 --networks 2 --vms 1")

// openLab finds the lab that is up.
func openLab() (*lab, error) {
	l, err := readLab()
	if err != nil {
		return nil, err
	}
	if l.bed, err = ovstest.OpenBed(l.Bed); errors.Is(err, fs.ErrNotExist) {
		return nil, errNoLab
	} else if err != nil {
		return nil, err
	}
	return l, nil
}

func readLab() (*lab, error) {
	text, err := os.ReadFile(labFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoLab
	}
	if err != nil {
		return nil, err
	}
	l := new(lab)
	if err := json.Unmarshal(text, l); err != nil {
		return nil, fmt.Errorf("%s: %w (remove that file, then what is left with ovsmesh-lab down)", labFile(), err)
	}
	return l, nil
}

// free refuses to go on where a lab is up. One whose bed is gone, as after a
// reboot, is none.
func free() error {
	l, err := openLab()
	if errors.Is(err, errNoLab) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("a lab with %d hosts is up already: see ovsmesh-lab status, or remove it with ovsmesh-lab down", len(l.bed.Hosts()))
}

// publish makes the bed the machine's lab.
func (l *lab) publish() error {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(labFile(), append(text, '\n'), 0o644)
}

// remove takes the lab down and forgets it. The bed may be half made or gone.
func (l *lab) remove() error {
	if err := ovstest.RemoveBed(l.Bed); err != nil {
		return err
	}
	if err := os.Remove(labFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// runner is where a program can run: a host or a VM.
type runner interface {
	Start(cmd *exec.Cmd) error
}

func (l *lab) find(name string) (runner, error) {
	if h := l.bed.Host(name); h != nil {
		return h, nil
	}
	if vm := l.bed.VM(name); vm != nil {
		return vm, nil
	}
	return nil, fmt.Errorf("no host or VM is called %q: see ovsmesh-lab status", name)
}

func (l *lab) host(name string) (*ovstest.Host, error) {
	if h := l.bed.Host(name); h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("no host is called %q: see ovsmesh-lab status", name)
}

func (l *lab) vm(name string) (*ovstest.VM, error) {
	if vm := l.bed.VM(name); vm != nil {
		return vm, nil
	}
	return nil, fmt.Errorf("no VM is called %q: see ovsmesh-lab status", name)
}
