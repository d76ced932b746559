package worker

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// mark is how far one lane has applied one partition, as the store last said.
type mark struct {
	offset    int64
	logTime   featurestore.LogTime
	fetchTime featurestore.Instant
	prints    []online.Fingerprint
	moved     bool // by records, since the last heartbeat
}

// lanes is a view generation's picture of the store's watermarks. It is changed
// only by what the store answered.
type lanes struct {
	marks []map[online.Partition]mark
}

func (l *lanes) load(stored []online.Lane) {
	l.marks = make([]map[online.Partition]mark, len(stored))
	for i, s := range stored {
		l.marks[i] = make(map[online.Partition]mark, len(s.Watermarks))
		for p, w := range s.Watermarks {
			l.marks[i][p] = mark{offset: w.Offset, logTime: w.LogTime, fetchTime: w.FetchTime, prints: w.Prints}
		}
	}
}

// at is a lane's mark; a partition never applied stands at -1. Its fingerprints are valid
// until the mark is set anew.
func (l *lanes) at(lane uint16, p online.Partition) mark {
	if m, ok := l.marks[lane][p]; ok {
		return m
	}
	return mark{offset: -1, logTime: math.MinInt64}
}

// set takes over what the store has accepted; moved says that records came with it. The
// watermark's fingerprints are copied, to where those of before were.
func (l *lanes) set(lane uint16, p online.Partition, w online.Watermark, moved bool) {
	m := l.marks[lane][p]
	m.offset, m.logTime, m.fetchTime, m.moved = w.Offset, w.LogTime, w.FetchTime, moved
	m.prints = append(m.prints[:0], w.Prints...)
	l.marks[lane][p] = m
}

// hasMoved reports whether records have moved a lane since it was asked last.
func (l *lanes) hasMoved(lane uint16, p online.Partition) bool {
	m, ok := l.marks[lane][p]
	if !ok || !m.moved {
		return false
	}
	m.moved = false
	l.marks[lane][p] = m
	return true
}

// lowest is the least offset of a partition over all lanes: everything after it
// must be read again by some lane.
func (l *lanes) lowest(p online.Partition) int64 {
	low := int64(math.MaxInt64)
	for i := range l.marks {
		low = min(low, l.at(uint16(i), p).offset)
	}
	return low
}

// highest is the greatest offset of a partition over all lanes.
func (l *lanes) highest(p online.Partition) int64 {
	high := int64(-1)
	for i := range l.marks {
		high = max(high, l.at(uint16(i), p).offset)
	}
	return high
}

// fetched is the least fetch time of a partition over all lanes.
func (l *lanes) fetched(p online.Partition) featurestore.Instant {
	least := featurestore.Instant(math.MaxInt64)
	for i := range l.marks {
		least = min(least, l.at(uint16(i), p).fetchTime)
	}
	return least
}

// met reports whether some lane has applied a record of a partition. Marks that
// only say where a log begins, or that it is empty, have no log time.
func (l *lanes) met(p online.Partition) bool {
	for i := range l.marks {
		if l.at(uint16(i), p).logTime != math.MinInt64 {
			return true
		}
	}
	return false
}

// empty says of each lane whether it has applied no record of any partition.
func (l *lanes) empty() []bool {
	out := make([]bool, len(l.marks))
	for i, marks := range l.marks {
		out[i] = true
		for _, m := range marks {
			out[i] = out[i] && m.logTime == math.MinInt64
		}
	}
	return out
}

// prints are the fingerprints of the lanes that stand lowest and highest, newest first.
func (l *lanes) prints(p online.Partition) []online.Fingerprint {
	low, high := l.lowest(p), l.highest(p)
	var out []online.Fingerprint
	for i := range l.marks {
		if m := l.at(uint16(i), p); m.offset == low || m.offset == high {
			for _, print := range m.prints {
				if !slices.Contains(out, print) {
					out = append(out, print)
				}
			}
		}
	}
	sortPrints(out)
	return out
}

// sortPrints sorts fingerprints, newest first.
func sortPrints(prints []online.Fingerprint) {
	slices.SortFunc(prints, func(a, b online.Fingerprint) int { return cmp.Compare(b.Offset, a.Offset) })
}

// equal reports whether the store says the same as this picture of some
// partitions. Of the others the store may say more by now: they are somebody
// else's.
func (l *lanes) equal(stored []online.Lane, mine map[online.Partition]bool) bool {
	for i, s := range stored {
		if s.Meta.State == online.StateMissing {
			return false
		}
		for p := range mine {
			w, there := s.Watermarks[p]
			have, known := l.marks[i][p]
			if there != known || w.Offset != have.offset {
				return false
			}
		}
	}
	return true
}

// take takes over what the store says of the partitions that are not mine.
func (l *lanes) take(stored []online.Lane, mine map[online.Partition]bool) {
	for i, s := range stored {
		for p, w := range s.Watermarks {
			if !mine[p] {
				l.set(uint16(i), p, w, false)
			}
		}
	}
}

// moved reports whether a partition stands elsewhere in some lane of another picture.
func (l *lanes) moved(p online.Partition, other *lanes) bool {
	for i := range l.marks {
		if l.at(uint16(i), p).offset != other.at(uint16(i), p).offset {
			return true
		}
	}
	return false
}

// behind reports whether a partition stands lower in some lane than in another picture.
func (l *lanes) behind(p online.Partition, other *lanes) bool {
	for i := range l.marks {
		if l.at(uint16(i), p).offset < other.at(uint16(i), p).offset {
			return true
		}
	}
	return false
}

// reload reads the watermarks from the store. Where the store stands otherwise
// than this view believed, the feed of that partition is broken: its next chunk
// may lie beyond what the store has lost.
func (v *View) reload(ctx context.Context) error {
	v.dropHeld()
	stored, err := storedLanes(ctx, v.store, v.id, uint16(len(v.lanes.marks)))
	if err != nil {
		return err
	}
	for _, s := range stored {
		if s.Meta.State == online.StateMissing || s.Meta.State == online.StateLost {
			return errLost
		}
		if s.Meta.Definition != v.view.Hash {
			return errStale
		}
	}
	before := v.lanes
	v.lanes.load(stored)
	v.state, v.filled = online.Worst(stored), filled(stored)
	v.cache.whole = v.lanes.empty()
	for lane := range v.cache.left {
		v.cache.whole[lane] = false
	}
	for p := range v.fed {
		if v.lanes.moved(p, &before) {
			delete(v.fed, p)
		}
	}
	return nil
}
