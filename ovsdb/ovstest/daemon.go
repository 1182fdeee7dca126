package ovstest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Daemon is a program that runs in a VM until it is stopped. It ends with its
// VM and with the bed, also after a crash of the process that started it.
type Daemon struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// dir is where a VM's daemons keep their files.
func (vm *VM) dir() string { return filepath.Join(vm.bed.Dir(), "v-"+vm.Name) }

// file writes a file of a VM's daemon and returns its path.
func (vm *VM) file(name, text string, mode os.FileMode) (string, error) {
	if err := os.MkdirAll(vm.dir(), 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(vm.dir(), name)
	return path, os.WriteFile(path, []byte(text), mode)
}

// StartDaemon starts a program in the VM that stays in the foreground.
func (vm *VM) StartDaemon(argv ...string) (*Daemon, error) {
	log, err := vm.file(filepath.Base(argv[0])+".log", "", 0o644)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	d := &Daemon{cmd: exec.Command(argv[0], argv[1:]...), log: log, done: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = out, out
	// Its children, of which keepalived and radvd have some, end with it.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if err := vm.Start(d.cmd); err != nil {
		return nil, fmt.Errorf("start %s in VM %s: %w", argv[0], vm.Name, err)
	}
	go func() {
		defer close(d.done)
		_ = d.cmd.Wait() // how it ended is in its log
	}()
	return d, nil
}

// Log returns what the program wrote.
func (d *Daemon) Log() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Running reports whether the program still runs.
func (d *Daemon) Running() bool {
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// Stop kills the program and its children and waits for its end; it has no time
// to say goodbye. It is idempotent.
func (d *Daemon) Stop() error {
	if !d.Running() {
		return nil
	}
	if err := d.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-d.done
	return nil
}

// runTool runs a program of the VM to its end; its output is told on an error.
func (vm *VM) runTool(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	log, err := vm.file(filepath.Base(argv[0])+".out", "", 0o644)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := vm.Start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		text, _ := os.ReadFile(log)
		return fmt.Errorf("%s in VM %s: %w: %s", argv[0], vm.Name, err, text)
	}
	return nil
}
