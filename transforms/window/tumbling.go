package window

import (
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// A tumbling window of width w is the last complete one of those that follow
// each other without a gap from 1970 on: [floor(t, w) - w, floor(t, w)). A
// hopping window of a size starts every step: [floor(t, step) - size,
// floor(t, step)). Neither changes between two steps.

func resolveTumbling(f *Feature) error {
	if err := f.checkWidth("tumbling window"); err != nil {
		return err
	}
	f.Step = 0
	if f.Tile == 0 {
		f.Tile = largestStep(f.Width)
	}
	if f.Tile == 0 {
		return fmt.Errorf("tumbling window %s is no whole number of seconds: its edges would lie inside of the smallest tile, 1s", f.Width)
	}
	return f.tileDivides("tumbling window", f.Width)
}

func resolveHopping(f *Feature) error {
	if err := f.checkWidth("size of a hopping window"); err != nil {
		return err
	}
	if f.Step <= 0 || f.Step > maxReach {
		return fmt.Errorf("step %s of a hopping window is out of range: write more than 0s and up to %s", f.Step, maxReach)
	}
	if f.Tile == 0 {
		f.Tile = largestStep(f.Width, f.Step)
	}
	if f.Tile == 0 {
		return fmt.Errorf("a hopping window of size %s and step %s is not in whole seconds: its edges would lie inside of the smallest tile, 1s", f.Width, f.Step)
	}
	if f.Step%f.Tile != 0 {
		return fmt.Errorf("tile %s does not divide the step %s", f.Tile, f.Step)
	}
	return f.tileDivides("size", f.Width)
}

// largestStep is the largest tile size that divides all of the lengths; 0 where
// none does.
func largestStep(lengths ...featurestore.Duration) featurestore.Duration {
	for _, g := range slices.Backward(steps[:]) {
		if !slices.ContainsFunc(lengths, func(d featurestore.Duration) bool { return d%g != 0 }) {
			return g
		}
	}
	return 0
}

func reachTumbling(f *Feature) (featurestore.Duration, bool) { return 2 * f.Width, true }

func reachHopping(f *Feature) (featurestore.Duration, bool) { return f.Width + f.Step, true }

func coverWidth(f *Feature) Cover { return Cover{Tile: f.Tile, Least: f.Width, Most: f.Width} }

func spansTumbling(f *Feature) []span {
	return []span{{shape: steppingSpan, back: int64(f.Width), step: int64(f.Width), tile: int64(f.Tile)}}
}

func spansHopping(f *Feature) []span {
	return []span{{shape: steppingSpan, back: int64(f.Width), step: int64(f.Step), tile: int64(f.Tile)}}
}
