package conformance

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// generateJSON makes events: event i at Start + i x Step, its fields by their
// rules.
type generateJSON struct {
	Count  int64               `json:"count"`
	Start  int64               `json:"start"`
	Step   int64               `json:"step"`
	Fields map[string]ruleJSON `json:"fields"`
}

// ruleJSON makes the value of one field of event i: n = From + i x Step, of
// that its (floored) rest by Mod, divided by Div or written behind Prefix, and
// in a list as often as Length says; or Value, as it stands.
type ruleJSON struct {
	From   int64           `json:"from"`
	Step   int64           `json:"step"`
	Mod    int64           `json:"mod"`
	Div    int64           `json:"div"`
	Prefix string          `json:"prefix"`
	Length int64           `json:"length"`
	Value  json.RawMessage `json:"value"`
}

// maxGenerated bounds what a file can ask for.
const maxGenerated = 100_000

func (g *generateJSON) events() ([]eventJSON, error) {
	if g == nil {
		return nil, nil
	}
	if g.Count < 0 || g.Count > maxGenerated {
		return nil, fmt.Errorf("generate: %d events are asked for, at most %d can be", g.Count, maxGenerated)
	}
	events := make([]eventJSON, g.Count)
	for i := range events {
		events[i].E = strconv.AppendInt(nil, g.Start+int64(i)*g.Step, 10)
		events[i].Fields = map[string]json.RawMessage{}
		for name, rule := range g.Fields {
			v, err := rule.value(int64(i))
			if err != nil {
				return nil, fmt.Errorf("generate: field %q: %w", name, err)
			}
			events[i].Fields[name] = v
		}
	}
	return events, nil
}

func (r *ruleJSON) value(i int64) (json.RawMessage, error) {
	if r.Value != nil {
		return r.Value, nil
	}
	n := r.From + i*r.Step
	if r.Mod > 0 {
		n = (n%r.Mod + r.Mod) % r.Mod
	}
	var one any = n
	switch {
	case r.Div > 0:
		one = float64(n) / float64(r.Div)
	case r.Prefix != "":
		one = r.Prefix + strconv.FormatInt(n, 10)
	}
	if r.Length == 0 {
		return json.Marshal(one)
	}
	if r.Length < 0 || r.Length > maxGenerated {
		return nil, fmt.Errorf("length %d is out of range: write 1 to %d", r.Length, maxGenerated)
	}
	list := make([]any, r.Length)
	for k := range list {
		list[k] = one
	}
	return json.Marshal(list)
}
