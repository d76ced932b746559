package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"github.com/valyala/fastjson"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// maxComposite bounds the JSON text of a list or map in a column.
const maxComposite = 1 << 20

// list reads an array.
func (j *jsonCells) list(t featurestore.Type, v *fastjson.Value) (featurestore.Value, error) {
	items, err := v.Array()
	if err != nil {
		return featurestore.Null, fmt.Errorf("a JSON %s is not a %s", v.Type(), t)
	}
	elems := make([]featurestore.Value, len(items))
	for i, item := range items {
		if elems[i], err = j.value(*t.Elem, item); err != nil {
			return featurestore.Null, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return featurestore.ListValue(elems), nil
}

// mapping reads an object as a map.
func (j *jsonCells) mapping(t featurestore.Type, v *fastjson.Value) (featurestore.Value, error) {
	object, err := v.Object()
	if err != nil {
		return featurestore.Null, fmt.Errorf("a JSON %s is not a %s", v.Type(), t)
	}
	type entry struct {
		key   string
		value featurestore.Value
	}
	var entries []entry
	object.Visit(func(key []byte, item *fastjson.Value) {
		x, bad := j.value(*t.Elem, item)
		if bad != nil && err == nil {
			err = fmt.Errorf("an entry: %w", bad)
		}
		entries = append(entries, entry{j.texts.add(key), x})
	})
	if err != nil {
		return featurestore.Null, err
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	keys, values := make([]string, len(entries)), make([]featurestore.Value, len(entries))
	for i, e := range entries {
		if i > 0 && e.key == entries[i-1].key {
			return featurestore.Null, errors.New("a key of the map stands twice")
		}
		keys[i], values[i] = e.key, e.value
	}
	return featurestore.MapValue(keys, values), nil
}

// composite reads a list or map out of a column of JSON text, as archives keep
// them. Times in it are RFC 3339.
func (c *converter) composite(have parquet.Type, want featurestore.Type) readValue {
	if c.text(have) == nil {
		return nil
	}
	cells := &jsonCells{times: &definition.TimeSpec{Format: definition.FormatRFC3339}}
	return func(v parquet.Value) (featurestore.Value, error) {
		b := v.ByteArray()
		if len(b) > maxComposite {
			return featurestore.Null, fmt.Errorf("a %s of %d bytes; at most %d are read", want, len(b), maxComposite)
		}
		parsed, err := cells.parser.ParseBytes(b)
		if err != nil || !json.Valid(b) {
			return featurestore.Null, fmt.Errorf("it is not the JSON of a %s", want)
		}
		return cells.value(want, parsed)
	}
}

// listColumn is where the elements of a list stand: one leaf below a repeated
// group. A value's definition level says how far its path is there.
type listColumn struct {
	leaf    *parquet.Column
	list    int // at least this: the list is not null
	element int // at least this: there is an element
	value   int // this: it is not null
}

// listOf finds the leaf of a column that is a list of plain values, as writers
// lay it out: a repeated leaf, or a group of a repeated group of one leaf.
func listOf(c *parquet.Column) (listColumn, bool) {
	l, level, repeated := listColumn{}, 0, 0
	for {
		if c.Repeated() {
			repeated++
			level++
			l.element = level
		} else if c.Optional() {
			level++
		}
		if repeated == 0 {
			l.list = level
		}
		if c.Leaf() {
			break
		}
		if lt := c.Type().LogicalType(); lt != nil {
			if _, isMap := lt.Value.(*format.MapType); isMap {
				return l, false
			}
		}
		if len(c.Columns()) != 1 {
			return l, false
		}
		c = c.Columns()[0]
	}
	l.leaf, l.value = c, level
	return l, repeated == 1
}

// list binds a field to a column of lists.
func (b *binder) list(i int, l listColumn) error {
	f := &b.p.spec.Fields[i]
	read, err := b.convert.value(l.leaf.Type(), *f.Type.Elem, &b.p.spec.Time)
	if err != nil {
		return featurestore.Invalidf("file %q: column %q: an element: %v", b.p.name, f.Name, err)
	}
	column := &parquetColumn{leaf: l.leaf.Index(), lists: true}
	row := -1
	var elems []featurestore.Value
	column.begin = func() { row = -1 }
	column.one = func(rows []Row, v parquet.Value) {
		if v.RepetitionLevel() == 0 {
			row++
			elems = nil
			rows[row].Fields[i] = featurestore.Null
			if v.DefinitionLevel() >= l.list {
				rows[row].Fields[i] = featurestore.ListValue(nil)
			}
		}
		if v.DefinitionLevel() < l.element || row < 0 {
			return
		}
		x := featurestore.Null
		if v.DefinitionLevel() == l.value {
			if x, err = read(v); err != nil {
				rows[row].failField(f, err)
			}
		}
		elems = append(elems, x)
		rows[row].Fields[i] = featurestore.ListValue(elems)
	}
	b.p.columns = append(b.p.columns, column)
	return nil
}

// readLists fills rows with the column's next lists. A list is whole once the
// next one begins, so one value is held back between calls.
func (c *parquetColumn) readLists(rows []Row) error {
	if c.buffer == nil {
		c.buffer = make([]parquet.Value, BatchRows)
	}
	c.begin()
	begun := 0
	for {
		for len(c.held) > 0 {
			v := c.held[0]
			if v.RepetitionLevel() == 0 {
				if begun == len(rows) {
					return nil
				}
				begun++
			}
			c.held = c.held[1:]
			c.one(rows, v)
		}
		more, err := c.moreLists()
		if err != nil {
			return err
		}
		if !more {
			if begun < len(rows) {
				return fmt.Errorf("column %d ends early", c.leaf)
			}
			return nil
		}
	}
}
