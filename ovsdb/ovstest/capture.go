package ovstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxCaptured bounds what a Capture keeps.
const maxCaptured = 100_000

// Frame is an Ethernet frame as an interface saw it.
type Frame struct {
	Time time.Time
	Sent bool   // by the VM or host itself; otherwise it arrived there
	Data []byte // from the destination address on, VLAN tag included, no FCS
}

// EtherType returns the frame's type, that after a VLAN tag where it has one;
// 0 for a frame too short to have one.
func (f Frame) EtherType() uint16 {
	at := 12
	if len(f.Data) >= 18 && binary.BigEndian.Uint16(f.Data[at:]) == 0x8100 {
		at = 16
	}
	if len(f.Data) < at+2 {
		return 0
	}
	return binary.BigEndian.Uint16(f.Data[at:])
}

// Capture records the frames at an interface from StartCapture to Stop.
type Capture struct {
	file *os.File
	done chan struct{}

	mu      sync.Mutex
	frames  []Frame
	read    int // frames, those that were not kept included
	stopped bool
	err     error
}

// lastFrames is how long Stop waits for the frames that are still in the socket.
const lastFrames = 10 * time.Second

// StartCapture begins to record at the VM's eth0. No frame that arrives after
// it returned is missed; if any had to be dropped, Stop says so.
func (vm *VM) StartCapture() (*Capture, error) { return startCapture(vm.link()) }

// StartCapture begins to record at the host's link to the underlay, where
// tunnels' packets pass in their envelopes: see Decapsulate. Sent are those
// that the host sent.
func (h *Host) StartCapture() (*Capture, error) { return startCapture(end{h.ns, "eth0"}) }

// StartCaptureAt begins to record at a device of the host: at a bridge's own, what
// the host's stack sends is Sent; at a VIF, what goes to the VM is.
func (h *Host) StartCaptureAt(device string) (*Capture, error) {
	return startCapture(end{h.ns, device})
}

func startCapture(at end) (*Capture, error) {
	fd, err := packetSocket(at, unix.ETH_P_ALL)
	if err != nil {
		return nil, err
	}
	const buffer = 32 << 20
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("capture at %s: %w", at, err), unix.Close(fd))
	}
	c := &Capture{file: os.NewFile(uintptr(fd), "capture at "+at.String()), done: make(chan struct{})}
	go c.receive()
	return c, nil
}

// packetSocket opens a packet(7) socket on a device, which takes frames of one
// protocol, or none with 0.
func packetSocket(at end, protocol uint16) (fd int, err error) {
	err = inNS(at.ns, func() error {
		dev, err := net.InterfaceByName(at.name)
		if err != nil {
			return err
		}
		// Protocol 0 until it is bound: else it takes frames of other devices.
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			return err
		}
		sa := &unix.SockaddrLinklayer{Protocol: bigEndian(protocol), Ifindex: dev.Index}
		if err := unix.Bind(fd, sa); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		return nil
	})
	if err != nil {
		return -1, fmt.Errorf("packet socket at %s: %w", at, err)
	}
	return fd, nil
}

// bigEndian returns v as the kernel wants a protocol number: its bytes in
// network order.
func bigEndian(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// receive reads until the socket is closed.
func (c *Capture) receive() {
	defer close(c.done)
	conn, err := c.file.SyscallConn()
	if err != nil {
		c.fail(err)
		return
	}
	data, oob := make([]byte, 1<<16), make([]byte, 256)
	for {
		var n, oobn int
		var from unix.Sockaddr
		var recvErr error
		err := conn.Read(func(fd uintptr) bool {
			n, oobn, _, from, recvErr = unix.Recvmsg(int(fd), data, oob, unix.MSG_DONTWAIT)
			return !errors.Is(recvErr, unix.EAGAIN) && !errors.Is(recvErr, unix.EINTR)
		})
		if err != nil { // Stop closed it
			return
		}
		if recvErr != nil {
			c.fail(recvErr)
			return
		}
		ll, _ := from.(*unix.SockaddrLinklayer)
		c.add(Frame{
			Time: time.Now(),
			Sent: ll != nil && ll.Pkttype == unix.PACKET_OUTGOING,
			Data: withTag(data[:n], oob[:oobn]),
		})
	}
}

// withTag returns a copy of a frame with the VLAN tag put back that the kernel
// took out of it, struct tpacket_auxdata in packet(7).
func withTag(frame, oob []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err == nil && len(frame) >= 12 {
		for _, m := range messages {
			if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
				continue
			}
			if binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_VLAN_VALID == 0 {
				continue
			}
			tagged := append([]byte{}, frame[:12]...)
			tagged = append(tagged, 0x81, 0x00)
			tagged = binary.BigEndian.AppendUint16(tagged, binary.NativeEndian.Uint16(m.Data[16:]))
			return append(tagged, frame[12:]...)
		}
	}
	return append([]byte{}, frame...)
}

func (c *Capture) add(f Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	if len(c.frames) == maxCaptured {
		c.err = fmt.Errorf("capture holds %d frames, and more came", maxCaptured)
		return
	}
	c.frames = append(c.frames, f)
}

func (c *Capture) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = errors.Join(c.err, err)
}

// Count returns how many frames so far satisfy match. It may be called while
// the capture runs.
func (c *Capture) Count(match func(Frame) bool) int {
	n := 0
	for _, f := range c.Frames() {
		if match(f) {
			n++
		}
	}
	return n
}

// Frames returns the frames so far. The caller must not change their bytes.
func (c *Capture) Frames() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frames[:len(c.frames):len(c.frames)]
}

// Stop ends the capture: it has all frames that were there before, however busy the
// machine is. Frames and Count work on. The error says that frames were lost, so
// that a count may be too low. It is idempotent.
func (c *Capture) Stop() error {
	c.finish()
	if err := c.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// finish waits until all frames have been read that the socket has got so far, and
// turns the kernel's count of those that found no room into an error.
func (c *Capture) finish() {
	c.mu.Lock()
	stopped := c.stopped
	c.stopped = true
	c.mu.Unlock()
	conn, err := c.file.SyscallConn()
	if stopped || err != nil {
		return
	}
	var stats *unix.TpacketStats // since the socket was opened, as nobody has asked before
	var statsErr error
	err = conn.Control(func(fd uintptr) {
		stats, statsErr = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	if err = errors.Join(err, statsErr); err != nil {
		c.fail(err)
		return
	}
	if stats.Drops > 0 {
		c.fail(fmt.Errorf("capture lost %d frames", stats.Drops))
	}
	kept := int(stats.Packets - stats.Drops)
	for begin := time.Now(); c.taken() < kept; time.Sleep(time.Millisecond) {
		if time.Since(begin) > lastFrames {
			c.fail(fmt.Errorf("capture read %d frames of %d", c.taken(), kept))
			return
		}
	}
}

// taken returns how many frames have been read.
func (c *Capture) taken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read
}

// SendFrame sends a raw Ethernet frame from the VM's eth0, destination address
// first, without FCS. Nothing about it is checked or completed.
func (vm *VM) SendFrame(frame []byte) error { return sendFrame(vm.link(), frame) }

// SendFrameFrom does the same from another device of the VM: "next0" is the one
// that a migration has prepared.
func (vm *VM) SendFrameFrom(device string, frame []byte) error {
	return sendFrame(end{vm.Namespace(), device}, frame)
}

func sendFrame(from end, frame []byte) error {
	fd, err := packetSocket(from, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		_, err := syscall.Write(fd, frame)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOBUFS) {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return fmt.Errorf("send frame from %s: %w", from, err)
		}
		return nil
	}
}
