package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// benchResult is one line of the table.
type benchResult struct {
	name        string
	ours, other time.Duration
	limit       float64
	faster      bool // the ratio is other/ours and must not be below limit; else ours/other, not above it
	exact       bool // both are numbers, not times, and must be the same
}

func (r benchResult) ratio() float64 {
	if r.faster {
		return float64(r.other) / float64(r.ours)
	}
	return float64(r.ours) / float64(r.other)
}

func (r benchResult) met() bool {
	if r.exact {
		return r.ours == r.other
	}
	if r.faster {
		return r.ratio() >= r.limit
	}
	return r.ratio() <= r.limit
}

// printResults prints the table and reports whether every target is met.
func printResults(w io.Writer, results []benchResult) (bool, error) {
	all := true
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tOURS\tOTHER\tRATIO\tTARGET\tMET")
	for _, r := range results {
		target := fmt.Sprintf("ours/other ≤ %g", r.limit)
		if r.faster {
			target = fmt.Sprintf("other/ours ≥ %g", r.limit)
		}
		ours, other := short(r.ours), short(r.other)
		if r.exact {
			target, ours, other = "ours/other = 1", thousands(int(r.ours)), thousands(int(r.other))
		}
		met := "yes"
		if !r.met() {
			met, all = "no", false
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.2f\t%s\t%s\n", r.name, ours, other, r.ratio(), target, met)
	}
	return all, table.Flush()
}

// short writes a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 100*time.Millisecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
}

// median returns the one in the middle, 0 of none; of an even number the mean
// of the two there.
func median(ds []time.Duration) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	ds = slices.Sorted(slices.Values(ds))
	return (ds[(len(ds)-1)/2] + ds[len(ds)/2]) / 2
}

// integrate returns the cost of all tunnels from the first to the last of
// points, if those cost so much each and the ones between lie on straight
// lines.
func integrate(points []int, costs []time.Duration) time.Duration {
	if len(points) == 0 {
		return 0
	}
	sum := costs[0]
	for i := 1; i < len(points); i++ {
		// The sum from a+1 to b on a line from (a, f) to (b, g).
		n := time.Duration(points[i] - points[i-1])
		f, g := costs[i-1], costs[i]
		sum += (n*(f+g) + (g - f)) / 2
	}
	return sum
}
