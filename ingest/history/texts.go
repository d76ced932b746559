package history

import (
	"slices"

	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/offline/archive"
	"github.com/freshet/freshet/featurestore/offline/columnfile"
)

// sampled is how many texts of a column are looked at before a file is written.
const sampled = 1024

// repeats reports whether texts of a column come again so often that a dictionary
// of them is worth its making, which takes longer than all else of a seal; of a
// column that has none now, whether they come again more clearly than that. Of few
// rows nobody knows: it stays as it is.
func repeats(c *columnar.Column, day *dayRows, plain bool, seen *columnfile.Dictionary) bool {
	if day.rows < sampled {
		return !plain
	}
	seen.Reset()
	for row := range day.sample(sampled) {
		seen.Place(c.Text(row))
	}
	if plain {
		return seen.Len() < sampled/4
	}
	return seen.Len() < sampled/3
}

// layoutOf is the layout to write some rows by.
func (w *Writer) layoutOf(b *buffer, day *dayRows) (*columnfile.Layout, error) {
	plain := slices.Clone(w.plain)
	for i := range w.o.Source.Fields {
		if archive.Dictionary(w.o.Source.Fields[i].Type) {
			plain[i] = !repeats(b.Field(i), day, plain[i], &w.pages.dictionary)
		}
	}
	if slices.Equal(plain, w.plain) {
		return w.layout, nil
	}
	schema, err := archive.SchemaOf(w.o.Source, plain)
	if err != nil {
		return nil, err
	}
	layout, err := columnfile.LayoutOf(schema)
	if err != nil {
		return nil, err
	}
	w.layout, w.plain = layout, plain
	return layout, nil
}
