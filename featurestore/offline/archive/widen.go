package archive

import (
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore/definition"
)

// Wider is the schema of a file that has fields in addition to the columns of another
// one. Columns are what each of its columns is made of, in its order.
type Wider struct {
	Schema  *parquet.Schema
	Columns []WiderColumn
}

// WiderColumn is a column of the file before, or a field that this one lacks.
type WiderColumn struct {
	Have  int // of the columns before; -1 for none
	Field int // of the source, where there is none
}

// Widen gives the schema that has all that a file has, and those of some fields of a
// source that it lacks, by name; false where it lacks none. The declared fields come
// first, in their order, so that such a file can be merged with those of the
// definition; then what the definition no longer has.
func Widen(have *parquet.Schema, source *definition.StreamSource, fields []int) (*Wider, bool, error) {
	declared, err := Schema(source)
	if err != nil {
		return nil, false, err
	}
	names := Names(have)
	added := slices.DeleteFunc(slices.Clone(fields), func(i int) bool { return slices.Contains(names, source.Fields[i].Name) })
	if len(added) == 0 {
		return nil, false, nil
	}
	w, old, columns := &Wider{}, have.Fields(), []parquet.Field(nil)
	keep := func(i int) {
		columns, w.Columns = append(columns, column{old[i], names[i]}), append(w.Columns, WiderColumn{Have: i})
	}
	for i, name := range names {
		if name[0] == '_' { // no field's
			keep(i)
		}
	}
	system := SystemColumns(source)
	for i, f := range source.Fields {
		if at := slices.Index(names, f.Name); at >= 0 {
			keep(at)
		} else if slices.Contains(added, i) {
			columns, w.Columns = append(columns, declared.Fields()[system+i]), append(w.Columns, WiderColumn{Have: -1, Field: i})
		}
	}
	for i, name := range names {
		if name[0] != '_' && !slices.ContainsFunc(source.Fields, func(f definition.Field) bool { return f.Name == name }) {
			keep(i)
		}
	}
	w.Schema = parquet.NewSchema(have.Name(), ordered{Group: parquet.Group{}, columns: columns})
	return w, true, nil
}

// Names are the columns of a file, in their order.
func Names(schema *parquet.Schema) []string {
	fields := schema.Fields()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name()
	}
	return names
}
