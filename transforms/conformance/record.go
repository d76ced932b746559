package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/freshet/freshet/featurestore"
)

// record is one record of the file: an event, whose row is After, or a change.
type record struct {
	placeJSON
	change  bool
	mutated int64
	before  *imageJSON
	after   *imageJSON
}

// asRecords lists the events, then the changes.
func asRecords(events []eventJSON, changes []changeJSON) []record {
	var all []record
	for i := range events {
		all = append(all, record{placeJSON: events[i].placeJSON, after: &events[i].imageJSON})
	}
	for i := range changes {
		c := &changes[i]
		all = append(all, record{placeJSON: c.placeJSON, change: true, mutated: c.M, before: c.Before, after: c.After})
	}
	return all
}

// event builds a record; its offset is next unless one is given.
func (c *Case) event(r *record, next func(partition featurestore.PartitionID) int64) (Event, error) {
	e := Event{Source: r.Source}
	if e.Source == "" {
		e.Source = c.Sources[0].Name
	}
	at := slices.IndexFunc(c.Sources, func(s Source) bool { return s.Name == e.Source })
	if at < 0 {
		return e, fmt.Errorf("unknown source %q", e.Source)
	}
	e.PartitionID = featurestore.PartitionID{Source: uint16(at), Generation: 1, Partition: r.Partition}
	if r.Offset != nil {
		e.Offset = *r.Offset
	} else {
		e.Offset = next(e.PartitionID)
	}
	if err := c.logTime(&e, r); err != nil {
		return e, err
	}
	if r.before != nil {
		if err := c.image(&e, r, r.before, featurestore.Retracted); err != nil {
			return e, err
		}
	}
	if r.after != nil {
		kind := featurestore.NoChange
		if r.change {
			kind = featurestore.Added
		}
		if err := c.image(&e, r, r.after, kind); err != nil {
			return e, err
		}
	}
	if r.before == nil && r.after == nil {
		return e, fmt.Errorf("a change has neither before nor after")
	}
	var err error
	e.Wire, err = c.wire(&e, r)
	return e, err
}

// logTime is a, by default the event time, of a change the time of the change.
func (c *Case) logTime(e *Event, r *record) error {
	switch {
	case r.A != nil:
		e.LogTime = featurestore.LogTime(*r.A)
	case r.change:
		e.LogTime = featurestore.LogTime(r.mutated)
	default:
		t, _, err := instant(r.after.E)
		e.LogTime = featurestore.LogTime(t)
		return err
	}
	return nil
}

// image adds the row that an image gives.
func (c *Case) image(e *Event, r *record, j *imageJSON, kind featurestore.Change) error {
	t, bad, err := instant(j.E)
	if err != nil || bad != "" {
		e.BadAt = bad
		return err
	}
	key, err := c.key(j.Entity)
	if err != nil {
		return err
	}
	row := EntityRow{Key: key}
	row.Position, row.LogTime, row.Change = e.Position, e.LogTime, kind
	row.Time, row.Mutated = featurestore.EventTime(t), featurestore.EventTime(r.mutated)
	if err := c.fields(&row, j); err != nil {
		return err
	}
	e.Rows = append(e.Rows, row)
	return nil
}

// instant reads an event time. bad is a text that is no time.
func instant(raw json.RawMessage) (t featurestore.Instant, bad string, err error) {
	text := literal(raw)
	if len(raw) > 0 && raw[0] == '"' {
		if t, err = featurestore.ParseInstant(text); err != nil {
			return 0, text, nil
		}
		return t, "", nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, "", fmt.Errorf("e: %w", err)
	}
	return featurestore.Instant(n), "", nil
}

func (c *Case) fields(row *EntityRow, j *imageJSON) error {
	source := c.Sources[row.Source]
	known := 0
	for _, col := range c.Columns {
		raw, given := j.Fields[col.Name]
		if given {
			known++
		}
		v, err := parseValue(raw, col.Type)
		if err != nil {
			return fmt.Errorf("field %q: %w", col.Name, err)
		}
		row.Inputs = append(row.Inputs, v)
		switch col.Name {
		case source.EventID:
			row.ID = v.Str()
		case source.Sequence:
			row.Sequence = v
		}
	}
	if known != len(j.Fields) {
		return fmt.Errorf("an event has fields that no column declares")
	}
	return nil
}
