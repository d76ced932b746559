package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

const defaultMaxKeys = 100

// byKey computes the aggregate for each key of `by` that an event contributes
// to. Above the cap the keys with the smallest hashes stay, each exact; of these
// a key without a value of its own is left out.
func (k *knowledge) byKey(f *window.Feature, rows []*event) (featurestore.Cell, error) {
	limit := int(f.Call.MaxKeys)
	if limit == 0 {
		limit = defaultMaxKeys
	}
	var keys []featurestore.Value
	of := map[featurestore.ScalarKey][]*event{}
	for _, x := range rows {
		key := x.Inputs[f.By]
		keys = append(keys, key)
		of[key.ScalarKey()] = append(of[key.ScalarKey()], x)
	}
	kept, cut := smallest(different(keys), limit)
	values := map[string]featurestore.Value{}
	overflow := false
	for _, key := range kept {
		cell, err := k.compute(f, of[key.ScalarKey()])
		if err != nil {
			return cell, err
		}
		if cell.Status == featurestore.Empty {
			continue
		}
		values[keyText(key, f.Call.By)] = cell.Value
		overflow = overflow || cell.Status == featurestore.Overflow
		cut = cut || cell.Status == featurestore.Approximate
	}
	cell := approximate(mapOf(values), cut)
	switch {
	case len(values) == 0:
		cell.Status = featurestore.Empty
	case overflow:
		cell.Status = featurestore.Overflow
	}
	return cell, nil
}

// histogram counts each value. Above the cap the values with the smallest hashes
// stay, each with its exact count.
func histogram(f *window.Feature, xs []featurestore.Value) featurestore.Cell {
	kept, cut := smallest(different(xs), int(f.Call.Max))
	times := map[featurestore.ScalarKey]int64{}
	for _, x := range xs {
		times[x.ScalarKey()]++
	}
	counts := map[string]featurestore.Value{}
	for _, v := range kept {
		counts[keyText(v, f.Call.Input)] = featurestore.Int64Value(times[v.ScalarKey()])
	}
	return approximate(mapOf(counts), cut)
}

func mapOf(m map[string]featurestore.Value) featurestore.Cell {
	keys := slices.Sorted(maps.Keys(m))
	var values []featurestore.Value
	for _, k := range keys {
		values = append(values, m[k])
	}
	return present(featurestore.MapValue(keys, values))
}

// keyText is the text of a value as the key of a map.
func keyText(v featurestore.Value, t featurestore.Type) string {
	switch v.Kind() {
	case featurestore.KindString:
		return v.Str()
	case featurestore.KindInt64:
		return strconv.FormatInt(v.Int64(), 10)
	case featurestore.KindBool:
		return strconv.FormatBool(v.Bool())
	case featurestore.KindTimestamp:
		return v.Timestamp().String()
	case featurestore.KindDecimal:
		return featurestore.FormatDecimal(v.Int64(), t.Scale)
	}
	return fmt.Sprintf("<%s>", v.Kind()) // refused at validate
}
