// Package plan compares two sets of definitions and says, as typed changes, what
// applying the second would do: what is new, what changes its meaning, what is
// lost, and which services feel it. It is pure: it reads and writes nothing.
package plan

import (
	"bytes"
	"slices"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
)

// Action is what happens to one definition.
type Action string

// Actions. Update keeps every value (owner, description, tags); Replace changes
// the meaning and makes a new generation, or new answers.
const (
	Create  Action = "create"
	Update  Action = "update"
	Replace Action = "replace"
	Delete  Action = "delete"
)

// Risk is what a person should look at before applying.
type Risk string

// Risks.
const (
	NeedsBackfill   Risk = "needs_backfill"    // a new generation is filled from history beside the old
	NeedsAllHistory Risk = "needs_all_history" // a window without a bound is right only from the first event on
	LacksHistory    Risk = "lacks_history"     // events at rest were kept without a field that the source has, or will be: it must be read again from the topic
	ChangesMeaning  Risk = "changes_meaning"   // the same name gives other values than before
	DropsData       Risk = "drops_data"        // stored values are given up
	BreaksReaders   Risk = "breaks_readers"    // a column that was served is gone or has another type
)

// Change is one typed change.
type Change struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Action   Action   `json:"action"`
	Risks    []Risk   `json:"risks,omitempty"`
	Details  []string `json:"details,omitempty"`
	Services []string `json:"services,omitempty"`
}

// Plan is the list of changes from Base to the desired definitions, in an order
// that reads well: by kind, then name.
type Plan struct {
	Base    int64    `json:"base"`
	Changes []Change `json:"changes"`
}

// Empty reports whether applying would change nothing.
func (p *Plan) Empty() bool { return len(p.Changes) == 0 }

// object is a definition as the comparison sees it.
type object struct {
	kind, name string
	meaning    []byte // equal bytes: equal values
	rest       []byte // equal bytes: nothing at all changed
	stored     bool   // holds values in the online store
	unbounded  bool   // a window of it may reach back to the first event
	columns    []column
	fields     []column // of a stream source
	services   []string
}

type column struct{ name, typ string }

// Make compares applied (nil: nothing was applied yet) with desired. base is
// the number of the applied revision.
func Make(base int64, applied, desired *definition.Project) *Plan {
	before, after := objects(applied), objects(desired)
	p := &Plan{Base: base, Changes: []Change{}}
	for key, a := range after {
		b, found := before[key]
		switch {
		case !found:
			c := Change{Kind: a.kind, Name: a.name, Action: Create, Services: a.services}
			if a.unbounded {
				c.Risks = append(c.Risks, NeedsAllHistory)
			}
			p.Changes = append(p.Changes, c)
		case !bytes.Equal(a.meaning, b.meaning):
			p.Changes = append(p.Changes, replaced(b, a))
		case !bytes.Equal(a.rest, b.rest):
			p.Changes = append(p.Changes, Change{Kind: a.kind, Name: a.name, Action: Update, Services: a.services})
		}
	}
	for key, b := range before {
		if _, found := after[key]; !found {
			p.Changes = append(p.Changes, deleted(b))
		}
	}
	p.sort()
	return p
}

func replaced(b, a object) Change {
	c := Change{Kind: a.kind, Name: a.name, Action: Replace, Services: a.services, Risks: []Risk{ChangesMeaning}}
	if a.stored {
		c.Risks = append(c.Risks, NeedsBackfill)
	}
	if a.unbounded {
		c.Risks = append(c.Risks, NeedsAllHistory)
	}
	gone, details := compareColumns(b.columns, a.columns)
	if gone {
		c.Risks = append(c.Risks, BreaksReaders)
	}
	c.Details = details
	if lacks, details := compareFields(b.fields, a.fields); lacks {
		c.Risks, c.Details = append(c.Risks, LacksHistory), append(c.Details, details...)
	}
	return c
}

// compareFields lists the fields of a stream source that come and go: an event comes to
// rest with those that the newest definition has then. What a view needs besides is
// read again from the topic, by name, before a generation is built; what has expired
// there stays null, and what stands under the name already stays as it is.
func compareFields(before, after []column) (lacks bool, details []string) {
	named := func(list []column, name string) bool {
		return slices.ContainsFunc(list, func(c column) bool { return c.name == name })
	}
	for _, f := range after {
		switch {
		case slices.Contains(before, f):
		case named(before, f.name):
			details = append(details, "+ "+f.name+" "+f.typ+": events at rest keep what was read under this name before; it is not read again")
		default:
			details = append(details, "+ "+f.name+" "+f.typ+": events at rest get it from the topic once a view needs it; it is null where their records have expired there")
		}
	}
	for _, f := range before {
		switch {
		case slices.Contains(after, f):
		case named(after, f.name):
			details = append(details, "- "+f.name+" "+f.typ+": events come to rest with the other one from now on")
		default:
			details = append(details, "- "+f.name+" "+f.typ+": events come to rest without it from now on; a later definition that reads it again gets it from the topic, as far as that goes back then")
		}
	}
	return len(details) > 0, details
}

func deleted(b object) Change {
	c := Change{Kind: b.kind, Name: b.name, Action: Delete, Services: b.services}
	if b.stored {
		c.Risks = append(c.Risks, DropsData)
	}
	if b.kind == "FeatureService" {
		c.Risks = append(c.Risks, BreaksReaders)
	}
	return c
}

// compareColumns lists added, removed and retyped columns; gone says that a
// reader of the old columns would miss one.
func compareColumns(before, after []column) (gone bool, details []string) {
	old, now := map[string]string{}, map[string]string{}
	for _, c := range before {
		old[c.name] = c.typ
	}
	for _, c := range after {
		now[c.name] = c.typ
		switch was, found := old[c.name]; {
		case !found:
			details = append(details, "+ "+c.name+" "+c.typ)
		case was != c.typ:
			gone = true
			details = append(details, "~ "+c.name+" "+was+" -> "+c.typ)
		}
	}
	for _, c := range before {
		if _, found := now[c.name]; !found {
			gone = true
			details = append(details, "- "+c.name+" "+c.typ)
		}
	}
	return gone, details
}

// Targets are the views that hold values in the online store, with the hash
// under which they hold them.
func Targets(p *definition.Project) map[string]codec.Hash {
	targets := map[string]codec.Hash{}
	for _, v := range p.StreamViews {
		targets[v.Name] = v.Hash
	}
	for _, v := range p.BatchViews {
		targets[v.Name] = v.Hash
	}
	return targets
}
