package window

import (
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// A trailing window of width w and offset o covers [floor(t-o-w, g), t), or with
// an offset up to floor(t-o, g). With exact: true it covers [t-o-w, t-o) to the
// microsecond, read from raw rows as long as the newest MaxRows of them reach
// back to its start; past that it is the aligned window, and says APPROXIMATE.

// leastTiles is how many tiles a window has at least by default: its start is
// then off by at most a 24th of its width.
const leastTiles = 24

// DefaultTile is the tile size of a window of width w (semantics: Windows).
func DefaultTile(w featurestore.Duration) featurestore.Duration {
	for _, g := range slices.Backward(steps[:]) {
		if w%g == 0 && w/g >= leastTiles {
			return g
		}
	}
	return featurestore.Second
}

// The caps of exact windows: how many raw rows they are read from.
const (
	DefaultMaxRows = 1_000
	MostMaxRows    = 100_000
)

func resolveTrailing(f *Feature) error {
	if err := f.checkWidth("window"); err != nil {
		return err
	}
	if f.Offset < 0 || f.Offset > maxReach {
		return fmt.Errorf("offset %s is out of range: write up to %s", f.Offset, maxReach)
	}
	switch {
	case f.Exact && f.MaxRows == 0:
		f.MaxRows = DefaultMaxRows
	case f.Exact && (f.MaxRows < 1 || f.MaxRows > MostMaxRows):
		return fmt.Errorf("max_rows %d is out of range: write 1 to %d", f.MaxRows, MostMaxRows)
	case !f.Exact && f.MaxRows != 0:
		return errors.New("max_rows needs exact: true beside it: only exact windows keep raw rows")
	}
	if f.Tile == 0 {
		f.Tile = DefaultTile(f.Width)
		return nil
	}
	return f.tileDivides("window", f.Width)
}

func reachTrailing(f *Feature) (featurestore.Duration, bool) { return f.Offset + f.Width, true }

func coverTrailing(f *Feature) Cover {
	switch {
	case f.Exact:
		return Cover{Tile: f.Tile, Least: f.Width, Most: f.Width}
	case f.Offset > 0:
		return aligned(f.Width, f.Tile)
	}
	return Cover{Tile: f.Tile, Least: f.Width, Most: f.Width + f.Tile - featurestore.Microsecond}
}

// aligned is the cover of a window of which both edges are aligned down.
func aligned(w, tile featurestore.Duration) Cover {
	return Cover{Tile: tile, Least: w / tile * tile, Most: (w + tile - 1) / tile * tile}
}

func spansTrailing(f *Feature) []span {
	return []span{{shape: slidingSpan, back: int64(f.Offset + f.Width), offset: int64(f.Offset), tile: int64(f.Tile)}}
}
