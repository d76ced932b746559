package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/freshet/freshet/featurestore"
)

// build turns one case of the file into the cases to run: one for each order
// of its events.
func build(file *fileJSON, v vectorJSON, j *caseJSON) ([]*Case, error) {
	c := &Case{
		Vector: v.ID, Name: caseName(v.ID, j.Name), Title: v.Title, Kind: j.Kind, Needs: j.Needs, Replays: j.Replays,
		Counters: j.Counters, Distinct: j.Distinct, Text: j.Text, Instant: featurestore.Instant(j.Instant), Refused: j.Refused,
	}
	if c.Kind == "" {
		c.Kind = KindWindow
	}
	steps := []func(*Case, *caseJSON) error{buildKeys, buildColumns, buildSources, buildView, buildReadings, buildRequest}
	for _, step := range steps {
		if err := step(c, j); err != nil {
			return nil, err
		}
	}
	events := slices.Concat(file.Logs[j.Log], j.Events)
	if j.Log != "" && file.Logs[j.Log] == nil {
		return nil, fmt.Errorf("unknown log %q", j.Log)
	}
	return ordered(c, events, j.Orders)
}

func buildKeys(c *Case, j *caseJSON) (err error) {
	if c.Key, err = columns(j.Key); err != nil {
		return err
	}
	if j.Key == nil {
		c.Key = []Column{{Name: "user", Type: featurestore.String}}
	}
	for _, raw := range j.Keys {
		key, err := c.key(raw)
		if err != nil {
			return err
		}
		c.Keys = append(c.Keys, key)
	}
	return nil
}

func buildColumns(c *Case, j *caseJSON) (err error) {
	c.Columns, err = columns(j.Columns)
	return err
}

func columns(list []columnJSON) ([]Column, error) {
	var out []Column
	for _, j := range list {
		t, err := parseType(j.Type)
		if err != nil {
			return nil, err
		}
		out = append(out, Column{Name: j.Name, Type: t})
	}
	return out, nil
}

// key reads an entity's key; none is the entity u1.
func (c *Case) key(raw []json.RawMessage) (KeyTuple, error) {
	if raw == nil {
		return KeyTuple{featurestore.StringValue("u1")}, nil
	}
	if len(raw) != len(c.Key) {
		return nil, fmt.Errorf("a key has %d values, the entity %d", len(raw), len(c.Key))
	}
	var key KeyTuple
	for i := range raw {
		v, err := parseValue(raw[i], c.Key[i].Type)
		if err != nil {
			return nil, err
		}
		key = append(key, v)
	}
	return key, nil
}

func buildSources(c *Case, j *caseJSON) error {
	list := j.Sources
	if list == nil {
		list = []sourceJSON{{Name: "events"}}
	}
	for _, s := range list {
		if s.AllowedLateness == "" {
			s.AllowedLateness = "1h"
		}
		lateness, err := parseDuration(s.AllowedLateness)
		if err != nil {
			return err
		}
		c.Sources = append(c.Sources, Source{Name: s.Name, AllowedLateness: lateness, EventID: s.EventID, Sequence: s.Sequence, TextTime: hasTextTime(j.Events)})
	}
	if !slices.IsSortedFunc(c.Sources, func(x, y Source) int { return bytes.Compare([]byte(x.Name), []byte(y.Name)) }) {
		return fmt.Errorf("sources must ascend by name")
	}
	return nil
}

func hasTextTime(events []eventJSON) bool {
	return slices.ContainsFunc(events, func(e eventJSON) bool { return len(e.E) > 0 && e.E[0] == '"' })
}

// event builds a record; its offset is next unless one is given.
func (c *Case) event(j *eventJSON, next func(partition featurestore.PartitionID) int64) (Event, error) {
	e := Event{Source: j.Source}
	if e.Source == "" {
		e.Source = c.Sources[0].Name
	}
	at := slices.IndexFunc(c.Sources, func(s Source) bool { return s.Name == e.Source })
	if at < 0 {
		return e, fmt.Errorf("unknown source %q", e.Source)
	}
	var err error
	if e.Key, err = c.key(j.Entity); err != nil {
		return e, err
	}
	e.Row.PartitionID = featurestore.PartitionID{Source: uint16(at), Generation: 1, Partition: j.Partition}
	if j.Offset != nil {
		e.Row.Offset = *j.Offset
	} else {
		e.Row.Offset = next(e.Row.PartitionID)
	}
	if err := c.times(&e, j); err != nil {
		return e, err
	}
	if err := c.fields(&e, j); err != nil {
		return e, err
	}
	e.Wire, err = c.wire(&e, j, c.Sources[at])
	return e, err
}

func (c *Case) times(e *Event, j *eventJSON) error {
	text := literal(j.E)
	if len(j.E) > 0 && j.E[0] == '"' {
		t, err := featurestore.ParseInstant(text)
		if err != nil {
			e.BadAt = text
		}
		e.Row.Time = featurestore.EventTime(t)
	} else {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("e: %w", err)
		}
		e.Row.Time = featurestore.EventTime(n)
	}
	e.Row.LogTime = featurestore.LogTime(e.Row.Time)
	if j.A != nil {
		e.Row.LogTime = featurestore.LogTime(*j.A)
	}
	return nil
}

func (c *Case) fields(e *Event, j *eventJSON) error {
	source := c.Sources[e.Row.Source]
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
		e.Row.Inputs = append(e.Row.Inputs, v)
		switch col.Name {
		case source.EventID:
			e.Row.ID = v.Str()
		case source.Sequence:
			e.Row.Sequence = v
		}
	}
	if known != len(j.Fields) {
		return fmt.Errorf("an event has fields that no column declares")
	}
	return nil
}

// wire is the record as a source would send it: the key columns, the fields,
// and the event time under "ts".
func (c *Case) wire(e *Event, j *eventJSON, s Source) ([]byte, error) {
	object := map[string]any{}
	for i, k := range c.Key {
		object[k.Name] = nil
		if j.Entity != nil {
			object[k.Name] = j.Entity[i]
		} else if !e.Key[i].IsNull() {
			object[k.Name] = e.Key[i].Str()
		}
	}
	for _, col := range c.Columns {
		object[col.Name] = wireValue(j.Fields[col.Name], col.Type)
	}
	object["ts"] = int64(e.Row.Time)
	switch {
	case e.BadAt != "":
		object["ts"] = e.BadAt
	case s.TextTime:
		object["ts"] = e.Row.Time.String()
	}
	return json.Marshal(object)
}
