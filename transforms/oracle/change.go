package oracle

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// maxRawRows is how many folded rows a state keeps for retractions.
const maxRawRows = 10_000

// keepsRawRows reports whether the view's states keep raw rows, to take
// retracted ones away: where rows may be retracted and some feature cannot
// subtract.
func keepsRawRows(c window.Config) bool {
	changes := slices.ContainsFunc(c.Sources, func(s window.SourceRule) bool { return s.Changes })
	return changes && slices.ContainsFunc(c.Features, func(f window.Feature) bool { return !subtracts(&f) })
}

// subtracts reports whether the feature's tiles can give an event back exactly:
// sums of powers, and counts; of vectors, too, since their lengths are counted. What keeps a greatest, a newest or a smallest
// something cannot, and neither can a window that is about single rows.
func subtracts(f *window.Feature) bool {
	switch f.Kind {
	case window.Latest, window.Rows, window.Session:
		return false
	default:
	}
	if f.Exact || f.Call.By.Kind != featurestore.KindNull {
		return false
	}
	switch f.Call.Func {
	case "count", "count_null", "sum", "avg", "var_pop", "var_samp", "stddev_pop", "stddev_samp", "skew", "kurtosis":
		return true
	}
	return false
}

// cutRaw drops the folded rows below the newest maxRawRows and gives the
// greatest of them, nil for none. Retractions are rows too. Rows that still wait
// for their event time are not counted.
func cutRaw(events []*event, folded func(*event) bool) (kept []*event, witness *event) {
	n := len(only(events, folded))
	for _, x := range events {
		if folded(x) {
			if n--; n >= maxRawRows {
				witness = x
				continue
			}
		}
		kept = append(kept, x)
	}
	return kept, witness
}

// matchRetractions gives each retracted row the retraction that takes it away: a
// row of its source that has the same event time and inputs and that no other
// took. Going through the retractions in the order of the log, each takes
//   - of the rows before it in the log the greatest in the total order;
//   - else of those in other partitions the greatest: where partitions were added,
//     a key's later changes may lie in a lower one;
//   - else, where all that is left comes after it in its own partition, the
//     greatest row that a retraction of another partition took, which takes the
//     greatest of these in its place;
//   - else nothing.
//
// A later life of the topic is later. None of this depends on a read time, so
// that a retraction which a state folds before its row still finds it.
func matchRetractions(events []*event) map[*event]*event {
	log := slices.Clone(events)
	slices.SortFunc(log, func(x, y *event) int { return comparePosition(x.Row, y.Row) })
	match := map[*event]*event{}
	for i, r := range log {
		if r.Change != featurestore.Retracted {
			continue
		}
		same := func(x *event) bool {
			return x.Time == r.Time && x.Source == r.Source && x.Change != featurestore.Retracted && slices.EqualFunc(x.Inputs, r.Inputs, featurestore.Value.Equal)
		}
		before, after := only(log[:i], same), only(log[i:], same)
		own := func(x *event) bool { return x.PartitionID == r.PartitionID }
		others := only(after, func(x *event) bool { return !own(x) && x.Generation == r.Generation })
		free := func(x *event) bool { return match[x] == nil }
		if x := greatest(only(before, free)); x != nil {
			match[x] = r
		} else if x := greatest(only(others, free)); x != nil {
			match[x] = r
		} else if y := greatest(only(only(after, own), free)); y != nil {
			x := greatest(only(slices.Concat(before, others), func(x *event) bool {
				return match[x].Generation == r.Generation && match[x].Partition != r.Partition
			}))
			if x != nil {
				match[y], match[x] = match[x], r
			}
		}
	}
	return match
}

// greatest is the last in the total order, nil of none.
func greatest(events []*event) *event {
	if len(events) == 0 {
		return nil
	}
	return slices.MaxFunc(events, compareEvent)
}

// net keeps the rows that are in effect, when this is what has taken effect.
func net(events []*event, match map[*event]*event, inEffect func(*event) bool) []*event {
	return only(events, func(x *event) bool {
		if x.Change == featurestore.Retracted || !inEffect(x) {
			return false
		}
		taker, retracted := match[x]
		return !retracted || !inEffect(taker)
	})
}
