package frame

import (
	"context"
	"slices"
)

// Order asks for rows ordered by leading columns.
type Order struct {
	Fields []Field
	Keys   int // the first Keys fields, ascending, null first; no two rows share them
}

// Memory sorts in memory: for small inputs and for tests. Its Sort is the
// contract that the DuckDB adapter keeps for inputs of any size.
type Memory struct{}

// Sort feeds rows in and hands them back ordered, in frames that are valid
// during the call of each only. A frame that was given to add may be reused.
func (Memory) Sort(ctx context.Context, o Order, feed func(add func(*Frame) error) error, each func(*Frame) error) error {
	all := New(o.Fields)
	add := func(f *Frame) error {
		all.AppendFrame(f)
		return ctx.Err()
	}
	if err := feed(add); err != nil {
		return err
	}
	index := make([]int, all.Len())
	for i := range index {
		index[i] = i
	}
	slices.SortFunc(index, func(a, b int) int { return all.compare(a, b, o.Keys) })
	out := New(o.Fields)
	const size = 1024
	for lo := 0; lo < len(index); lo += size {
		out.Reset()
		for _, i := range index[lo:min(lo+size, len(index))] {
			for c := range out.Columns {
				out.Columns[c].Append(all.Columns[c].Value(i))
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(out); err != nil {
			return err
		}
	}
	return nil
}

func (f *Frame) compare(a, b, keys int) int {
	for i := range keys {
		c := &f.Columns[i]
		if d := c.Value(a).Compare(c.Value(b)); d != 0 {
			return d
		}
	}
	return 0
}
