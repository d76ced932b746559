package worker

import "math/rand/v2"

// tape is the choices of one schedule. They are drawn by a seed, or read from a
// tape that is played again: then what lies behind its end is 0, which is always
// the quietest of the choices. So a tape can be cut and made smaller anywhere,
// and still is a schedule.
type tape struct {
	random *rand.Rand // nil: played
	played []uint16
	drawn  []uint16
}

func newTape(seed uint64) *tape { return &tape{random: rand.New(rand.NewPCG(seed, 1))} }

// endless is how many choices no schedule needs.
const endless = 60_000

// n is the next choice, 0 to k-1.
func (t *tape) n(k int) int {
	c := 0
	switch at := len(t.drawn); {
	case t.random != nil:
		c = t.random.IntN(k)
	case at < len(t.played):
		c = int(t.played[at]) % k
	}
	if t.drawn = append(t.drawn, uint16(c)); len(t.drawn) > endless {
		panic(violation{"it does not end"})
	}
	return c
}

// shrink looks for a smaller tape of which a schedule still fails: without runs
// of choices, and with smaller ones.
func shrink(choices []uint16, fails func([]uint16) bool) []uint16 {
	try := func(smaller []uint16) bool {
		if !fails(smaller) {
			return false
		}
		choices = smaller
		return true
	}
	for before := -1; before != weight(choices); {
		before = weight(choices)
		for size := len(choices) / 2; size > 0; size = size * 2 / 3 {
			for at := len(choices) - size; at >= 0; at -= size {
				without := append(append([]uint16(nil), choices[:at]...), choices[at+size:]...)
				if try(without) {
					at = min(at, len(choices))
				}
			}
		}
		for at := len(choices) - 1; at >= 0; at-- {
			for _, c := range []uint16{0, choices[at] / 2, choices[at] - min(choices[at], 1)} {
				if c >= choices[at] {
					continue
				}
				smaller := append([]uint16(nil), choices...)
				smaller[at] = c
				if try(smaller) {
					break
				}
			}
		}
	}
	return choices
}

// weight is what shrink makes smaller.
func weight(choices []uint16) int {
	sum := len(choices)
	for _, c := range choices {
		sum += int(c)
	}
	return sum
}
