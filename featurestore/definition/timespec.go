package definition

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/freshet/freshet/featurestore"
)

func timeFormats() []string {
	return []string{"rfc3339", "unix_s", "unix_ms", "unix_us", "native", "layout"}
}

// timestampShape is {field | header | record, format, layout, zone}; files have
// no headers and no record time.
func timestampShape() *shape {
	s := fileTimeShape()
	s.fields[0].shape = timeNameShape()
	s.fields = append(s.fields,
		field{key: "header", shape: filledTextShape("the name of a record's header"), doc: "The record's header that holds the time."},
		field{key: "record", shape: onlyTrueShape(), doc: "The log's own record time."})
	s.fields[0].need = false
	s.oneOf = [][]string{{"field", "header", "record"}}
	return s
}

func fileTimeShape() *shape {
	return object("a mapping of field and format",
		field{key: "field", shape: nameShape(), need: true, doc: "write {field: NAME, format: rfc3339}"},
		field{key: "format", shape: wordShape("a time format", timeFormats(), nil), doc: "The form of the time; it is never guessed."},
		field{key: "layout", shape: checkedText("a layout, as \"2006-01-02 15:04:05\"", "", checkLayout), doc: "With format: layout, how Go writes 2 January 2006, 15:04:05."},
		field{key: "zone", shape: zoneShape(), doc: "The zone of a time without one."})
}

// checkLayout demands that a layout keeps the date and the time to the second.
func checkLayout(layout string) error {
	sample := time.Date(1987, 10, 23, 14, 35, 46, 0, time.UTC)
	got, err := time.Parse(layout, sample.Format(layout))
	if err != nil || got.Year() != sample.Year() || got.YearDay() != sample.YearDay() {
		return fmt.Errorf("layout %q does not hold a date: write how 2 January 2006, 15:04:05 looks, as \"2006-01-02 15:04:05\"", layout)
	}
	if strings.Contains(layout, "MST") {
		return fmt.Errorf("layout %q: zone abbreviations are ambiguous, write an offset (Z07:00) or declare a zone", layout)
	}
	return nil
}

func zoned(layout string) bool {
	return strings.Contains(layout, "Z07") || strings.Contains(layout, "-07")
}

// timeSpec decodes a checked time. native says whether the records have a
// timestamp type of their own.
func (l *loader) timeSpec(n *node, native bool) (TimeSpec, bool) {
	if n == nil {
		return TimeSpec{}, false
	}
	t := TimeSpec{Origin: TimeField, Name: n.get("field").value()}
	switch {
	case n.has("record"):
		return l.recordTime(n)
	case n.has("header"):
		t.Origin, t.Name = TimeHeader, n.get("header").value()
	}
	format := n.get("format")
	if format == nil {
		if !n.has("format") {
			l.problem(n, "write format: "+list(timeFormats()), "a time needs its format: it is never guessed")
		}
		return t, false
	}
	t.Format = TimeFormat(slices.Index(timeFormats(), format.text))
	if zone := n.get("zone"); zone != nil {
		t.Zone, _ = time.LoadLocation(zone.text) // checked by its shape
	}
	t.Layout = n.get("layout").value()
	return t, l.checkTime(n, format, t, native)
}

func (l *loader) checkTime(n, format *node, t TimeSpec, native bool) bool {
	before := l.problems.Errors()
	switch {
	case t.Format == FormatNative && !native:
		l.problem(format, "write rfc3339, unix_s, unix_ms, unix_us or layout: Parquet's own timestamp type is accepted beside any of them",
			"these records have no timestamp type of their own")
	case t.Format == FormatLayout && !n.has("layout"):
		l.problem(format, "write layout: \"2006-01-02 15:04:05\"", "format: layout needs the layout")
	case t.Format != FormatLayout && n.has("layout"):
		l.problem(n.key("layout"), "write format: layout, or remove it", "layout has no meaning beside format: %s", format.text)
	case t.Format == FormatLayout && t.Layout != "" && !zoned(t.Layout) && !n.has("zone"):
		l.problem(n.get("layout"), "write zone: UTC, or whichever it is", "a time of this layout has no zone")
	}
	if t.Zone != nil && (t.Format == FormatUnixS || t.Format == FormatUnixMS || t.Format == FormatUnixUS) {
		l.problem(n.key("zone"), "remove it", "zone has no meaning beside %s, which counts from an instant", format.text)
	}
	return l.problems.Errors() == before
}

func (l *loader) recordTime(n *node) (TimeSpec, bool) {
	for _, key := range []string{"format", "layout", "zone"} {
		if n.has(key) {
			l.problem(n.key(key), "remove it", "%s has no meaning beside record: the log's time is an instant", key)
		}
	}
	return TimeSpec{Origin: TimeRecord, Format: FormatNative}, true
}

// checkTimeField compares the declared type of a field with the form of the time
// that it holds.
func (l *loader) checkTimeField(n *node, t TimeSpec, fields []Field) {
	i := fieldIndex(fields, t.Name)
	if t.Origin != TimeField || i < 0 {
		return
	}
	want := []featurestore.Kind{featurestore.KindTimestamp}
	switch t.Format {
	case FormatRFC3339, FormatLayout:
		want = append(want, featurestore.KindString)
	case FormatUnixS, FormatUnixMS, FormatUnixUS:
		want = append(want, featurestore.KindInt64)
	}
	if !slices.Contains(want, fields[i].Type.Kind) {
		l.problem(n, "declare it as "+kindList(want), "field %q is %s, which does not hold a time of format %s",
			t.Name, fields[i].Type, timeFormats()[t.Format])
	}
}
