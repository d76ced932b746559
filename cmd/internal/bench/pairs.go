//go:build unix

package main

import (
	"slices"
	"syscall"
	"time"
)

// work does something n times.
type work func(n int)

// slice is how long one measurement lasts, in processor time.
const slice = 60 * time.Millisecond

// contest compares two ways to do the same work. target is how many times less
// processor time ours shall take.
type contest struct {
	name, opponent string
	ours, theirs   work
	per            int // of what is counted in one call of the work; 0 is 1
	target         float64
}

// run measures A B B A, pair by pair.
func (c contest) run(pairs int) row {
	per := max(1, c.per)
	n, m := calibrate(c.ours), calibrate(c.theirs)
	var ours, theirs, ratios []float64
	for i := range pairs {
		var a, b float64
		if i%2 == 0 {
			a, b = nanoseconds(c.ours, n), nanoseconds(c.theirs, m)
		} else {
			b, a = nanoseconds(c.theirs, m), nanoseconds(c.ours, n)
		}
		ours, theirs, ratios = append(ours, a/float64(per)), append(theirs, b/float64(per)), append(ratios, b/a)
	}
	r := row{Case: c.name, Opponent: c.opponent, Ours: median(ours), Theirs: median(theirs), Unit: "ns", Ratio: median(ratios), WorstPair: slices.Min(ratios), Target: c.target}
	r.Met = r.Ratio >= c.target
	return r
}

// within measures work against a limit in nanoseconds.
func within(name string, limit float64, pairs, per int, ours work) row {
	n := calibrate(ours)
	var all []float64
	for range pairs {
		all = append(all, nanoseconds(ours, n)/float64(max(1, per)))
	}
	return limited(name, "ns", median(all), slices.Max(all), limit)
}

// limited is a row of a figure that shall not pass a limit.
func limited(name, unit string, ours, worst, limit float64) row {
	return row{Case: name, Opponent: "limit", Ours: ours, Theirs: limit, Unit: unit, Ratio: limit / ours, WorstPair: limit / worst, Target: 1, Met: ours <= limit}
}

// calibrate finds how often work fits into a slice.
func calibrate(w work) int {
	w(1) // caches and lazy parts
	for n := 1; ; n *= 4 {
		if d := cpu(w, n); d >= slice/4 {
			return max(1, int(float64(n)*float64(slice)/float64(d)))
		}
	}
}

func nanoseconds(w work, n int) float64 { return float64(cpu(w, n).Nanoseconds()) / float64(n) }

// cpu is the processor time of the process that work takes: what others do on
// the machine does not count.
func cpu(w work, n int) time.Duration {
	before := processorTime()
	w(n)
	return processorTime() - before
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot be for the process itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
