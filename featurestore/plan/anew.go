package plan

import (
	"cmp"
	"slices"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/definition"
)

// Anew adds the views that mean what they did, and whose values this version of
// freshet computes or stores otherwise than the one that applied them: held are the
// hashes under which the generations in use hold each view. They are built anew
// beside the old ones. So are those that an older revision's meaning answers for,
// where nothing holds theirs: older says which that is.
func (p *Plan) Anew(desired *definition.Project, held map[string][]codec.Hash, older map[string]string) {
	after := objects(desired)
	for view, hash := range Targets(desired) {
		if have := held[view]; len(have) == 0 || slices.Contains(have, hash) {
			continue
		}
		for _, a := range after {
			if a.name == view && a.stored {
				p.anew(a, older[view])
			}
		}
	}
	p.sort()
}

// anew makes one of them a change, where it is not replaced for what it means.
func (p *Plan) anew(a object, why string) {
	c := Change{Kind: a.kind, Name: a.name, Action: Replace, Services: a.services, Risks: []Risk{NeedsBackfill}}
	if a.unbounded {
		c.Risks = append(c.Risks, NeedsAllHistory)
	}
	c.Details = []string{cmp.Or(why, "another version of freshet holds its values, in another form")}
	i := slices.IndexFunc(p.Changes, func(x Change) bool { return x.Kind == a.kind && x.Name == a.name })
	switch {
	case i < 0:
		p.Changes = append(p.Changes, c)
	case p.Changes[i].Action == Update:
		p.Changes[i] = c
	}
}

func (p *Plan) sort() {
	slices.SortFunc(p.Changes, func(x, y Change) int {
		return cmp.Or(cmp.Compare(kindRank(x.Kind), kindRank(y.Kind)), cmp.Compare(x.Name, y.Name))
	})
}
