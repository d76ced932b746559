package definition

import "github.com/freshet/freshet/transforms/agg"

func featureShape() *shape {
	return object("a feature",
		field{key: "name", shape: variableShape(), need: true, doc: "write {name: events, agg: count, window: 1h}"},
		field{key: "agg", shape: aggregateShape(), doc: "An aggregate, as avg(x); without it the feature is the latest value."},
		field{key: "window", shape: windowShape(), doc: "The window of the aggregate, as 24h."},
		field{key: "windows", shape: listOf(windowShape(), 1), doc: "write windows: [1h, 24h]; each is appended to the name"},
		field{key: "offset", shape: durationShape(), doc: "How far back the window ends."},
		field{key: "where", shape: expressionShape(), doc: "Which events count for this feature."},
		field{key: "by", shape: nameShape(), doc: "A map: a value for each value of a field."},
		field{key: "max_keys", shape: wholeShape(1, agg.MaxMaxKeys), doc: "How many keys by keeps; 100."},
		field{key: "exact", shape: boolShape(), doc: "true: an exact start edge."},
		field{key: "max_rows", shape: wholeShape(1, maxExactRows), doc: "How many rows an exact window keeps; 1000."},
		field{key: "default", shape: anyShape(), doc: "What stands for null."},
		field{key: "empty", shape: nullShape(), doc: "write null: the sum of nothing is then null, as in SQL"},
		field{key: "nulls", shape: wordShape("nulls", []string{"respect"}, nil), doc: "respect: first and last take nulls too."},
		field{key: "type", shape: typeShape(), doc: "The type of a latest value."},
		field{key: "column", shape: nameShape(), doc: "The field of a latest value; by default that of its name."},
		field{key: "expr", shape: expressionShape(), doc: "The expression of a latest value."})
}

func aggregateShape() *shape {
	s := filledTextShape("an aggregate, as avg(x)")
	s.hint = func(string) string { return "write it as count or avg(x)" }
	return s
}

func windowShape() *shape {
	length := durationShape()
	length.is, length.words = "a duration, as 24h", []string{wordLifetime}
	need := func(key string, s *shape, way string) field {
		return field{key: key, shape: s, need: true, doc: "write " + way}
	}
	one := func(key string, s *shape, way string) *shape { return object("a window", need(key, s, way)) }
	const session, hopping = "{session: {gap: 30m}}", "{hopping: {size: 1h, step: 10m}}"
	const calendar, series = "{calendar: {unit: day, zone: UTC}}", "{series: {window: 1h, step: 1h, count: 24}}"
	return anyOf("a duration, lifetime, or one of {rows}, {session}, {tumbling}, {hopping}, {calendar}, {series}", length,
		one(wordRows, wholeShape(1, maxRows), "{rows: 20}"),
		one(wordSession, object("a mapping of gap", need("gap", durationShape(), session)), session),
		one(wordTumbling, durationShape(), "{tumbling: 1h}"),
		one(wordHopping, object("a mapping of size and step", need("size", durationShape(), hopping), need("step", durationShape(), hopping)), hopping),
		one(wordCalendar, object("a mapping of unit, zone and complete",
			need("unit", wordShape("unit", []string{"day", "week", "month"}, nil), calendar), need("zone", zoneShape(), calendar),
			field{key: "complete", shape: boolShape(), doc: "true: the last complete one."}), calendar),
		one(wordSeries, object("a mapping of window, step and count", need("window", durationShape(), series), need("step", durationShape(), series),
			need("count", wholeShape(1, maxSeries), series)), series))
}
