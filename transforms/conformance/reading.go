package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// buildReadings gives a reading for each mode of each reading of the file.
func buildReadings(c *Case, j *caseJSON) error {
	for _, r := range j.Readings {
		entity, err := c.key(r.Entity)
		if err != nil {
			return err
		}
		cells, err := c.cells(r.Expect)
		if err != nil {
			return fmt.Errorf("reading at %d: %w", r.At, err)
		}
		for _, mode := range r.Modes {
			out := Reading{Entity: entity, At: featurestore.Instant(r.At), Mode: mode, Expect: cells}
			out.Clock = out.At
			if r.Clock != nil {
				out.Clock, out.AsOf = featurestore.Instant(*r.Clock), true
			}
			if mode == EventTime {
				out.Delay = featurestore.Duration(r.Delay)
			}
			c.Readings = append(c.Readings, out)
		}
	}
	return nil
}

// buildExpect reads what a request or a tree of merges must give.
func buildExpect(c *Case, j *caseJSON) error {
	for name, raw := range j.Request {
		if c.Request == nil {
			c.Request = map[string][]byte{}
		}
		c.Request[name] = raw
	}
	if j.Expect == nil {
		return nil
	}
	expect := map[string]cellJSON{}
	var err error
	if c.Kind == KindMergeTree {
		var one cellJSON
		err = strict(j.Expect, &one)
		expect[c.Config.Features[0].Name] = one
	} else {
		err = strict(j.Expect, &expect)
	}
	if err != nil {
		return err
	}
	c.Expect, err = c.cells(expect)
	return err
}

// strict decodes JSON without unknown fields.
func strict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// cells reads expected cells in the order of the view's features; each feature
// must have one.
func (c *Case) cells(expect map[string]cellJSON) ([]featurestore.Cell, error) {
	if len(expect) != len(c.Config.Features) {
		return nil, fmt.Errorf("%d cells are expected of %d features", len(expect), len(c.Config.Features))
	}
	var cells []featurestore.Cell
	for i := range c.Config.Features {
		f := &c.Config.Features[i]
		j, ok := expect[f.Name]
		if !ok {
			return nil, fmt.Errorf("nothing is expected of feature %q", f.Name)
		}
		v, err := parseValue(j.Value, f.Type)
		if err != nil {
			return nil, fmt.Errorf("feature %q: %w", f.Name, err)
		}
		status, err := featurestore.ParseStatus(j.Status)
		if err != nil {
			return nil, fmt.Errorf("feature %q: %w", f.Name, err)
		}
		cells = append(cells, featurestore.Cell{Value: v, Status: status})
	}
	return cells, nil
}
