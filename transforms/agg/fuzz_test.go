package agg_test

import (
	"bytes"
	"testing"

	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// FuzzDecodeCells reads bytes as the cells of one aggregate of the table, on one
// type of input: whatever is accepted must be what is written again, and must
// merge and read without a panic.
func FuzzDecodeCells(f *testing.F) {
	var all []agg.Call
	for _, function := range agg.Functions() {
		all = append(all, calls(function)...)
	}
	for i, call := range all {
		a := newAlgebra(f, call, -1)
		for seed := range 2 {
			list := events(call, 14).Example(seed)
			f.Add(uint16(i), a.bytes(a.of(list...)))
		}
	}
	f.Fuzz(func(t *testing.T, which uint16, src []byte) {
		a := newAlgebra(t, all[int(which)%len(all)], -1)
		slot := a.cells.Alloc()
		r := pack.NewReader(src)
		a.cells.Decode(&r, slot, 17)
		if r.Err() != nil {
			return
		}
		used := src[:len(src)-len(r.Rest())]
		if got := a.bytes(slot); !bytes.Equal(got, used) {
			t.Fatalf("%x is written again as %x", used, got)
		}
		acc := a.merged(slot, a.of())
		if got := a.bytes(acc); !bytes.Equal(got, used) {
			t.Fatalf("%x is %x when it is merged with nothing", used, got)
		}
		a.read(acc)
		a.merged(slot, acc)
	})
}
