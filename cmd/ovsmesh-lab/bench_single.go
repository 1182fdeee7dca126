package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// singleBench is what is measured on one switch.
type singleBench struct {
	rounds  int
	tunnels int // made, and deleted, at once
	laps    int // single tunnels in a round
	samples int // of the plugin's way, at each point of a round
	crowd   int // tunnels that are there when changes come one by one
	changes int

	plugin                    [][]time.Duration // by point
	many, one, gone, oneByOne pair
	transactions              []int // of oneByOne
}

// pair is measurements of the same in two ways.
type pair struct{ ours, floor []time.Duration }

// round measures everything on one switch once.
func (b *singleBench) round(ctx context.Context) (err error) {
	if err := b.pluginRound(ctx); err != nil {
		return err
	}
	floor, err := startFloor(ctx)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	defer func() { err = errors.Join(err, floor.Close()) }()
	ours, err := startOurs(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.Close()) }()

	if err := b.add(ctx, ours, floor, b.tunnels, &b.many); err != nil {
		return err
	}
	for range b.laps {
		if err := b.add(ctx, ours, floor, 1, &b.one); err != nil {
			return err
		}
	}
	if err := b.remove(ctx, ours, floor); err != nil {
		return fmt.Errorf("delete %d tunnels: %w", b.tunnels, err)
	}
	if err := b.add(ctx, ours, floor, b.crowd-b.laps, &pair{}); err != nil {
		return err
	}
	if err := b.join(ctx, ours, floor); err != nil {
		return fmt.Errorf("%d changes: %w", b.changes, err)
	}
	return nil
}

func (b *singleBench) pluginRound(ctx context.Context) error {
	costs, err := samplePlugin(ctx, pluginPoints(b.tunnels), b.samples)
	if err != nil {
		return err
	}
	if b.plugin == nil {
		b.plugin = make([][]time.Duration, len(costs))
	}
	for i, c := range costs {
		b.plugin[i] = append(b.plugin[i], c...)
	}
	return nil
}

// add measures n tunnels more, on the one switch and on the other.
func (b *singleBench) add(ctx context.Context, ours *benchOurs, floor *benchFloor, n int, p *pair) error {
	took, err := ours.add(ctx, n)
	if err != nil {
		return fmt.Errorf("%d tunnels by ovsmesh: %w", n, err)
	}
	p.ours = append(p.ours, took)
	if took, err = floor.add(ctx, n); err != nil {
		return fmt.Errorf("%d tunnels by hand: %w", n, err)
	}
	p.floor = append(p.floor, took)
	return nil
}

func (b *singleBench) remove(ctx context.Context, ours *benchOurs, floor *benchFloor) error {
	o, err := ours.remove(ctx, b.tunnels)
	if err != nil {
		return fmt.Errorf("ovsmesh: %w", err)
	}
	f, err := floor.remove(ctx, b.tunnels)
	if err != nil {
		return fmt.Errorf("by hand: %w", err)
	}
	b.gone.ours, b.gone.floor = append(b.gone.ours, o), append(b.gone.floor, f)
	return nil
}

// join compares tunnels that follow from VMs' ports, which appear one by one,
// with the one transaction and the one bundle that make as many.
func (b *singleBench) join(ctx context.Context, ours *benchOurs, floor *benchFloor) error {
	o, transactions, err := ours.joinOneByOne(ctx, b.changes)
	if err != nil {
		return fmt.Errorf("ovsmesh: %w", err)
	}
	f, err := floor.add(ctx, b.changes)
	if err != nil {
		return fmt.Errorf("by hand: %w", err)
	}
	b.oneByOne.ours, b.oneByOne.floor = append(b.oneByOne.ours, o), append(b.oneByOne.floor, f)
	b.transactions = append(b.transactions, transactions)
	return nil
}

func (b *singleBench) results(progress io.Writer) []benchResult {
	n := thousands(b.tunnels)
	points := pluginPoints(b.tunnels)
	costs := make([]time.Duration, len(points))
	for i, c := range b.plugin {
		costs[i] = median(c)
		fmt.Fprintf(progress, "the plugin's tunnel no. %d: %s\n", points[i], short(costs[i]))
	}
	fmt.Fprintf(progress, "transactions for %d changes that come one by one: %d\n", b.changes, b.transactions)
	against := func(name string, p pair, limit float64) benchResult {
		return benchResult{name: name, ours: median(p.ours), other: median(p.floor), limit: limit}
	}
	return []benchResult{
		{name: n + " tunnels: the plugin's processes", ours: median(b.many.ours), other: integrate(points, costs), limit: 200, faster: true},
		against(n+" tunnels: one transaction, flows", b.many, 1.5),
		against("one more at "+n+": the same", b.one, 1.5),
		against(fmt.Sprintf("%d changes, one by one, at %s: the same", b.changes, thousands(b.crowd)), b.oneByOne, 2),
		against("deleting "+n+" tunnels: the same", b.gone, 1.3),
	}
}
