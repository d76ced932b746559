package worker

import "testing"

// TestBudget: at least so many bad ones, and more than so great a share of the
// last ten thousand.
func TestBudget(t *testing.T) {
	for name, c := range map[string]struct {
		budget Budget
		chunks [][2]int // records, bad
		halts  int      // the chunk that halts; -1 none
	}{
		"few of few":          {Budget{}, [][2]int{{99, 99}}, -1},
		"a hundred of few":    {Budget{}, [][2]int{{50, 50}, {60, 60}}, 1},
		"exactly one percent": {Budget{}, [][2]int{{9900, 0}, {100, 100}}, -1},
		"above one percent":   {Budget{}, [][2]int{{9900, 0}, {101, 101}}, 1},
		"long ago":            {Budget{}, [][2]int{{99, 99}, {10_000, 0}, {99, 99}}, -1},
		"over long":           {Budget{}, [][2]int{{5000, 60}, {5000, 60}}, 1},
		"good ones never":     {Budget{AtLeast: 1}, [][2]int{{100, 0}}, -1},
		"the first":           {Budget{AtLeast: 1}, [][2]int{{10, 0}, {10, 1}}, 1},
		"none":                {Budget{AtLeast: -1}, [][2]int{{10_000, 10_000}}, -1},
		"a greater share":     {Budget{Share: 0.5}, [][2]int{{200, 100}, {100, 60}}, 1},
	} {
		s := newSpending(c.budget)
		halted := -1
		for i, chunk := range c.chunks {
			if halt, _, _ := s.note(chunk[0], chunk[1]); halt {
				halted = i
				break
			}
		}
		if halted != c.halts {
			t.Errorf("%s: chunk %d halts, want %d", name, halted, c.halts)
		}
	}
}
