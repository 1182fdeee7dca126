package faults

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ovsmesh/ovsdb/ovstest"
)

const (
	packetsPerSecond = 1000
	trafficPort      = 7000
	payload          = 64 // bytes
	// A sender that was kept off the CPU for long does not make up for all of
	// it: a burst that overflows a socket is no loss of the network's.
	mostOwed = 20
	lastWait = 2 * time.Second // for packets on their way when traffic stops
)

// Traffic is numbered UDP packets, 1,000 a second in all, from every VM to every
// other of its network, in turns.
type Traffic struct {
	pairs   []*pair
	conns   []*net.UDPConn
	mark    uint32 // tells this traffic's packets from an earlier one's
	stop    context.CancelFunc
	sends   sync.WaitGroup
	receive sync.WaitGroup
	strays  atomic.Int64
}

// pair is one VM that sends and one that receives. The sender owns sent and
// lastSent, the receiver the rest; Stop reads them when both have ended, save
// for arrived.
type pair struct {
	Pair
	from, at *net.UDPConn // the sender's and the receiver's
	to       netip.AddrPort

	sent     uint64
	lastSent time.Time
	first    atomic.Pointer[time.Time] // when the first packet was sent

	seen       []uint64 // a bit for each number that has arrived
	arrived    atomic.Uint64
	duplicates int
	last       time.Time // arrival
	gap        time.Duration
}

// Pair names who sends and who receives.
type Pair struct {
	Network  string
	From, To string // hosts
	VMs      [2]string
}

// Loss counts the packets of some pairs.
type Loss struct {
	Sent, Lost, Duplicates int
	Strays                 int           // packets that came to another VM than they were for
	Gap                    time.Duration // the longest silence of a pair
	Pairs                  []PairLoss
}

// Between counts only pairs that satisfy match; strays belong to no pair.
func (l Loss) Between(match func(Pair) bool) Loss {
	part := Loss{Strays: l.Strays}
	for _, p := range l.Pairs {
		if match(p.Pair) {
			part.add(p)
		}
	}
	return part
}

func (l *Loss) add(p PairLoss) {
	l.Sent, l.Lost, l.Duplicates, l.Gap = l.Sent+p.Sent, l.Lost+p.Lost, l.Duplicates+p.Duplicates, max(l.Gap, p.Gap)
	l.Pairs = append(l.Pairs, p)
}

// PairLoss counts the packets of one pair.
type PairLoss struct {
	Pair
	Sent, Lost, Duplicates int
	Gap                    time.Duration
}

// StartTraffic lets the VMs of the named hosts talk; no names are all hosts.
func (m *Mesh) StartTraffic(ctx context.Context, hosts ...string) (*Traffic, error) {
	if len(hosts) == 0 {
		for _, h := range m.Hosts() {
			hosts = append(hosts, h.Name)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	t := &Traffic{stop: stop, mark: rand.Uint32()}
	for _, n := range networks {
		if err := t.join(n.name, m.VMsOf(n.name), hosts); err != nil {
			t.close()
			return nil, fmt.Errorf("traffic: %w", err)
		}
	}
	if len(t.pairs) == 0 {
		t.close()
		return nil, fmt.Errorf("traffic: no two VMs of a network run on %v", hosts)
	}
	for _, c := range t.conns {
		t.receive.Go(func() { t.receiveAt(c) })
	}
	t.sends.Go(func() { t.send(ctx) })
	return t, nil
}

// join opens the sockets of a network's VMs and pairs them.
func (t *Traffic) join(network string, vms []*ovstest.VM, hosts []string) error {
	type station struct {
		vm   *ovstest.VM
		conn *net.UDPConn
		addr netip.AddrPort
	}
	var stations []station
	for _, vm := range vms {
		if !slices.Contains(hosts, vm.Host) {
			continue
		}
		addr := netip.AddrPortFrom(vm.IPs[0].Addr(), trafficPort)
		conn, err := vm.ListenUDP(addr)
		if err != nil {
			return fmt.Errorf("VM %s: %w", vm.Name, err)
		}
		t.conns = append(t.conns, conn)
		if err := conn.SetReadBuffer(4 << 20); err != nil {
			return err
		}
		stations = append(stations, station{vm, conn, addr})
	}
	for _, from := range stations {
		for _, to := range stations {
			if from == to {
				continue
			}
			t.pairs = append(t.pairs, &pair{
				Pair: Pair{network, from.vm.Host, to.vm.Host, [2]string{from.vm.Name, to.vm.Name}},
				from: from.conn, at: to.conn, to: to.addr,
			})
		}
	}
	return nil
}

// send sends from each pair in turn until ctx ends.
func (t *Traffic) send(ctx context.Context) {
	const every = time.Second / packetsPerSecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	buf := make([]byte, payload)
	binary.BigEndian.PutUint32(buf, t.mark)
	for next, due := 0, time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		owed := int(time.Since(due) / every)
		if owed > mostOwed {
			due = due.Add(time.Duration(owed-mostOwed) * every)
			owed = mostOwed
		}
		for range owed {
			t.pairs[next].send(buf, next)
			next = (next + 1) % len(t.pairs)
			due = due.Add(every)
		}
	}
}

// send sends the pair's next packet. One that its own host does not even take,
// as it knows no way, is sent and lost.
func (p *pair) send(buf []byte, index int) {
	now := time.Now()
	if p.sent == 0 {
		p.first.Store(&now)
	}
	binary.BigEndian.PutUint32(buf[4:], uint32(index))
	binary.BigEndian.PutUint64(buf[8:], p.sent)
	p.sent++
	p.lastSent = now
	_, _ = p.from.WriteToUDPAddrPort(buf, p.to)
}

// receiveAt notes what arrives at one VM until its socket is closed.
func (t *Traffic) receiveAt(c *net.UDPConn) {
	buf := make([]byte, 2*payload)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		index := int(binary.BigEndian.Uint32(buf[4:]))
		if n != payload || binary.BigEndian.Uint32(buf) != t.mark || index >= len(t.pairs) {
			continue // somebody else's
		}
		p := t.pairs[index]
		if p.at != c {
			t.strays.Add(1)
			continue
		}
		p.receive(binary.BigEndian.Uint64(buf[8:]), time.Now())
	}
}

func (p *pair) receive(number uint64, now time.Time) {
	const most = packetsPerSecond * 60 * 60 * 24
	if number >= most {
		return
	}
	for uint64(len(p.seen)) <= number/64 {
		p.seen = append(p.seen, 0)
	}
	if bit := uint64(1) << (number % 64); p.seen[number/64]&bit == 0 {
		p.seen[number/64] |= bit
		p.arrived.Add(1)
	} else {
		p.duplicates++
	}
	if p.last.IsZero() {
		if first := p.first.Load(); first != nil {
			p.last = *first
		}
	}
	p.gap = max(p.gap, now.Sub(p.last))
	p.last = now
}

// Stop ends the traffic, waits for what is under way, and counts. It is to be
// called once.
func (t *Traffic) Stop() Loss {
	t.finish()
	for deadline := time.Now().Add(lastWait); t.missing() && time.Now().Before(deadline); {
		time.Sleep(settleEvery)
	}
	t.close()
	l := Loss{Strays: int(t.strays.Load())}
	for _, p := range t.pairs {
		l.add(p.loss())
	}
	return l
}

// missing reports whether some packet has not arrived.
func (t *Traffic) missing() bool {
	return slices.ContainsFunc(t.pairs, func(p *pair) bool { return p.arrived.Load() < p.sent })
}

// finish ends the sender, which may wait in vain for room in a socket.
func (t *Traffic) finish() {
	t.stop()
	for _, c := range t.conns {
		_ = c.SetWriteDeadline(time.Now().Add(lastWait))
	}
	t.sends.Wait()
}

// close ends all goroutines and closes the sockets.
func (t *Traffic) close() {
	t.finish()
	for _, c := range t.conns {
		_ = c.Close() // what is in it is not wanted any more
	}
	t.receive.Wait()
}

// loss counts when the traffic has ended.
func (p *pair) loss() PairLoss {
	l := PairLoss{Pair: p.Pair, Sent: int(p.sent), Lost: int(p.sent - p.arrived.Load()), Duplicates: p.duplicates, Gap: p.gap}
	since := p.last
	if first := p.first.Load(); since.IsZero() && first != nil {
		since = *first
	}
	if !since.IsZero() {
		l.Gap = max(l.Gap, p.lastSent.Sub(since))
	}
	return l
}
