package predictions

import (
	"fmt"
	"math"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// Lookup decodes a record of a lookup.
func (rec *Record) Lookup() (*Lookup, error) {
	r, h := rec.body, rec.Header // a copy of the reader: a record can be decoded again
	l := &Lookup{Header: h, LoggedAt: rec.LoggedAt}
	// Before anything is allocated: a value takes a byte at least, a cell two.
	least := 1 + len(h.Entities) + len(h.Request) + 2*len(h.Columns) + 2*len(h.Roles)
	if rec.Rows < 0 || rec.Rows > len(r.Rest())/least {
		return nil, fmt.Errorf("a lookup of %d rows: %w", rec.Rows, pack.ErrShort)
	}
	l.RequestID = string(r.Text())
	l.AsOf = r.Byte()&flagAsOf != 0
	l.Revision = r.Int()
	l.ReadTimes = make([]featurestore.Instant, rec.Rows)
	for i := range l.ReadTimes {
		l.ReadTimes[i] = l.LoggedAt + featurestore.Instant(r.Int())
	}
	l.Entities, l.Request = readValues(&r, len(h.Entities), rec.Rows), readValues(&r, len(h.Request), rec.Rows)
	cells := make([]featurestore.Cell, rec.Rows*len(h.Columns))
	for i := range h.Columns {
		column := cells[i*rec.Rows : (i+1)*rec.Rows : (i+1)*rec.Rows]
		for k := range column {
			column[k] = featurestore.Cell{Status: featurestore.Status(r.Byte()), Value: r.Value()}
			if column[k].Status > featurestore.Present {
				r.Failf("unknown status %d", column[k].Status)
			}
		}
		l.Columns = append(l.Columns, column)
	}
	for i := range h.Roles {
		l.Roles = append(l.Roles, readRole(&r, rec.Rows))
		if r.Err() == nil && !sourcesKnown(&l.Roles[i], &h.Roles[i]) {
			return nil, fmt.Errorf("an applied list of role %q names a source that its header does not", h.Roles[i].Prefix)
		}
	}
	return l, r.Err()
}

func readValues(r *pack.Reader, columns, rows int) [][]featurestore.Value {
	var out [][]featurestore.Value
	for range columns {
		column := make([]featurestore.Value, rows)
		for i := range column {
			column[i] = r.Value()
		}
		out = append(out, column)
	}
	return out
}

// entrySize is the least that an entry of an applied list takes.
const entrySize = 5

func readRole(r *pack.Reader, rows int) RoleRead {
	out := RoleRead{Generation: uint32(min(r.Uint(), math.MaxUint32)), Rows: make([]RowState, rows)}
	if r.Byte()&flagWatermark != 0 {
		out.HasWatermark, out.Watermark = true, featurestore.Instant(r.Int())
	}
	for i := range out.Rows {
		out.Rows[i].Run = string(r.Text())
		for range r.Count(entrySize) {
			id := featurestore.PartitionID{Source: uint16(min(r.Uint(), math.MaxUint16)), Generation: uint32(min(r.Uint(), math.MaxUint32)), Partition: int32(r.Int())}
			out.Rows[i].Applied = append(out.Rows[i].Applied, featurestore.AppliedEntry{PartitionID: id, Offset: r.Int(), MaxLogTime: featurestore.LogTime(r.Int())})
		}
	}
	return out
}

func sourcesKnown(read *RoleRead, role *Role) bool {
	for i := range read.Rows {
		for _, e := range read.Rows[i].Applied {
			if int(e.Source) >= len(role.Sources) {
				return false
			}
		}
	}
	return true
}

// Prediction decodes a record of outputs.
func (rec *Record) Prediction() (*Prediction, error) {
	r := rec.body
	p := &Prediction{LoggedAt: rec.LoggedAt, RequestID: string(r.Text()), Row: r.Int(), Model: string(r.Text())}
	for range r.Count(2) {
		p.Outputs = append(p.Outputs, Output{Name: string(r.Text()), Value: r.Value()})
	}
	return p, r.Err()
}
