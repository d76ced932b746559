package atrest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/archive"
)

// columns are the places of what a row is made of.
type columns struct {
	time, logTime, partition, offset, late int

	fields []int
	types  []featurestore.Type
}

func columnsOf(schema *parquet.Schema, source *definition.StreamSource) (*columns, error) {
	c := &columns{}
	var missing error
	find := func(name string) int {
		leaf, ok := schema.Lookup(name)
		if !ok {
			missing = fmt.Errorf("it has no column %q", name)
		}
		return leaf.ColumnIndex
	}
	c.time, c.logTime, c.partition = find(archive.ColumnEventTime), find(archive.ColumnLogTime), find(archive.ColumnPartition)
	c.offset, c.late = find(archive.ColumnOffset), find(archive.ColumnLate)
	for i := range source.Fields {
		c.fields = append(c.fields, find(source.Fields[i].Name))
		c.types = append(c.types, source.Fields[i].Type)
	}
	return c, missing
}

func (c *columns) row(cells parquet.Row) (Row, error) {
	r := Row{
		Offset: cells[c.offset].Int64(), Time: featurestore.EventTime(cells[c.time].Int64()), LogTime: featurestore.LogTime(cells[c.logTime].Int64()),
		Late: cells[c.late].Boolean(), Values: make([]featurestore.Value, len(c.fields)),
	}
	for i, at := range c.fields {
		var err error
		if r.Values[i], err = valueOf(cells[at], c.types[i]); err != nil {
			return r, fmt.Errorf("offset %d: %w", r.Offset, err)
		}
	}
	return r, nil
}

func valueOf(cell parquet.Value, t featurestore.Type) (featurestore.Value, error) {
	if cell.IsNull() {
		return featurestore.Null, nil
	}
	switch t.Kind {
	case featurestore.KindInt64:
		return featurestore.Int64Value(cell.Int64()), nil
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(cell.Int64()), nil
	case featurestore.KindDouble:
		return featurestore.DoubleValue(cell.Double()), nil
	case featurestore.KindBool:
		return featurestore.BoolValue(cell.Boolean()), nil
	case featurestore.KindString:
		return featurestore.StringValue(strings.Clone(string(cell.ByteArray()))), nil
	case featurestore.KindList:
		var list []float64
		if err := json.Unmarshal(cell.ByteArray(), &list); err != nil {
			return featurestore.Null, fmt.Errorf("%q is no list of doubles: %w", cell.ByteArray(), err)
		}
		values := make([]featurestore.Value, len(list))
		for i, x := range list {
			values[i] = featurestore.DoubleValue(x)
		}
		return featurestore.ListValue(values), nil
	}
	return featurestore.Null, fmt.Errorf("no field here is a %s", t)
}
