package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// build turns one case of the file into the cases to run: one for each order
// of its events.
func build(file *fileJSON, v vectorJSON, j *caseJSON) ([]*Case, error) {
	c := &Case{
		Vector: v.ID, Name: caseName(v.ID, j.Name), Title: v.Title, Kind: j.Kind, Needs: j.Needs, Replays: j.Replays,
		Counters: j.Counters, Distinct: j.Distinct, Text: j.Text, Instant: featurestore.Instant(j.Instant), Refused: j.Refused,
		At: featurestore.Instant(j.At),
	}
	if c.Kind == "" {
		c.Kind = KindWindow
	}
	steps := []func(*Case, *caseJSON) error{buildKeys, buildColumns, buildSources, buildView, buildBatch, buildReadings, buildExpect}
	for _, step := range steps {
		if err := step(c, j); err != nil {
			return nil, err
		}
	}
	if j.Log != "" && file.Logs[j.Log] == nil {
		return nil, fmt.Errorf("unknown log %q", j.Log)
	}
	made, err := j.Generate.events()
	if err != nil {
		return nil, err
	}
	records := asRecords(slices.Concat(file.Logs[j.Log], made, j.Events), j.Changes)
	return ordered(c, records, j.Orders)
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
		c.Sources = append(c.Sources, Source{Name: s.Name, AllowedLateness: lateness, EventID: s.EventID, Sequence: s.Sequence, TextTime: hasTextTime(j.Events), Changes: len(j.Changes) > 0})
	}
	if !slices.IsSortedFunc(c.Sources, func(x, y Source) int { return bytes.Compare([]byte(x.Name), []byte(y.Name)) }) {
		return fmt.Errorf("sources must ascend by name")
	}
	return nil
}

func hasTextTime(events []eventJSON) bool {
	return slices.ContainsFunc(events, func(e eventJSON) bool { return len(e.E) > 0 && e.E[0] == '"' })
}
