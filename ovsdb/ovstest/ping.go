package ovstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// PingResult counts the echo requests and replies of one ping.
type PingResult struct {
	Sent, Received, Duplicates int
}

// Lost is how many requests had no reply.
func (r PingResult) Lost() int { return r.Sent - r.Received }

// Ping sends count echo requests, 10 ms apart, and waits up to a second for the
// last reply. No reply at all is a result, not an error.
func (vm *VM) Ping(ctx context.Context, to netip.Addr, count int) (PingResult, error) {
	p, err := vm.StartPing(ctx, to, 10*time.Millisecond, "-c", strconv.Itoa(count))
	if err != nil {
		return PingResult{}, err
	}
	return p.Wait()
}

// WaitPing pings until one reply has come. The first packet to a new peer is
// often lost, as the tunnel's own next hop is still to be resolved.
func (vm *VM) WaitPing(ctx context.Context, to netip.Addr) error {
	for {
		once, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		r, err := vm.Ping(once, to, 1)
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("VM %s can't reach %v: %w", vm.Name, to, ctx.Err())
		}
		if r.Received > 0 {
			return nil
		}
		if err != nil && once.Err() == nil {
			return err
		}
	}
}

// Pinger is a ping that runs.
type Pinger struct {
	cmd      *exec.Cmd
	name     string
	interval time.Duration
	out      output
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

const (
	// onTheirWay is how old a request may be when a ping ends that counts as one
	// that is not answered yet, where no later one is.
	onTheirWay = 100 * time.Millisecond
	// lastWait is how long Stop waits for the answer to a request that was sent
	// after it was called.
	lastWait = 3 * time.Second
)

// StartPing starts ping(8), with a request every interval until Stop, or until
// ctx ends. Further arguments go to ping.
func (vm *VM) StartPing(ctx context.Context, to netip.Addr, interval time.Duration, args ...string) (*Pinger, error) {
	seconds := strconv.FormatFloat(interval.Seconds(), 'f', 3, 64)
	argv := append([]string{"-n", "-D", "-W", "1", "-i", seconds}, args...)
	p := &Pinger{
		cmd:  exec.CommandContext(ctx, "ping", append(argv, to.String())...),
		name: fmt.Sprintf("ping %v from VM %s", to, vm.Name), interval: interval,
	}
	p.cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := vm.Start(p.cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return p, nil
}

// Stop ends the ping once a request that it sends from now on is answered, however
// long answers take on a busy machine, and returns its counts: those of all that it
// had sent before. Where no such answer comes for three seconds, requests of the
// last tenth of a second that have no reply count as not sent.
func (p *Pinger) Stop() (PingResult, error) {
	begin := time.Now()
	answered := false
	for !answered && time.Since(begin) < lastWait {
		if answered = answeredSince(p.out.String(), begin); !answered {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return PingResult{}, errors.Join(fmt.Errorf("%s: %w", p.name, err), p.cmd.Wait())
	}
	r, err := p.Wait()
	if err != nil || p.interval <= 0 {
		return r, err
	}
	open := r.Sent - lastReply(p.out.String())
	if !answered {
		open = min(open, int(onTheirWay/p.interval))
	}
	r.Sent -= open
	return r, nil
}

// Wait waits until the ping has sent what it was told to.
func (p *Pinger) Wait() (PingResult, error) {
	err := p.cmd.Wait()
	var exit *exec.ExitError
	const noReply = 1 // its exit code, ping(8)
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != noReply) {
		return PingResult{}, fmt.Errorf("%s: %w: %s", p.name, err, p.out.String())
	}
	return parsePing(p.out.String())
}

var (
	pingCounts     = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)
	pingDuplicates = regexp.MustCompile(`\+(\d+) duplicates`)
	pingReply      = regexp.MustCompile(`bytes from .* icmp_seq=(\d+) `)
	pingTimes      = regexp.MustCompile(`^\[(\d+\.\d+)\] .* time=([\d.]+) ms`)
)

// answeredSince reports whether the last reply is to a request that was sent after
// a moment: when it came, in seconds since 1970, less its round trip.
func answeredSince(out string, moment time.Time) bool {
	lines := strings.Split(out, "\n") // of which the last may be cut off
	for i := len(lines) - 2; i >= 0; i-- {
		m := pingTimes.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		came, err1 := strconv.ParseFloat(m[1], 64)
		took, err2 := strconv.ParseFloat(m[2], 64)
		return err1 == nil && err2 == nil && came-took/1000 > float64(moment.UnixMicro())/1e6
	}
	return false
}

// lastReply returns the number of the last request that was answered, counted
// from 1 without end; 0 if none was.
func lastReply(out string) int {
	const numbers = 1 << 16 // then it begins anew
	last := 0
	for _, m := range pingReply.FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(m[1])
		n += last / numbers * numbers
		switch {
		case n < last-numbers/2:
			n += numbers
		case n > last+numbers/2 && n >= numbers:
			n -= numbers // of before
		}
		last = max(last, n)
	}
	return last
}

// parsePing reads ping's summary.
func parsePing(out string) (PingResult, error) {
	m := pingCounts.FindStringSubmatch(out)
	if m == nil {
		return PingResult{}, fmt.Errorf("ping printed no summary: %q", out)
	}
	var r PingResult
	r.Sent, _ = strconv.Atoi(m[1])
	r.Received, _ = strconv.Atoi(m[2])
	if m := pingDuplicates.FindStringSubmatch(out); m != nil {
		r.Duplicates, _ = strconv.Atoi(m[1])
	}
	return r, nil
}
