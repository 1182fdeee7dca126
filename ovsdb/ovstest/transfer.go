package ovstest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// Listen opens a listener in the VM, as net.Listen does.
func (vm *VM) Listen(network, address string) (l net.Listener, err error) {
	err = inNS(vm.Namespace(), func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// Dial connects from the VM, as net.Dialer does. The address must be numeric.
func (vm *VM) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = inNS(vm.Namespace(), func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Transfer sends size random bytes over TCP to another VM, at one of its
// addresses, and checks that they arrive unchanged.
func (vm *VM) Transfer(ctx context.Context, to *VM, addr netip.Addr, size int) error {
	if err := vm.transfer(ctx, to, addr, size); err != nil {
		return fmt.Errorf("transfer from VM %s to %s at %v: %w", vm.Name, to.Name, addr, err)
	}
	return nil
}

func (vm *VM) transfer(ctx context.Context, to *VM, addr netip.Addr, size int) error {
	l, err := to.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		return err
	}
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()

	type received struct {
		sum [sha256.Size]byte
		err error
	}
	got := make(chan received, 1)
	go func() {
		sum, err := receive(ctx, l)
		got <- received{sum, err}
	}()

	data := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(data)
	c, err := vm.Dial(ctx, "tcp", l.Addr().String())
	if err != nil {
		l.Close()
		return errors.Join(err, (<-got).err)
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	_, sendErr := c.Write(data)
	closeErr := c.Close()
	if sendErr != nil {
		l.Close()
	}
	r := <-got
	if err := errors.Join(sendErr, closeErr, r.err); err != nil {
		return err
	}
	if r.sum != sha256.Sum256(data) {
		return fmt.Errorf("%d bytes did not arrive as they were sent", size)
	}
	return nil
}

// receive takes one connection and reads it to its end.
func receive(ctx context.Context, l net.Listener) (sum [sha256.Size]byte, err error) {
	c, err := l.Accept()
	if err != nil {
		return sum, err
	}
	defer c.Close()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute)
	}
	if err := c.SetDeadline(deadline); err != nil {
		return sum, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, c); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}
