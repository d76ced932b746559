package conformance_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/conformance"
)

// trees is how many random trees of merges a case goes through.
const trees = 5

// mergeTrees adds the rows of a case to random tiles and merges these in random
// trees: each tree must leave the bytes and the value of the first.
func mergeTrees(c *conformance.Case) (conformance.Result, error) {
	f := &c.Config.Features[0]
	layout, finishers, err := agg.Compile([]agg.Use{{Call: f.Call, Input: f.Input, Second: f.Second, By: f.By, Where: f.Where}})
	if err != nil {
		return conformance.Result{}, err
	}
	random := rand.New(rand.NewPCG(40, uint64(c.Vector)))
	var result conformance.Result
	var state []byte
	for tree := range trees {
		cells := layout.NewCells()
		root := grow(c, cells, random, 1<<(2*tree)) // 1 tile, 4, 16, ...
		bytesOf := cells.Append(nil, root, 0)
		cell := finishers[0].Read(cells, root, c.At)
		if tree > 0 && !bytes.Equal(bytesOf, state) {
			return result, fmt.Errorf("tree %d left other bytes", tree)
		}
		if tree > 0 && (!cell.Value.Equal(result.Cells[0][0].Value) || cell.Status != result.Cells[0][0].Status) {
			return result, fmt.Errorf("tree %d gives another value: %s %s", tree, cell.Value.Text(f.Type), cell.Status)
		}
		state = bytesOf
		result.Cells = [][]featurestore.Cell{{cell}}
	}
	return result, nil
}

// grow spreads the rows over tiles and merges any two, or three, until one is left.
func grow(c *conformance.Case, cells *agg.Cells, random *rand.Rand, tiles int) agg.Slot {
	var slots []agg.Slot
	for range tiles {
		slots = append(slots, cells.Alloc())
	}
	for _, i := range random.Perm(len(c.Events)) {
		row := &c.Events[i].Rows[0]
		order := agg.Order{Time: row.Time, Sequence: row.Sequence, Position: row.Position}
		cells.Add(slots[random.IntN(len(slots))], &order, row.Inputs)
	}
	for len(slots) > 1 {
		random.Shuffle(len(slots), func(i, k int) { slots[i], slots[k] = slots[k], slots[i] })
		n := min(1+random.IntN(2), len(slots)-1)
		cells.Merge(slots[0], slots[len(slots)-n:])
		for _, s := range slots[len(slots)-n:] {
			cells.Free(s)
		}
		slots = slots[:len(slots)-n]
	}
	return slots[0]
}
