package decode

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/schema"
	"github.com/freshet/freshet/ingest/logrecord"
)

// debeziumAvro reads changes in Avro: all written with one schema, or each with
// one of the registry, where it may be JSON as well.
type debeziumAvro struct {
	d      *Decoder
	json   *debeziumJSON
	tree   *node
	plan   *changePlan // nil: each record names its schema
	plans  registered[*changePlan]
	reader avroReader

	aboutSlots []slot
	aboutRow   [aboutCount]featurestore.Value
	about      image
}

// changePlan is how the records of a schema are read.
type changePlan struct {
	avroPlan
	flat bool
	json bool // its records are JSON
}

// The reader's targets: what is said of the change, and the rows.
const (
	intoAbout = iota
	intoBefore
	intoAfter
)

// What is said of a change, by slot of the target intoAbout.
const (
	aboutOp = iota
	aboutSourceTime
	aboutTime
	aboutDeleted
	aboutCount
)

func aboutChange() []slot {
	return []slot{
		{name: memberOp, typ: featurestore.String}, {name: "source.ts_ms", typ: featurestore.Int64},
		{name: memberTime, typ: featurestore.Int64}, {name: flatDeleted, typ: featurestore.String},
	}
}

func newDebeziumAvro(d *Decoder, json *debeziumJSON) (*debeziumAvro, error) {
	f := &debeziumAvro{d: d, json: json, aboutSlots: aboutChange()}
	f.tree, _, _ = newTree(d.paths()) // the same paths passed for JSON
	f.plans = registered[*changePlan]{d: d, compile: func(s *logrecord.Schema, _ string) (*changePlan, *Error) {
		if s.Kind == logrecord.JSONSchema {
			return &changePlan{json: true}, nil
		}
		root, err := parseAvro(s)
		if err != nil {
			return nil, err
		}
		return f.compile(root)
	}}
	switch ref := d.source.Schema; {
	case ref.File != "" && ref.Avro == nil:
		return nil, featurestore.Invalidf("source %q: Debezium's records are JSON or Avro: name an Avro schema or a subject", d.source.Name)
	case ref.Avro != nil:
		plan, err := f.compile(ref.Avro)
		if err != nil {
			return nil, featurestore.Invalidf("source %q: %v", d.source.Name, err)
		}
		f.plan = plan
	}
	return f, nil
}

// compile plans an envelope or, where there is none, a flattened row.
func (f *debeziumAvro) compile(root *schema.Avro) (*changePlan, *Error) {
	if root.Kind != schema.Record {
		return nil, &Error{Code: CodeSchema, Message: "the schema is " + root.Kind.String() + ", not a record"}
	}
	if root.Step(memberOp) == nil || root.Step(memberAfter) == nil || root.Step(memberBefore) == nil {
		return f.compileFlat(root)
	}
	plan := &changePlan{}
	for i := range root.Fields {
		field := &root.Fields[i]
		step := avroStep{typ: field.Type, slot: -1}
		switch field.Name {
		case memberBefore, memberAfter:
			r := field.Type.TheRecord()
			if r == nil {
				return nil, &Error{Code: CodeSchema, Message: "the schema's " + field.Name + " is not one record"}
			}
			sub, err := f.d.planAvro(f.tree, r)
			if err != nil {
				return nil, err
			}
			step.sub, step.into = sub, intoBefore
			if field.Name == memberAfter {
				step.into = intoAfter
			}
		case memberSource:
			if r := field.Type.TheRecord(); r != nil {
				step.sub = aboutPlan(r, map[string]int{memberTime: aboutSourceTime})
			}
		case memberOp:
			step.slot = aboutOp
		case memberTime:
			step.slot = aboutTime
		}
		plan.steps = append(plan.steps, step)
	}
	return plan, nil
}

// aboutPlan reads some fields of a record into slots.
func aboutPlan(r *schema.Avro, slots map[string]int) *avroPlan {
	p := &avroPlan{}
	for i := range r.Fields {
		step := avroStep{typ: r.Fields[i].Type, slot: -1}
		if slot, ok := slots[r.Fields[i].Name]; ok {
			step.slot = slot
		}
		p.steps = append(p.steps, step)
	}
	return p
}

// compileFlat plans a row with what the transform added: two readings of one
// record, first of what is said of the change.
func (f *debeziumAvro) compileFlat(root *schema.Avro) (*changePlan, *Error) {
	row, err := f.d.planAvro(f.tree, root)
	if err != nil {
		return nil, err
	}
	about := aboutPlan(root, map[string]int{flatOp: aboutOp, flatSourceTime: aboutSourceTime, flatTime: aboutTime, flatDeleted: aboutDeleted})
	whole := func(p *avroPlan, into int) avroStep { return avroStep{typ: root, slot: -1, sub: p, into: into} }
	return &changePlan{flat: true, avroPlan: avroPlan{steps: []avroStep{whole(about, intoAbout), whole(row, intoAfter)}}}, nil
}

func (f *debeziumAvro) read(rec *logrecord.Record, times *timeReader, b *Batch, c *content) error {
	plan, value := f.plan, rec.Value
	if plan == nil {
		fr, bad := frameOf(rec)
		if bad != nil {
			return bad
		}
		var err error
		if plan, err = f.plans.of(fr.id, ""); err != nil {
			return err
		}
		value = fr.value()
	}
	if plan.json {
		bare := *rec
		bare.Value = value
		return f.json.read(&bare, times, b, c)
	}
	r := &f.reader
	r.begin(f.d, value, times, b)
	before, after := c.add(b, len(f.d.slots), featurestore.Retracted), c.add(b, len(f.d.slots), featurestore.Added)
	clear(f.aboutRow[:])
	f.about = image{row: f.aboutRow[:]}
	r.targets = [...]target{
		intoAbout:  {slots: f.aboutSlots, timeSlot: -1, image: &f.about},
		intoBefore: {slots: f.d.slots, timeSlot: f.d.timeSlot, image: before},
		intoAfter:  {slots: f.d.slots, timeSlot: f.d.timeSlot, image: after},
	}
	r.to = &r.targets[intoAbout]
	for i := range plan.steps {
		if plan.flat {
			r.pos = 0
			r.nested(&plan.steps[i], 0)
		}
	}
	if !plan.flat {
		r.record(&plan.avroPlan, 1)
	}
	if err := r.end(b); err != nil {
		return err
	}
	ch := f.change(plan)
	if err := f.d.settle(&ch, c); err != nil {
		return err
	}
	return nil
}

func (f *debeziumAvro) change(plan *changePlan) change {
	ch := change{op: f.aboutRow[aboutOp].Str(), flat: plan.flat, before: f.reader.targets[intoBefore].there, after: f.reader.targets[intoAfter].there}
	for _, i := range []int{aboutSourceTime, aboutTime} {
		if v := f.aboutRow[i]; !v.IsNull() && !ch.timed {
			ch.at, ch.timed = v.Int64(), true
		}
	}
	if f.aboutRow[aboutDeleted].Str() == "true" {
		ch.op = "d"
	}
	return ch
}
