package plan

// OpenFlow port numbers for tunnels: above those that ovs-vswitchd gives out
// by itself, up to the greatest that ofport_request takes.
const (
	firstNumber = 20000
	lastNumber  = 65279
)

// numbers gives out the free ones of one bridge, lowest first. A number of a
// port that the plan deletes is not given out again by the same plan: flows
// with it may still be there.
type numbers struct {
	used [lastNumber/64 + 1]uint64 // a bit for each
	next int64
}

func (n *numbers) use(number int64) {
	if number > 0 && number <= lastNumber {
		n.used[number/64] |= 1 << (number % 64)
	}
}

func (d *differ) numbersOf(bridge string) *numbers {
	if n := d.numbers[bridge]; n != nil {
		return n
	}
	n := &numbers{next: firstNumber}
	d.numbers[bridge] = n
	b := d.db.BridgeByName(bridge)
	if b == nil {
		return n
	}
	for _, id := range b.Ports {
		p := d.db.Ports[id]
		if p == nil {
			continue
		}
		for _, id := range p.Interfaces {
			if i := d.db.Interfaces[id]; i != nil {
				n.use(i.OFPort)
				n.use(i.OFPortRequest)
			}
		}
	}
	return n
}

// take returns the next free number, 0 if there is none.
func (n *numbers) take() int64 {
	for ; n.next <= lastNumber; n.next++ {
		if n.used[n.next/64]&(1<<(n.next%64)) == 0 {
			n.next++
			return n.next - 1
		}
	}
	return 0
}
