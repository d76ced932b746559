package history

import (
	"cmp"
	"iter"
	"slices"

	"github.com/freshet/freshet/featurestore/offline/archive"
)

// span is the rows [from, to) of a buffer.
type span struct{ from, to int }

// dayRows are the rows of one date, ascending by offset.
type dayRows struct {
	date  archive.Date
	spans []span
	rows  int
}

// days splits a buffer by the date of the log time, ascending.
func days(b *buffer) []dayRows {
	var out []dayRows
	at := map[archive.Date]int{}
	logs := b.LogTimes()
	for from := 0; from < len(logs); {
		date, to := archive.DateOf(logs[from]), from+1
		for to < len(logs) && archive.DateOf(logs[to]) == date {
			to++
		}
		i, known := at[date]
		if !known {
			i = len(out)
			at[date] = i
			out = append(out, dayRows{date: date})
		}
		out[i].spans, out[i].rows = append(out[i].spans, span{from, to}), out[i].rows+to-from
		from = to
	}
	slices.SortFunc(out, func(a, b dayRows) int { return cmp.Compare(a.date, b.date) })
	return out
}

// sample gives n of the rows, evenly spread; there are at least as many.
func (d *dayRows) sample(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		passed, at := 0, 0
		for i := range n {
			row := i * d.rows / n
			for row-passed >= d.spans[at].to-d.spans[at].from {
				passed += d.spans[at].to - d.spans[at].from
				at++
			}
			if !yield(d.spans[at].from + row - passed) {
				return
			}
		}
	}
}

// pieces cuts spans so that none has more than most rows.
func pieces(spans []span, most int) iter.Seq[span] {
	return func(yield func(span) bool) {
		for _, s := range spans {
			for from := s.from; from < s.to; from += most {
				if !yield(span{from, min(s.to, from+most)}) {
					return
				}
			}
		}
	}
}
