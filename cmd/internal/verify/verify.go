// Package verify recomputes sampled entities with the naive oracle, from history
// alone, and compares with what a server answers, bit for bit. The oracle shares
// no fold, tile or sketch with the engine that it judges.
package verify

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/latest"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/runs"
	"github.com/freshet/freshet/ingest/materialize"
	"github.com/freshet/freshet/transforms/oracle"
)

// Checker compares the views of one project.
type Checker struct {
	Root    string // of the definitions
	Dir     string // of the offline store
	History offline.History
	Runs    *runs.Record
	Get     Get
	Sample  int // entities a view; 0 is all
	AsOf    *featurestore.Instant
	Wait    time.Duration // for what was looked up to come to rest; 0 compares what has
	Note    func(format string, args ...any)

	// CaughtUp waits until a view has applied all that its logs held at the call;
	// false is not in time. Without it, what is missing in a state counts as not
	// applied yet, however long ago it came to rest.
	CaughtUp func(ctx context.Context, view string) (bool, error)
}

// Read is one entity's answer.
type Read struct {
	At      featurestore.Instant
	Cells   []featurestore.Cell // the view's features in order
	Applied featurestore.Applied
}

// Get looks all features of a view up for entities, in their order.
type Get func(ctx context.Context, view string, keys [][]featurestore.Value, asOf *featurestore.Instant) ([]Read, error)

// Mismatch is one value that differs.
type Mismatch struct {
	View     string `json:"view"`
	Feature  string `json:"feature"`
	Keys     string `json:"keys"`
	At       string `json:"at"`
	Online   string `json:"online"`
	Expected string `json:"expected"`
}

// Report is the outcome for one view.
type Report struct {
	View       string     `json:"view"`
	Entities   int        `json:"entities"`   // looked up
	Compared   int        `json:"compared"`   // of these: with one value or more
	Values     int        `json:"values"`     // of entities that are neither ahead nor rebuilding
	Mismatches int        `json:"mismatches"` // values
	Behind     int        `json:"behind"`     // entities whose newest records are not applied yet, and that agree up to where they are
	Ahead      int        `json:"ahead"`      // entities that have applied what is not at rest yet: not compared
	Rebuilding int        `json:"rebuilding"` // entities that answer REBUILDING: not compared
	TooOld     int        `json:"too_old"`    // values that are past the asked instant
	Examples   []Mismatch `json:"examples,omitempty"`

	// Nothing is why nothing was compared, and what to do then; "" where something
	// was, and for a table without rows.
	Nothing string `json:"nothing_compared,omitempty"`

	// Of a batch view: the cutoff of its newest run where the table's files are not
	// those that it was made from. The present table is what values are held
	// against, so that a mismatch may be the change of the table.
	ChangedSince string `json:"changed_since,omitempty"`

	// ReadOtherwise is why events may be at rest that the view has not counted, or the
	// other way around: then a mismatch may be that. "" where there is no such reason.
	ReadOtherwise string `json:"read_otherwise,omitempty"`
}

// maxExamples bounds the mismatches that a report shows.
const maxExamples = 10

// chunk is how many entities one lookup asks for.
const chunk = 200

// expected computes an entity's cells at an instant; behind computes them as far
// as a state's applied list goes (nil for batch views).
type expected struct {
	at     func(t featurestore.Instant) ([]featurestore.Cell, error)
	behind func(r Read) ([]featurestore.Cell, error)
}

// StreamView checks one stream view. Entities are looked up before their rows are
// read: what history gets meanwhile makes fewer of them be ahead of it.
func (c *Checker) StreamView(ctx context.Context, v *definition.StreamView) (*Report, error) {
	f, err := c.found(ctx, v)
	if err != nil {
		return nil, err
	}
	sampled, err := c.rowsOf(ctx, v, f.chosen)
	if err != nil {
		return nil, err
	}
	config := v.Config()
	s := &subject{view: v.Name, entity: v.Entity}
	for i := range v.Features {
		s.add(v.Features[i].Name, v.Features[i].Type)
	}
	l := &looked{keys: sampled.keys, reads: f.reads, rest: f.rest}
	l.of = func(i int) expected {
		judged := oracle.Judge(config, sampled.rows[i])
		return expected{
			at: func(t featurestore.Instant) ([]featurestore.Cell, error) {
				return judged.Read(oracle.Reading{At: t, Mode: oracle.Available})
			},
			behind: func(r Read) ([]featurestore.Cell, error) {
				return judged.Read(oracle.Reading{At: r.At, Mode: oracle.Exact, Applied: r.Applied})
			},
		}
	}
	r, behind, err := c.compare(s, l)
	if err != nil {
		return nil, err
	}
	if err := c.missing(ctx, s, l, r, behind); err != nil {
		return nil, err
	}
	r.Nothing = r.nothing()
	return r, nil
}

// BatchView checks one batch view against its files and recorded runs.
func (c *Checker) BatchView(ctx context.Context, v *definition.BatchView) (*Report, error) {
	recorded, err := c.Runs.List(v.Name)
	if err != nil {
		return nil, err
	}
	recorded = slices.DeleteFunc(recorded, func(r runs.Run) bool {
		return r.Definition != hex.EncodeToString(v.Hash[:]) // of another meaning: what answers was made by none of them
	})
	sampled, err := c.sampleBatch(ctx, v, recorded)
	if err != nil {
		return nil, err
	}
	var done []oracle.Run
	for _, r := range recorded {
		done = append(done, oracle.Run{Cutoff: r.Cutoff, Completed: r.Completed})
	}
	s := &subject{view: v.Name, entity: v.Entity}
	for _, f := range v.Features {
		s.add(f.Name, f.Type)
	}
	reads, err := c.lookUp(ctx, v.Name, sampled.keys)
	if err != nil {
		return nil, err
	}
	report, _, err := c.compare(s, &looked{keys: sampled.keys, reads: reads, of: func(i int) expected {
		return expected{at: func(t featurestore.Instant) ([]featurestore.Cell, error) {
			row, err := batchRow(v, sampled.rows[i], oracle.BatchReading{At: t, Mode: oracle.Available, Runs: done})
			out := make([]featurestore.Cell, len(v.Features))
			if err == nil {
				latest.Cells(v, row, t, out)
			}
			return out, err
		}}
	}})
	if err != nil {
		return nil, err
	}
	if report.Entities > 0 {
		report.Nothing = report.nothing()
	}
	if len(recorded) == 0 {
		return report, nil
	}
	newest := newestOf(recorded)
	id, err := materialize.RunID(c.Root, v, newest.Cutoff)
	if id != newest.ID {
		report.ChangedSince = newest.Cutoff.String()
	}
	return report, err
}

// batchRow is what the oracle finds of an entity, nil for nothing. It is given no
// ttl: what it finds is judged by the rule that every path shares.
func batchRow(v *definition.BatchView, rows []oracle.BatchRow, r oracle.BatchReading) (*latest.Row, error) {
	greatest, _ := oracle.LatestBatch(rows, r)
	if greatest == nil {
		return nil, nil
	}
	aggregates, err := oracle.BatchAggregates(v.Config(), rows, r)
	if err != nil {
		return nil, err
	}
	out := &latest.Row{Time: greatest.Time}
	next := 0
	for i := range v.Features {
		if f := &v.Features[i]; f.Expr == nil {
			out.Values = append(out.Values, aggregates[f.Aggregate].Value)
			continue
		}
		out.Values = append(out.Values, greatest.Values[next])
		next++
	}
	for _, c := range aggregates {
		out.Values = append(out.Values, featurestore.Int64Value(int64(c.Status)))
	}
	return out, nil
}

// subject is a view as a report speaks of it.
type subject struct {
	view   string
	entity *definition.Entity
	names  []string
	types  []featurestore.Type
}

func (s *subject) add(name string, t featurestore.Type) {
	s.names, s.types = append(s.names, name), append(s.types, t)
}

// looked is what was looked up: keys, their answers, how far what is at rest reaches
// (nil for batch views), and what is expected of each.
type looked struct {
	keys  [][]featurestore.Value
	reads []Read
	rest  resting
	of    func(i int) expected
}

// compare holds each value against what is expected. What history does not have
// yet says nothing about a state that has it, and REBUILDING is no value. Which
// entities are behind is told too.
func (c *Checker) compare(s *subject, l *looked) (r *Report, behind []int, err error) {
	r = &Report{View: s.view, Entities: len(l.keys)}
	for i, read := range l.reads {
		if read.rebuilding() {
			r.Rebuilding++
			continue
		}
		if l.rest.lacks(read.Applied) {
			r.Ahead++
			continue
		}
		want := l.of(i)
		cells, err := want.at(read.At)
		if err != nil {
			return nil, nil, fmt.Errorf("view %q: %w", s.view, err)
		}
		found := differences(read, cells)
		if len(found) > 0 && want.behind != nil {
			upTo, err := want.behind(read)
			if err != nil {
				return nil, nil, fmt.Errorf("view %q: %w", s.view, err)
			}
			if len(differences(read, upTo)) == 0 {
				behind = append(behind, i)
				found = nil
			}
		}
		r.Values += len(cells)
		r.count(read)
		r.add(s, l.keys[i], read, cells, found)
	}
	r.Behind = len(behind)
	return r, behind, nil
}

// differences are the features whose value or status differs. STALE is a
// server's word on freshness and hides weaker statuses only.
func differences(read Read, want []featurestore.Cell) []int {
	var out []int
	for i, got := range read.Cells {
		if got.Status == featurestore.TooOld {
			continue
		}
		status := got.Status == want[i].Status || got.Status == featurestore.Stale && want[i].Status > featurestore.Stale
		if !status || !got.Value.Equal(want[i].Value) {
			out = append(out, i)
		}
	}
	return out
}

func (r *Report) count(read Read) {
	old := 0
	for _, c := range read.Cells {
		if c.Status == featurestore.TooOld {
			old++
		}
	}
	r.TooOld += old
	if old < len(read.Cells) {
		r.Compared++
	}
}

func (r *Report) add(s *subject, key []featurestore.Value, read Read, want []featurestore.Cell, found []int) {
	r.Mismatches += len(found)
	for _, i := range found {
		if len(r.Examples) == maxExamples {
			return
		}
		r.Examples = append(r.Examples, Mismatch{
			View: s.view, Feature: s.names[i], Keys: keyText(s.entity, key), At: read.At.String(),
			Online:   read.Cells[i].Value.Exact(s.types[i]) + " " + read.Cells[i].Status.String(),
			Expected: want[i].Value.Exact(s.types[i]) + " " + want[i].Status.String(),
		})
	}
}

func keyText(e *definition.Entity, key []featurestore.Value) string {
	out := ""
	for i, k := range e.Keys {
		if i > 0 {
			out += ","
		}
		out += k.Name + "=" + key[i].Text(k.Type)
	}
	return out
}

// rank orders keys for sampling: a hash, so that a sample is spread evenly and
// the same one is taken again.
func rank(hash [16]byte) uint64 { return binary.BigEndian.Uint64(hash[:8]) }
