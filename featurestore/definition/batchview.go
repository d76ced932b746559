package definition

func batchViewShape() *shape {
	s := object("a batch view",
		field{key: "entity", shape: nameShape(), need: true, doc: "write entity: NAME"},
		field{key: "source", shape: nameShape(), need: true, doc: "write source: NAME"},
		field{key: "keys", shape: keysShape(), doc: "Where the entity's keys come from: a column or an expression for each."},
		field{key: "ttl", shape: lengthShape(), doc: "How long a latest value is good."},
		field{key: "schedule", shape: checkedText("hourly, daily or a cron expression", "", func(text string) error {
			_, err := ParseSchedule(text)
			return err
		}), doc: "When runs are due, in UTC: hourly, daily, or five fields of cron."},
		field{key: "features", shape: listOf(featureShape(), 1), need: true, doc: "write features: [{name: seats, type: int64}]"},
		field{key: "tile", shape: wordShape("tile", tileSteps(), nil), doc: "The step of the windows' start edge."})
	s.doc = "Features of a warehouse table: the latest row of each entity, and aggregates of its rows."
	return s
}

func (l *loader) buildBatchView(d *document) {
	n := d.node
	v := &BatchView{Meta: d.meta, TTL: durationOf(n.get("ttl"), 0)}
	before := l.problems.Errors()
	if s := n.get("schedule"); s != nil {
		v.Schedule, _ = ParseSchedule(s.text) // checked by its shape
	}
	if entity := l.find(n.get("entity"), spaceEntity, kindEntity); entity != nil && !entity.partial {
		v.Entity = entity.entity
	}
	source := l.find(n.get("source"), spaceSource, kindBatchSource)
	if source != nil {
		v.Source = source.batch
		if v.Entity != nil && !source.fieldsBroken() {
			l.checkKeyNames(n, v.Entity)
			for _, key := range v.Entity.Keys {
				if p := l.keyProgram(n, n.get("keys").get(key.Name), key, v.Source.Name, v.Source.Fields); p != nil {
					v.Keys = append(v.Keys, p)
				}
			}
		}
	}
	b := newBatchBuilder(l, d, v, source)
	b.build()
	d.partial = d.partial || l.problems.Errors() > before
	d.batchView = v
	if !d.partial && b.in.usable && len(b.features) > 0 { // as a stream view's: without its source there is nothing to plan over
		b.plan()
	}
	l.project.BatchViews = append(l.project.BatchViews, v)
}
