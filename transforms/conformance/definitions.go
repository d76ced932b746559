package conformance

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// The names in the documents of Definitions. A source's topic is its own name.
const (
	EntityName  = "subject"
	ViewName    = "vector"
	ServiceName = "vector_service"
	TableName   = "table" // the source of a batch view, and the folder of its files
)

// Definitions writes the case's entity, sources, view and service as documents
// of the definition language, for executors that start from files. The columns
// of an answer are vector__<feature>, in the view's order.
func (c *Case) Definitions() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "kind: Entity\nname: %s\nkeys: [%s]\n", EntityName, c.keyList())
	if c.Kind == KindBatch {
		b.WriteString("---\n" + c.tableText())
	} else {
		for _, s := range c.Sources {
			b.WriteString("---\n" + c.sourceText(s))
		}
	}
	b.WriteString("---\n" + c.viewText())
	fmt.Fprintf(&b, "---\nkind: FeatureService\nname: %s\nfeatures: [%s.*]\n", ServiceName, ViewName)
	return []byte(b.String())
}

func (c *Case) keyList() string {
	var keys []string
	for _, k := range c.Key {
		keys = append(keys, fmt.Sprintf("{name: %s, type: %s}", k.Name, k.Type))
	}
	return strings.Join(keys, ", ")
}

func (c *Case) sourceText(s Source) string {
	var b strings.Builder
	format := "unix_us"
	if s.TextTime {
		format = "rfc3339"
	}
	encoding := "json"
	if s.Changes {
		encoding = "debezium"
	}
	fmt.Fprintf(&b, "kind: StreamSource\nname: %s\nkafka: {topic: %s}\nformat: %s\n", s.Name, s.Name, encoding)
	fmt.Fprintf(&b, "timestamp: {field: ts, format: %s}\nallowed_lateness: %s\nfields:\n", format, s.AllowedLateness)
	for _, f := range append(append([]Column(nil), c.Key...), c.Columns...) {
		fmt.Fprintf(&b, "  %s: %q\n", f.Name, f.Type.String())
	}
	if s.EventID != "" {
		fmt.Fprintf(&b, "event_id: %s\n", s.EventID)
	}
	if s.Sequence != "" {
		fmt.Fprintf(&b, "sequence: %s\n", s.Sequence)
	}
	return b.String()
}

// tableText is the source of a batch view: its files are table/*.csv.
func (c *Case) tableText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind: BatchSource\nname: %s\nfiles: [%s/*.csv]\nformat: csv\n", TableName, TableName)
	b.WriteString("timestamp: {field: ts, format: unix_us}\navailable_at: {field: known, format: unix_us}\nfields:\n")
	for _, f := range append(append([]Column(nil), c.Key...), c.Columns...) {
		fmt.Fprintf(&b, "  %s: %q\n", f.Name, f.Type.String())
	}
	return b.String()
}

func (c *Case) viewText() string {
	var b strings.Builder
	var names []string
	for _, s := range c.Sources {
		names = append(names, s.Name)
	}
	kind := "StreamView"
	if c.Kind == KindBatch {
		kind, names = "BatchView", []string{TableName}
	}
	fmt.Fprintf(&b, "kind: %s\nname: %s\nentity: %s\n", kind, ViewName, EntityName)
	if c.View.Schedule != "" {
		fmt.Fprintf(&b, "schedule: %q\n", c.View.Schedule)
	}
	if len(names) == 1 {
		fmt.Fprintf(&b, "source: %s\n", names[0])
	} else {
		fmt.Fprintf(&b, "sources: [%s]\n", strings.Join(names, ", "))
	}
	if c.View.TTL != 0 {
		fmt.Fprintf(&b, "ttl: %s\n", c.View.TTL)
	}
	if c.View.Tile != 0 {
		fmt.Fprintf(&b, "tile: %s\n", c.View.Tile)
	}
	b.WriteString("features:\n")
	for i, f := range c.View.Features {
		b.WriteString("  - {" + f.text(c.Config.Features[i].Type) + "}\n")
	}
	return b.String()
}

func (f *Feature) text(t featurestore.Type) string {
	parts := []string{"name: " + f.Name}
	add := func(is bool, format string, args ...any) {
		if is {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(f.Agg == "", "type: %q, column: %s", t.String(), f.Column)
	add(f.Agg != "", "agg: %q, window: %s", f.Agg, f.Window)
	add(f.Offset != 0, "offset: %s", f.Offset)
	add(f.Exact, "exact: true")
	add(f.MaxRows != 0, "max_rows: %d", f.MaxRows)
	add(f.Where != "", "where: %s", f.Where)
	add(f.By != "", "by: %s", f.By)
	add(f.MaxKeys != 0, "max_keys: %d", f.MaxKeys)
	add(f.RespectNulls, "nulls: respect")
	add(f.EmptyNull, "empty: null")
	add(f.Default != "", "default: %s", defaultText(f.Default, t))
	return strings.Join(parts, ", ")
}

// defaultText writes a default as its type asks: numbers and bools bare, the
// rest quoted. A double keeps a fraction so that it is no integer.
func defaultText(text string, t featurestore.Type) string {
	switch t.Kind {
	case featurestore.KindInt64, featurestore.KindBool:
		return text
	case featurestore.KindDouble:
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return text
	}
	return strconv.Quote(text)
}
