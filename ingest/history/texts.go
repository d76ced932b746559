package history

import (
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/ingest/columnar"
)

// sampled is how many texts of a column are looked at before a file is written.
const sampled = 1024

// repeats reports whether texts of a column come again so often that a dictionary
// of them is worth its making, which takes longer than all else of a seal; of a
// column that has none now, whether they come again more clearly than that. Of few
// rows nobody knows: it stays as it is.
func repeats(c *columnar.Column, rows []int, plain bool) bool {
	if len(rows) < sampled {
		return !plain
	}
	seen := make(map[string]struct{}, sampled)
	for i := range sampled {
		seen[string(c.Text(rows[i*len(rows)/sampled]))] = struct{}{}
	}
	if plain {
		return len(seen) < sampled/4
	}
	return len(seen) < sampled/3
}

// schemaOf is the schema to write some rows by.
func (w *Writer) schemaOf(b *buffer, rows []int) (*parquet.Schema, error) {
	plain := slices.Clone(w.plain)
	for i := range w.o.Source.Fields {
		if archive.Dictionary(w.o.Source.Fields[i].Type) {
			plain[i] = !repeats(b.Field(i), rows, plain[i])
		}
	}
	if slices.Equal(plain, w.plain) {
		return w.schema, nil
	}
	schema, err := archive.SchemaOf(w.o.Source, plain)
	if err == nil {
		w.schema, w.plain = schema, plain
	}
	return schema, err
}
