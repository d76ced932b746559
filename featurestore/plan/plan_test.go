package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/plan"
)

const base = `
kind: Entity
name: user
keys: [{name: user, type: string}]
---
kind: StreamSource
name: orders
kafka: {topic: orders}
format: json
timestamp: {field: at, format: layout, layout: "2006-01-02 15:04:05", zone: Europe/Oslo}
fields: {at: timestamp, user: string, amount: double}
history: {files: [orders.csv], format: csv, available_at: {field: logged, format: rfc3339, zone: UTC}}
---
kind: BatchSource
name: people
files: [people.csv]
format: csv
timestamp: {field: at, format: rfc3339, zone: UTC}
available_at: {field: known, format: rfc3339, zone: UTC}
fields: {at: timestamp, known: timestamp, user: string, age: int64}
---
kind: StreamView
name: spend
entity: user
source: orders
features: [{name: n, agg: count, windows: [1h, 24h]}]
---
kind: BatchView
name: person
entity: user
source: people
features: [{name: age, type: int64}]
---
kind: FeatureService
name: s
features: [spend.*, person.age]
`

func load(t *testing.T, text string) *definition.Project {
	t.Helper()
	p, problems := definition.Load([]definition.File{{Path: "d.yaml", Data: []byte(text)}})
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

func find(t *testing.T, p *plan.Plan, name string) plan.Change {
	t.Helper()
	for _, c := range p.Changes {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("%q is not among the changes %+v", name, p.Changes)
	return plan.Change{}
}

func TestTheSameFilesChangeNothing(t *testing.T) {
	if p := plan.Make(1, load(t, base), load(t, base)); !p.Empty() {
		t.Errorf("changes %+v", p.Changes)
	}
}

func TestEverythingIsCreatedFirst(t *testing.T) {
	p := plan.Make(0, nil, load(t, base))
	if len(p.Changes) != 6 || slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Action != plan.Create }) {
		t.Errorf("changes %+v", p.Changes)
	}
}

func TestAChangedWindowIsANewGeneration(t *testing.T) {
	p := plan.Make(1, load(t, base), load(t, strings.Replace(base, "[1h, 24h]", "[1h, 12h]", 1)))
	c := find(t, p, "spend")
	want := []plan.Risk{plan.ChangesMeaning, plan.NeedsBackfill, plan.BreaksReaders}
	if c.Action != plan.Replace || !slices.Equal(c.Risks, want) || !slices.Equal(c.Services, []string{"s"}) {
		t.Errorf("view %+v", c)
	}
	if !slices.Equal(c.Details, []string{"+ n_12h int64", "- n_24h int64"}) {
		t.Errorf("details %v", c.Details)
	}
	if find(t, p, "s").Action != plan.Replace {
		t.Error("the service's columns changed, and it is not replaced")
	}
}

func TestAnOwnerKeepsEveryValue(t *testing.T) {
	p := plan.Make(1, load(t, base), load(t, strings.Replace(base, "name: spend\n", "name: spend\nowner: me\n", 1)))
	if c := find(t, p, "spend"); len(p.Changes) != 1 || c.Action != plan.Update || len(c.Risks) != 0 {
		t.Errorf("changes %+v", p.Changes)
	}
}

func TestARemovedViewDropsData(t *testing.T) {
	i, j := strings.Index(base, "kind: BatchView"), strings.Index(base, "kind: FeatureService")
	p := plan.Make(1, load(t, base), load(t, base[:i]+strings.Replace(base[j:], ", person.age", "", 1)))
	if c := find(t, p, "person"); c.Action != plan.Delete || !slices.Equal(c.Risks, []plan.Risk{plan.DropsData}) || !slices.Equal(c.Services, []string{"s"}) {
		t.Errorf("view %+v", c)
	}
}

// A window without a bound needs every event that there ever was; a type that
// changes breaks readers.
func TestAnUnboundedWindowNeedsAllHistory(t *testing.T) {
	after := load(t, strings.Replace(base, "{name: n, agg: count, windows: [1h, 24h]}",
		"{name: n, agg: count, windows: [1h, lifetime]}, {name: n_24h, agg: count, window: {series: {window: 1h, step: 1h, count: 24}}}", 1))
	c := find(t, plan.Make(1, load(t, base), after), "spend")
	want := []plan.Risk{plan.ChangesMeaning, plan.NeedsBackfill, plan.NeedsAllHistory, plan.BreaksReaders}
	if !slices.Equal(c.Risks, want) || !slices.Equal(c.Details, []string{"+ n_lifetime int64", "~ n_24h int64 -> list<int64>"}) {
		t.Errorf("view %+v", c)
	}
	if c := find(t, plan.Make(0, nil, after), "spend"); !slices.Equal(c.Risks, []plan.Risk{plan.NeedsAllHistory}) {
		t.Errorf("created view %+v", c)
	}
}

// What the source reads of a record is what history keeps of it: fields that come, go or
// change their type are not in what came before, or comes now.
func TestFieldsThatHistoryLacks(t *testing.T) {
	changed := func(from, to string) plan.Change {
		t.Helper()
		if !strings.Contains(base, from) {
			t.Fatalf("%q is not in the definitions", from)
		}
		return find(t, plan.Make(1, load(t, base), load(t, strings.Replace(base, from, to, 1))), "orders")
	}
	for _, test := range []struct {
		from, to string
		details  []string
	}{
		{"amount: double}", "amount: double, kind: string}", []string{"+ kind string: events at rest get it from the topic"}},
		{", amount: double}", "}", []string{"- amount double: events come to rest without it"}},
		{"amount: double}", "amount: int64}", []string{"+ amount int64: events at rest keep what was read under this name", "- amount double: events come to rest with the other one"}},
	} {
		c := changed(test.from, test.to)
		if !slices.Equal(c.Risks, []plan.Risk{plan.ChangesMeaning, plan.LacksHistory}) || len(c.Details) != len(test.details) {
			t.Fatalf("%+v", c)
		}
		for i, want := range test.details {
			if !strings.HasPrefix(c.Details[i], want) {
				t.Errorf("%q, want %q", c.Details[i], want)
			}
		}
	}
}

// A version that computes or stores otherwise gives each view another hash: what is
// held under others only is built anew, and what is held under this one is not.
func TestAnotherVersionBuildsAnew(t *testing.T) {
	desired := load(t, base)
	others := map[string][]codec.Hash{"spend": {{1}, {2}}, "person": {{1}, plan.Targets(desired)["person"]}}
	p := plan.Make(1, load(t, base), desired)
	p.Anew(desired, others, nil)
	c := find(t, p, "spend")
	if len(p.Changes) != 1 || c.Action != plan.Replace || !slices.Equal(c.Risks, []plan.Risk{plan.NeedsBackfill}) || !slices.Equal(c.Services, []string{"s"}) {
		t.Errorf("changes %+v", p.Changes)
	}
	owner := load(t, strings.Replace(base, "name: spend\n", "name: spend\nowner: me\n", 1))
	p = plan.Make(1, load(t, base), owner)
	p.Anew(owner, others, nil)
	if c := find(t, p, "spend"); len(p.Changes) != 1 || c.Action != plan.Replace {
		t.Errorf("with an owner: changes %+v", p.Changes)
	}
	p = plan.Make(0, nil, desired)
	created := len(p.Changes)
	if p.Anew(desired, nil, nil); len(p.Changes) != created {
		t.Errorf("of what was never applied: changes %+v", p.Changes)
	}
}
