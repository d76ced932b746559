package oracle_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
	"github.com/freshet/freshet/transforms/oracle"
	"github.com/freshet/freshet/transforms/window"
)

// tableRow is a row of a table: one that an entity has many of.
type tableRow struct {
	time featurestore.EventTime
	x    int64
}

// moving is the change feed of a table whose topic gets more partitions: what
// happens to a key lies where it hashes to at the time.
type moving struct {
	gen
	pace       featurestore.Duration // of the changes
	partitions int
	offsets    map[int32]int64
	table      map[int]tableRow // by primary key
	records    []record         // in the order of time
}

// grow makes n changes. Few rows differ in content.
func (m *moving) grow(n int) {
	for range n {
		if m.chance(5) {
			m.partitions++
		}
		key := m.IntN(7)
		old, there := m.table[key]
		fresh := tableRow{time: featurestore.EventTime(4*(1+m.Int64N(2))*int64(m.pace) + m.Int64N(2)*int64(m.pace)/5), x: int64(m.IntN(3))}
		var rec record
		if there {
			rec = append(rec, m.row(key, old, featurestore.Retracted))
		}
		if there && m.chance(40) {
			delete(m.table, key)
		} else {
			if there && m.chance(30) {
				fresh = old // an update of another column
			}
			rec, m.table[key] = append(rec, m.row(key, fresh, featurestore.Added)), fresh
		}
		m.offsets[rec[0].Partition]++
		m.records = append(m.records, rec)
	}
}

// now is past the last change.
func (m *moving) now() featurestore.Instant {
	return featurestore.Instant(11+len(m.records)) * featurestore.Instant(m.pace)
}

func (m *moving) row(key int, r tableRow, change featurestore.Change) window.Row {
	partition, at := int32(key*key%m.partitions), int64(m.now())-int64(m.pace)
	row := window.Row{Time: r.time, LogTime: featurestore.LogTime(at), Mutated: featurestore.EventTime(at), Change: change, Inputs: []featurestore.Value{i(r.x)}}
	row.Position = featurestore.Position{PartitionID: featurestore.PartitionID{Generation: 1, Partition: partition}, Offset: m.offsets[partition]}
	return row
}

// values are the count and the sum of the table's rows, twice, and the greatest.
func (m *moving) values(greatest bool) string {
	sum, top := int64(0), int64(-1)
	for _, r := range m.table {
		sum, top = sum+r.x, max(top, r.x)
	}
	out := fmt.Sprint(len(m.table), sum, len(m.table), sum)
	switch {
	case !greatest:
		return out
	case top < 0:
		return out + " null"
	}
	return fmt.Sprint(out, " ", top)
}

func (m *moving) parts() [][]record {
	parts := make([][]record, m.partitions)
	for _, rec := range m.records {
		p := rec[0].Partition
		parts[p] = append(parts[p], rec)
	}
	return parts
}

// movingPlan counts and sums in a tile and over all, and where it rebuilds it has a
// maximum.
func movingPlan(t *testing.T, rebuilds bool) (window.Config, *window.Plan) {
	t.Helper()
	c := window.Config{Sources: []window.SourceRule{{AllowedLateness: hour, Changes: true}}}
	for i, function := range []string{"count", "sum", "count", "sum", "var_pop", "max"} {
		f := window.Feature{Name: function, Call: agg.Call{Func: function, Input: featurestore.Int64}, Second: -1, By: -1, Where: -1, Width: 2 * day}
		switch {
		case function == "var_pop" && rebuilds || function == "max" && !rebuilds:
			continue
		case i > 1:
			f.Kind, f.Width = window.Lifetime, 0
		}
		c.Features = append(c.Features, f)
	}
	short := c.Features[0] // makes tiles small until they are old
	short.Width = hour
	c.Features = append(c.Features, short)
	p, err := window.Compile(c)
	if err != nil || p.Rebuilds() != rebuilds {
		t.Fatal(err, "rebuilds", p.Rebuilds())
	}
	return c, p
}

// fold feeds records, from bytes each time, and reads past all of them. It gives the
// bytes of the last state too.
func fold(t *testing.T, p *window.Plan, records []record, at featurestore.Instant) ([]featurestore.Cell, []byte) {
	t.Helper()
	r, s := &run{plan: p}, new(window.State)
	for n, rec := range records {
		for i := range rec {
			p.Apply(s, &rec[i])
		}
		p.Settle(s)
		again, problem := r.recode(s)
		if problem != "" {
			t.Fatalf("after %d records: %s", n+1, problem)
		}
		s = again
	}
	cells, packed := make([]featurestore.Cell, len(p.Features())), make([]featurestore.Cell, len(p.Features()))
	p.Read(s, at, cells)
	newest, folded := s.Newest()
	in := window.Packed{Open: p.AppendOpen(nil, s), Closed: p.AppendClosed(nil, s), Header: window.Header{Applied: s.Applied, Newest: newest, Folded: folded}}
	if err := p.ReadPacked(in, at, new(window.Scratch), packed); err != nil {
		t.Fatal(err)
	}
	if problem := (&run{scenario: &scenario{config: window.Config{Features: p.Features()}}, valued: map[string]int{}}).compare(packed, cells); problem != "" {
		t.Fatalf("from bytes: %s", problem)
	}
	return cells, encode(p, s)
}

func valuesOf(cells []featurestore.Cell, greatest bool) string {
	out := fmt.Sprint(cells[0].Value.Int64(), cells[1].Value.Int64(), cells[2].Value.Int64(), cells[3].Value.Int64())
	if greatest {
		out += " " + cells[4].Value.Text(featurestore.Int64)
	}
	return out
}

// What a change feed leaves is what its table holds, also where partitions are
// added and a key's later changes lie in a lower one: in views that rebuild and
// in those that subtract, in whatever order partitions are read, and by the
// oracle.
func TestKeysMoveToOtherPartitions(t *testing.T) {
	for seed := range uint64(400) {
		m := &moving{gen: newGen(seed), pace: []featurestore.Duration{second, 10 * minute}[seed%2], partitions: 1 + int(seed%3), offsets: map[int32]int64{}, table: map[int]tableRow{}}
		for range 4 {
			m.grow(12)
			at := m.now()
			for _, rebuilds := range []bool{true, false} {
				c, p := movingPlan(t, rebuilds)
				want := m.values(rebuilds)
				cells, state := fold(t, p, m.interleave(m.parts()), at)
				if got := valuesOf(cells, rebuilds); got != want {
					t.Fatalf("seed %d, %d changes, rebuilds %v: %s, the table has %s", seed, len(m.records), rebuilds, got, want)
				}
				if _, again := fold(t, p, m.interleave(m.parts()), at); !bytes.Equal(state, again) {
					t.Fatalf("seed %d, %d changes, rebuilds %v: two feedings leave other bytes", seed, len(m.records), rebuilds)
				}
				kept := m.interleave(m.parts())[:len(m.records)*2/3] // less than nothing may be left
				if state, again := m.foldTwice(t, p, kept, at); !bytes.Equal(state, again) {
					t.Fatalf("seed %d, %d changes, rebuilds %v: two feedings of a part leave other bytes", seed, len(m.records), rebuilds)
				}
				for _, mode := range []oracle.Mode{oracle.Available, oracle.EventTime} {
					cells, err := oracle.Read(c, slices.Concat(slices.Concat(m.parts()...)...), oracle.Reading{At: at, Mode: mode})
					if got := valuesOf(cells, rebuilds); err != nil || got != want {
						t.Fatalf("seed %d, %d changes, oracle in mode %d: %s, the table has %s (%v)", seed, len(m.records), mode, got, want, err)
					}
				}
			}
		}
	}
}

// foldTwice feeds records in their order and in another, which keeps that of each
// partition.
func (m *moving) foldTwice(t *testing.T, p *window.Plan, records []record, at featurestore.Instant) (first, second []byte) {
	t.Helper()
	parts := make([][]record, m.partitions)
	for _, rec := range records {
		n := rec[0].Partition
		parts[n] = append(parts[n], rec)
	}
	_, first = fold(t, p, records, at)
	_, second = fold(t, p, m.interleave(parts), at)
	return first, second
}

// Whatever retractions a log holds, as many as can take a row, none a later one of
// its own partition.
func TestAsManyRowsGoAsCan(t *testing.T) {
	c, p := movingPlan(t, true)
	for seed := range uint64(3000) {
		g := newGen(seed)
		m := &moving{gen: g, pace: second, partitions: 1 + g.IntN(4), offsets: map[int32]int64{}}
		for range g.IntN(14) {
			change := pick(g, featurestore.Added, featurestore.Retracted)
			row := m.row(0, tableRow{time: 1e6, x: 1}, change)
			row.Partition = int32(g.IntN(m.partitions))
			row.Offset = m.offsets[row.Partition]
			m.offsets[row.Partition]++
			m.records = append(m.records, record{row})
		}
		at := m.now()
		want := int64(0)
		for k := range m.partitions {
			want = max(want, m.left(int32(k)))
		}
		cells, _ := fold(t, p, m.interleave(m.parts()), at)
		if got := cells[0].Value.Int64(); got != want {
			t.Fatalf("seed %d: %d rows are left, want %d", seed, got, want)
		}
		cells, err := oracle.Read(c, slices.Concat(m.records...), oracle.Reading{At: at})
		if err != nil || cells[0].Value.Int64() != want {
			t.Fatalf("seed %d: the oracle leaves %v (%v), want %d", seed, cells[0].Value.Int64(), err, want)
		}
	}
}

// left is how many rows must stay for the sake of one partition's order: those of
// the others are there before its first change, their retractions come after its
// last. By Hall's theorem no more stay than some partition makes stay.
func (m *moving) left(partition int32) int64 {
	n, gone := int64(0), int64(0)
	for _, rec := range m.records {
		switch own := rec[0].Partition == partition; {
		case !own && rec[0].Change == featurestore.Added:
			n++
		case !own:
			gone++
		}
	}
	for _, rec := range m.records {
		switch {
		case rec[0].Partition != partition:
		case rec[0].Change == featurestore.Added:
			n++
		default:
			n = max(0, n-1)
		}
	}
	return max(0, n-gone)
}
