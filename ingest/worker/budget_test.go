package worker

import (
	"math/rand/v2"
	"testing"
)

// spread are the places of so many bad records among others, evenly.
func spread(records, bad int) []int {
	var out []int
	for i := range records {
		if (i+1)*bad/records > i*bad/records {
			out = append(out, i)
		}
	}
	return out
}

// TestBudget: at least so many bad ones, and more than so great a share of the
// last ten thousand.
func TestBudget(t *testing.T) {
	for name, c := range map[string]struct {
		budget Budget
		chunks [][2]int // records, bad
		halts  int      // the chunk that halts; -1 none
	}{
		"few of few":            {Budget{}, [][2]int{{99, 99}}, -1},
		"a hundred of few":      {Budget{}, [][2]int{{50, 50}, {60, 60}}, 1},
		"exactly one percent":   {Budget{}, [][2]int{{9900, 0}, {100, 100}}, -1},
		"above one percent":     {Budget{}, [][2]int{{9900, 0}, {101, 101}}, 1},
		"long ago":              {Budget{}, [][2]int{{99, 99}, {10_000, 0}, {99, 99}}, -1},
		"over long":             {Budget{}, [][2]int{{5000, 60}, {5000, 60}}, 1},
		"good ones never":       {Budget{AtLeast: 1}, [][2]int{{100, 0}}, -1},
		"the first":             {Budget{AtLeast: 1}, [][2]int{{10, 0}, {10, 1}}, 1},
		"none":                  {Budget{AtLeast: -1}, [][2]int{{10_000, 10_000}}, -1},
		"a greater share":       {Budget{Share: 0.5}, [][2]int{{200, 100}, {100, 60}}, 1},
		"few of a large chunk":  {Budget{}, [][2]int{{600_000, 900}}, -1},
		"many of a large chunk": {Budget{Share: 0.001}, [][2]int{{600_000, 6600}}, 0},
	} {
		budget, halted := c.budget.withDefaults(), -1
		var tally tally
		for i, chunk := range c.chunks {
			bad := spread(chunk[0], chunk[1])
			if _, _, broken := tally.look(budget, chunk[0], bad); broken {
				halted = i
				break
			}
			tally.add(0, chunk[0], bad)
		}
		if halted != c.halts {
			t.Errorf("%s: chunk %d halts, want %d", name, halted, c.halts)
		}
	}
}

// In which pieces records come says nothing of whether the bad ones are too many, and
// each prefix of them is judged.
func TestBudgetPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	halts := 0
	for range 100 {
		budget := Budget{AtLeast: 1 + random.IntN(60), Share: []float64{0.001, 0.01, 0.5}[random.IntN(3)]}
		records := make([]bool, 1+random.IntN(40_000))
		for rate, i := 0.0, 0; i < len(records); i++ {
			if i%2500 == 0 {
				rate = []float64{0, 0, 0.001, 0.02, 0.6}[random.IntN(5)]
			}
			records[i] = random.Float64() < rate
		}
		want := naiveHalt(budget, records)
		var tally tally
		at := 0
		for at < len(records) {
			n := min(1+random.IntN(15_000), len(records)-at)
			var bad []int
			for i := range n {
				if records[at+i] {
					bad = append(bad, i)
				}
			}
			if _, _, broken := tally.look(budget, n, bad); broken {
				break
			}
			tally.add(0, n, bad)
			at += n
		}
		if halted := at < len(records); halted != (want >= 0) || halted && at > want {
			t.Fatalf("%+v: %d records: it stops at %d, a record by record count at %d", budget, len(records), at, want)
		}
		if want >= 0 {
			halts++
		}
	}
	if halts < 20 || halts > 80 {
		t.Errorf("%d of 100 are halted: they say little", halts)
	}
}

// naiveHalt is the first record at which the bad ones of the last ten thousand are too
// many; -1 for none.
func naiveHalt(b Budget, records []bool) int {
	bad := 0
	for i, is := range records {
		if i >= budgetWindow && records[i-budgetWindow] {
			bad--
		}
		if is {
			bad++
		}
		if is && bad >= b.AtLeast && float64(bad) > b.Share*float64(min(i+1, budgetWindow)) {
			return i
		}
	}
	return -1
}
