package agg_test

import (
	"math"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg"
)

// The inputs of a generated event: x, a where, y of min_by, and a key of by.
const (
	inputX = iota
	inputWhere
	inputY
	inputKey
)

// event is what a cell is fed with.
type event struct {
	order  agg.Order
	inputs []featurestore.Value
}

var (
	vector  = featurestore.List(featurestore.Double)
	object  = featurestore.Map(featurestore.Int64)
	scalars = []featurestore.Type{featurestore.Bool, featurestore.Int64, featurestore.Double, featurestore.String, featurestore.Bytes, featurestore.Timestamp, featurestore.Decimal(10, 2)}
	inputs  = append([]featurestore.Type{{}, vector, object}, scalars...)
)

// calls are calls of a function that mean something: every type of input, with
// each parameter as often as it makes a difference. A function that the table
// has and that these do not reach fails TestLaws.
func calls(function string) []agg.Call {
	var all []agg.Call
	try := func(c agg.Call) bool {
		_, err := agg.Check(c)
		if err == nil {
			all = append(all, c)
		}
		return err == nil
	}
	halves := []agg.Share{{}, {Unscaled: 5, Digits: 1}, {Unscaled: 375, Digits: 3}, {Unscaled: 1}}
	for i, in := range inputs {
		base := agg.Call{Func: function, Input: in, Second: scalars[i%len(scalars)], N: 3, Max: 3, Share: halves[i%len(halves)], HalfLife: 2 * featurestore.Second}
		for without := range 32 { // the parameters that the function has no use for
			c := base
			for bit, drop := range []func(){
				func() { c.Second = featurestore.Type{} },
				func() { c.N = 0 },
				func() { c.Max = 0 },
				func() { c.Share = agg.Share{} },
				func() { c.HalfLife = 0 },
			} {
				if without>>bit&1 == 1 {
					drop()
				}
			}
			if !try(c) {
				continue
			}
			c.RespectNulls = true
			try(c)
			c.RespectNulls = false
			c.By, c.MaxKeys = scalars[i%len(scalars)], 2
			try(c)
			break
		}
	}
	return all
}

// use is the need of a call on a generated event.
func use(c agg.Call, where int) agg.Use {
	u := agg.Use{Call: c, Input: inputX, Second: inputY, By: inputKey, Where: where}
	if c.Input.Kind == featurestore.KindNull {
		u.Input = -1
	}
	return u
}

// values draws values of a type, null among them.
func values(typ featurestore.Type) *rapid.Generator[featurestore.Value] {
	if typ.Kind == featurestore.KindNull {
		return rapid.Just(featurestore.Null)
	}
	return rapid.Custom(func(t *rapid.T) featurestore.Value {
		if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
			return featurestore.Null
		}
		return nonNull(t, typ)
	})
}

func nonNull(t *rapid.T, typ featurestore.Type) featurestore.Value {
	ints := rapid.OneOf(rapid.Int64Range(-5, 5), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, 9007199254740993}))
	switch typ.Kind {
	case featurestore.KindBool:
		return featurestore.BoolValue(rapid.Bool().Draw(t, "b"))
	case featurestore.KindInt64:
		return featurestore.Int64Value(ints.Draw(t, "n"))
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(featurestore.Instant(ints.Draw(t, "ts")))
	case featurestore.KindDecimal:
		return featurestore.DecimalValue(rapid.Int64Range(-999, 999).Draw(t, "d"))
	case featurestore.KindDouble:
		return featurestore.DoubleValue(rapid.SampledFrom([]float64{0, 0.1, -0.1, 1e16, -1e16, 1, 1e200, -1e200, 3.25, 5e-324, math.MaxFloat64}).Draw(t, "f"))
	case featurestore.KindBytes:
		return featurestore.BytesValue(rapid.SampledFrom([]string{"", "\x00", "a", "ab"}).Draw(t, "y"))
	case featurestore.KindList:
		return featurestore.ListValue(rapid.SliceOfN(values(*typ.Elem), 0, 4).Draw(t, "l"))
	case featurestore.KindMap:
		v := values(*typ.Elem)
		return featurestore.MapValue([]string{"", "a"}, []featurestore.Value{v.Draw(t, "v0"), v.Draw(t, "v1")})
	default:
		return featurestore.StringValue(rapid.SampledFrom([]string{"", "a", "b", "ab", "é"}).Draw(t, "s"))
	}
}

// events draws what a call is fed with: places with ties in time and sequence,
// and wheres that hold more often than not.
func events(c agg.Call, most int) *rapid.Generator[[]event] {
	wheres := rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.BoolValue(false), featurestore.BoolValue(true), featurestore.BoolValue(true)})
	sequences := rapid.SampledFrom([]featurestore.Value{featurestore.Null, featurestore.StringValue("p"), featurestore.StringValue("q")})
	return rapid.Custom(func(t *rapid.T) []event {
		n := rapid.IntRange(0, most).Draw(t, "n")
		scale := rapid.SampledFrom([]int64{1, 1, 1_000_000_000}).Draw(t, "scale")
		var out []event
		for i := range n {
			e := event{inputs: []featurestore.Value{values(c.Input).Draw(t, "x"), wheres.Draw(t, "where"), values(c.Second).Draw(t, "y"), values(c.By).Draw(t, "key")}}
			e.order.Time = featurestore.EventTime(rapid.Int64Range(-3, 3).Draw(t, "e") * scale)
			e.order.Sequence = sequences.Draw(t, "seq")
			e.order.Partition, e.order.Offset = int32(i%2), int64(i)
			out = append(out, e)
		}
		return out
	})
}
