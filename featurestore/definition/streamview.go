package definition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/window"
)

func streamViewShape() *shape {
	s := object("a stream view",
		field{key: "entity", shape: nameShape(), need: true, doc: "write entity: NAME"},
		field{key: "source", shape: nameShape(), doc: "write source: NAME"},
		field{key: "sources", shape: listOf(nameShape(), 1), doc: "Several stream sources."},
		field{key: "where", shape: expressionShape(), doc: "Which events count."},
		field{key: "keys", shape: keysShape(), doc: "Where the entity's keys come from: a field or an expression for each; by default the field of the key's name."},
		field{key: "features", shape: listOf(featureShape(), 1), need: true, doc: "write features: [{name: events, agg: count, window: 1h}]"},
		field{key: "ttl", shape: lengthShape(), doc: "How long a latest value is good."},
		field{key: "tile", shape: wordShape("tile", tileSteps(), nil), doc: "The step of the windows' start edge."})
	s.oneOf = [][]string{{"source", "sources"}}
	s.doc = "Features of a stream: windows and latest values."
	return s
}

func keysShape() *shape { return dictOf(nameShape(), expressionShape(), 1) }

func tileSteps() []string { return []string{"1s", "10s", "1m", "5m", "1h", "1d"} }

func (l *loader) buildStreamView(d *document) {
	n := d.node
	v := &StreamView{Meta: d.meta, TTL: durationOf(n.get("ttl"), 0)}
	before := l.problems.Errors()
	entity := l.find(n.get("entity"), spaceEntity, kindEntity)
	if entity != nil {
		v.Entity = entity.entity
	}
	sources, complete := l.streamSources(n)
	in := &inputs{l: l, index: map[string]int{}, usable: complete && len(sources) > 0}
	for _, s := range sources {
		in.usable = in.usable && !s.fieldsBroken()
		v.Bindings = append(v.Bindings, Binding{Source: s.stream})
	}
	in.bindings = v.Bindings
	if entity != nil && !entity.partial && in.usable {
		l.bindKeys(n, entity.entity, in)
	}
	if where := n.get("where"); where != nil && in.usable {
		for i, p := range in.compile(whole(where), featurestore.Bool) {
			v.Bindings[i].Where = p
		}
	}
	l.checkSequences(n, v)
	features := &featureBuilder{l: l, d: d, in: in}
	features.build()
	v.Features = features.features
	d.partial = d.partial || l.problems.Errors() > before
	d.view = v
	if !d.partial && in.usable { // else the types of some inputs are not known
		v.Plan = l.compilePlan(d, v.Config(), features.at)
	}
	l.project.StreamViews = append(l.project.StreamViews, v)
}

// streamSources resolves source or sources, ascending by name.
func (l *loader) streamSources(n *node) (sources []*document, complete bool) {
	refs := n.get("sources").list()
	if one := n.get("source"); one != nil {
		refs = append(refs, one)
	}
	complete = !(n.has("source") && n.get("source") == nil) && !(n.has("sources") && n.get("sources") == nil)
	for _, ref := range refs {
		d := l.find(ref, spaceSource, kindStreamSource)
		switch {
		case d == nil || d.stream == nil:
			complete = false
		case slices.Contains(sources, d):
			l.problem(ref, "name each source once", "source %q is named twice", ref.text)
		default:
			sources = append(sources, d)
		}
	}
	slices.SortFunc(sources, func(a, b *document) int { return strings.Compare(a.meta.Name, b.meta.Name) })
	return sources, complete
}

// inputs are the expressions of a view, compiled once for each source, each kept
// once: two that are the same tree over every source share an index.
type inputs struct {
	l        *loader
	bindings []Binding
	index    map[string]int
	usable   bool // the sources are known well enough to compile
}

// compile compiles over each source; nil where one fails or their types differ.
func (in *inputs) compile(f fragment, want featurestore.Type) []*expr.Program {
	programs := make([]*expr.Program, len(in.bindings))
	for i := range in.bindings {
		source, among := in.bindings[i].Source, ""
		if len(in.bindings) > 1 {
			among = source.Name
		}
		programs[i] = in.l.compile(f, source.Fields, want, among)
		if programs[i] == nil {
			return nil
		}
		if !programs[i].Type().Equal(programs[0].Type()) {
			in.l.problemAt(f.node, extent{f.at, f.at + len(f.text)}, "convert it, as double(x)", "the expression is %s in source %q and %s in source %q",
				programs[0].Type(), in.bindings[0].Source.Name, programs[i].Type(), source.Name)
			return nil
		}
	}
	return programs
}

// add gives the index and type of an expression among the inputs.
func (in *inputs) add(f fragment, want featurestore.Type) (index int, t featurestore.Type, ok bool) {
	if !in.usable {
		return -1, t, false
	}
	programs := in.compile(f, want)
	if programs == nil {
		return -1, t, false
	}
	var key strings.Builder
	for _, p := range programs {
		fmt.Fprintf(&key, "%s %q ", p.Type(), p.Canonical())
	}
	index, found := in.index[key.String()]
	if !found {
		index = len(in.index)
		in.index[key.String()] = index
		for i, p := range programs {
			in.bindings[i].Inputs = append(in.bindings[i].Inputs, p)
		}
	}
	return index, programs[0].Type(), true
}

// bindKeys compiles the entity's keys over each source.
func (l *loader) bindKeys(n *node, e *Entity, in *inputs) {
	l.checkKeyNames(n, e)
	for _, key := range e.Keys {
		given := n.get("keys").get(key.Name)
		for i := range in.bindings {
			b := &in.bindings[i]
			if p := l.keyProgram(n, given, key, b.Source.Name, b.Source.Fields); p != nil {
				b.Keys = append(b.Keys, p)
			}
		}
	}
}

// checkKeyNames reports keys of a view that its entity does not have.
func (l *loader) checkKeyNames(n *node, e *Entity) {
	for k := range n.get("keys").pairs() {
		if fieldIndex(e.Keys, k.text) < 0 {
			l.problem(k, suggest(k.text, names(e.Keys), "its keys are "+list(names(e.Keys))), "entity %q has no key %q", e.Name, k.text)
		}
	}
}

// keyProgram is one key of an entity over a source: what the view's keys say,
// else the field of the key's name.
func (l *loader) keyProgram(n, given *node, key Field, source string, fields []Field) *expr.Program {
	if given == nil && n.get("keys") == nil && n.has("keys") {
		return nil
	}
	if given != nil {
		return l.compile(whole(given), fields, key.Type, "")
	}
	at, i := n.get("entity"), fieldIndex(fields, key.Name)
	hint := fmt.Sprintf("write keys: {%s: FIELD or expression}", key.Name)
	switch {
	case i < 0:
		l.problem(at, hint, "source %q has no field %q for the key of entity %q", source, key.Name, at.text)
		return nil
	case !fields[i].Type.Equal(key.Type):
		l.problem(at, hint, "field %q of source %q is %s, and the key of entity %q is %s", key.Name, source, fields[i].Type, at.text, key.Type)
		return nil
	}
	return l.compile(fragment{node: at, text: key.Name}, fields, key.Type, "")
}

// checkSequences demands that sources of one view order their events alike.
func (l *loader) checkSequences(n *node, v *StreamView) {
	sequence := func(s *StreamSource) string {
		if s.Sequence < 0 {
			return "none"
		}
		return s.Fields[s.Sequence].Type.String()
	}
	for i := 1; i < len(v.Bindings); i++ {
		a, b := v.Bindings[0].Source, v.Bindings[i].Source
		if sequence(a) != "none" && sequence(b) != "none" && sequence(a) != sequence(b) {
			l.problem(n.key("sources"), "declare sequences of one type", "the sequence of source %q is %s and that of source %q is %s", a.Name, sequence(a), b.Name, sequence(b))
		}
	}
}

// compilePlan compiles a view for the engine, and takes its tiles, which are a
// part of the view's meaning, into the features. at is where each feature stands.
func (l *loader) compilePlan(d *document, c window.Config, at []*node) *window.Plan {
	plan, err := window.Compile(c)
	if err != nil {
		l.refused(d, c, at, err)
		return nil
	}
	for i, f := range plan.Features() {
		c.Features[i].Tile = f.Tile
		if f.Kind == window.Lifetime && plan.Rebuilds() {
			l.warn(at[i], "put what is subtracted (count, sum, avg, var, stddev, skew, kurtosis) into a view of its own, or choose a window that ends",
				"changes take rows back, and this view cannot subtract them: it keeps the newest %d rows of an entity, and a lifetime that had more is APPROXIMATE", window.MostNetRows)
		}
	}
	return plan
}

// Config is what the view's plan is compiled from, and what an oracle judges by.
func (v *StreamView) Config() window.Config {
	c := window.Config{Features: v.Features, TTL: v.TTL}
	for _, b := range v.Bindings {
		c.Sources = append(c.Sources, window.SourceRule{AllowedLateness: b.Source.AllowedLateness, HasEventID: b.Source.EventID >= 0, Changes: b.Source.Changes()})
	}
	return c
}

// refused says at which features the engine refuses a view: at those that it
// refuses alone, else at the view.
func (l *loader) refused(d *document, c window.Config, at []*node, whole error) {
	found := false
	for i, f := range c.Features {
		one := c
		one.Features = []window.Feature{f}
		if _, err := window.Compile(one); err != nil {
			message, hint := splitHint(err)
			l.problem(at[i], hint, "%s", strings.TrimPrefix(message, fmt.Sprintf("feature %q: ", f.Name)))
			found = true
		}
	}
	if !found {
		message, hint := splitHint(whole)
		l.problem(d.nameNode, hint, "the engine refuses the view: %s", message)
	}
}
