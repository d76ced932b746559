package definition

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

func testShape() *shape {
	events := anyOf("a list of events, or the path of a jsonl file", listOf(&shape{is: "a mapping", form: formObject, elem: anyShape()}, 0), globShape())
	expect := object("an expectation",
		field{key: "at", shape: instantShape(), need: true, doc: "write at: \"2013-01-01T12:00:00Z\""},
		field{key: "keys", shape: dictOf(nameShape(), anyShape(), 1), need: true, doc: "write keys: {entity key: value}"},
		field{key: "request", shape: dictOf(nameShape(), anyShape(), 0), doc: "Request data of on-demand views."},
		field{key: "values", shape: dictOf(nil, anyShape(), 1), need: true, doc: "write values: {feature: value}"})
	s := object("a test",
		field{key: "view", shape: nameShape(), doc: "write view: NAME, or service: NAME"},
		field{key: "service", shape: nameShape(), doc: "The service that is looked up."},
		field{key: "events", shape: dictOf(nameShape(), events, 0), need: true, doc: "write events: {source: [{field: value}]}"},
		field{key: "expect", shape: listOf(expect, 1), need: true, doc: "write expect: [{at: TIME, keys: {...}, values: {...}}]"})
	s.oneOf = [][]string{{"view", "service"}}
	s.doc = "Events in, expected values out."
	return s
}

func instantShape() *shape {
	return &shape{is: "a time, as \"2013-01-01T12:00:00Z\"", form: formScalar, tags: []string{tagString, tagTimestamp}, check: func(text string) error {
		_, err := featurestore.ParseInstant(text)
		return err
	}}
}

// testTarget is what a test looks up, as one table of names and types.
type testTarget struct {
	what    string
	keys    []Field
	request []Field
	columns []Field
	sources map[string]bool
	partial bool
}

func (l *loader) buildTest(d *document) {
	n := d.node
	t := &Test{Meta: d.meta, View: n.get("view").value(), Service: n.get("service").value()}
	target := l.testTarget(n)
	for k, v := range n.get("events").pairs() {
		t.Events = append(t.Events, l.testEvents(k, v, target))
	}
	for _, e := range n.get("expect").list() {
		t.Expect = append(t.Expect, l.expectation(e, target))
	}
	l.project.Tests = append(l.project.Tests, t)
}

// testTarget resolves view or service; nil where it is broken.
func (l *loader) testTarget(n *node) *testTarget {
	t := &testTarget{sources: map[string]bool{}}
	if ref := n.get("service"); ref != nil {
		d := l.find(ref, spaceService, kindFeatureService)
		if d == nil || d.service == nil {
			return nil
		}
		t.what, t.partial = fmt.Sprintf("service %q", ref.text), d.partial
		t.keys, t.request = d.service.Entities, d.service.Request
		for _, c := range d.service.Columns {
			t.columns = append(t.columns, Field{Name: c.Name, Type: c.Type})
		}
		for _, r := range d.service.Roles {
			l.names[spaceView+"/"+r.View].sourcesInto(t.sources)
		}
		return t
	}
	ref := n.get("view")
	if ref == nil {
		return nil
	}
	if d := l.names[spaceView+"/"+ref.text]; d != nil && d.kind == kindOnDemandView {
		l.problem(ref, "write service: NAME of a service that has it", "an on-demand view is tested through a service")
		return nil
	}
	d := l.find(ref, spaceView, kindStreamView, kindBatchView)
	if d == nil || d.entityOf() == nil {
		return nil
	}
	t.what, t.partial = fmt.Sprintf("view %q", ref.text), d.partial
	t.keys, t.columns = d.entityOf().Keys, d.columns
	d.sourcesInto(t.sources)
	return t
}

// sourcesInto adds the names of a view's sources.
func (d *document) sourcesInto(set map[string]bool) {
	switch {
	case d == nil:
	case d.view != nil:
		for _, b := range d.view.Bindings {
			set[b.Source.Name] = true
		}
	case d.batchView != nil && d.batchView.Source != nil:
		set[d.batchView.Source.Name] = true
	}
}

func (l *loader) testEvents(k, v *node, target *testTarget) TestEvents {
	events := TestEvents{Source: k.text}
	source := l.find(k, spaceSource, kindStreamSource, kindBatchSource)
	if source != nil && target != nil && !target.partial && !target.sources[k.text] {
		var known []string
		for name := range target.sources {
			known = append(known, name)
		}
		l.problem(k, suggest(k.text, known, "remove its events"), "%s does not read source %q", target.what, k.text)
	}
	if v.form == formScalar {
		events.File = v.text
		return events
	}
	for _, item := range v.list() {
		if raw, ok := l.testEvent(item, source); ok {
			events.JSON = append(events.JSON, raw)
		}
	}
	return events
}

// testEvent writes an event as the JSON object that a topic would hold. Its
// fields are checked against the source's.
func (l *loader) testEvent(n *node, source *document) ([]byte, bool) {
	if source == nil || source.fieldsBroken() {
		return nil, false
	}
	fields, times := source.recordFields()
	out, ok := []byte{'{'}, true
	for k, v := range n.pairs() {
		var value []byte
		i := fieldIndex(fields, k.text)
		switch {
		case times[k.text]:
			value = timeJSON(v)
		case i < 0:
			l.problem(k, suggest(k.text, names(fields), "its fields are "+list(names(fields))), "source %q has no field %q", source.meta.Name, k.text)
		default:
			if typed, fits := l.literal(v, fields[i].Type, k.text); fits {
				value = valueJSON(typed, fields[i].Type)
			}
		}
		if value == nil {
			ok = false
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, textJSON(k.text)...), ':'), value...)
	}
	if at := source.timeField(); at != "" && !n.has(at) {
		l.problem(n, fmt.Sprintf("write %s: TIME", at), "the event has no %q, which is its time", at)
		ok = false
	}
	return append(out, '}'), ok
}

// recordFields are the fields that a record of a source may have, and which of
// them are read as times.
func (d *document) recordFields() (fields []Field, times map[string]bool) {
	times = map[string]bool{}
	add := func(t *TimeSpec) {
		if t != nil && t.Origin == TimeField && t.Name != "" {
			times[t.Name] = true
			if fieldIndex(fields, t.Name) < 0 {
				fields = append(fields, Field{Name: t.Name, Type: featurestore.Timestamp})
			}
		}
	}
	if d.stream != nil {
		fields = append(fields, d.stream.Fields...)
		add(&d.stream.Timestamp)
		if d.stream.History != nil {
			add(d.stream.History.AvailableAt)
		}
	} else if d.batch != nil {
		fields = append(fields, d.batch.Fields...)
		add(&d.batch.Timestamp)
		add(d.batch.AvailableAt)
	}
	return fields, times
}

// timeField is the field that holds the time of a source's records, "" where
// it is not a field.
func (d *document) timeField() string {
	switch {
	case d.stream != nil && d.stream.Timestamp.Origin == TimeField:
		return d.stream.Timestamp.Name
	case d.batch != nil:
		return d.batch.Timestamp.Name
	}
	return ""
}

func (l *loader) expectation(n *node, target *testTarget) Expectation {
	e := Expectation{Place: n.place(), Keys: map[string]featurestore.Value{}, Request: map[string]featurestore.Value{}}
	e.At, _ = featurestore.ParseInstant(n.get("at").value()) // checked by its shape
	if target == nil {
		return e
	}
	l.testInputs(n, "keys", target.keys, e.Keys, target)
	l.testInputs(n, "request", target.request, e.Request, target)
	for k, v := range n.get("values").pairs() {
		i := fieldIndex(target.columns, k.text)
		if i < 0 {
			if !target.partial {
				l.problem(k, suggest(k.text, names(target.columns), "its features are "+list(names(target.columns))), "%s has no feature %s", target.what, quoted(k.text))
			}
			continue
		}
		if t := target.columns[i].Type; t.Kind != featurestore.KindNull { // else the feature is broken
			e.Values = append(e.Values, l.expectedValue(k, v, t))
		}
	}
	return e
}

// testInputs reads keys or request data, all of which must be given.
func (l *loader) testInputs(n *node, what string, want []Field, into map[string]featurestore.Value, target *testTarget) {
	given := n.get(what)
	for k, v := range given.pairs() {
		i := fieldIndex(want, k.text)
		if i < 0 {
			if !target.partial {
				l.problem(k, suggest(k.text, names(want), "remove it"), "%s takes no %q in %s", target.what, k.text, what)
			}
			continue
		}
		if value, fits := l.literal(v, want[i].Type, k.text); fits {
			into[k.text] = value
		}
	}
	if target.partial || given == nil && n.has(what) {
		return
	}
	for _, f := range want {
		if given == nil || !given.has(f.Name) {
			at := n
			if given != nil {
				at = n.key(what)
			}
			l.problem(at, fmt.Sprintf("write %s: {%s: VALUE}", what, f.Name), "%s needs %q in %s", target.what, f.Name, what)
		}
	}
}
