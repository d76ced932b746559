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

// matchRetractions gives each retracted row the retraction that takes it away.
// In the order of the log, a retraction takes one earlier row of its source that
// has the same event time and inputs and was not taken before: the greatest in
// the total order. Where there is none it takes nothing. None of this depends on
// a read time, so that a retraction which a state folds before its row still
// finds it.
func matchRetractions(events []*event) map[*event]*event {
	log := slices.Clone(events)
	slices.SortFunc(log, func(x, y *event) int { return comparePosition(x.Row, y.Row) })
	match := map[*event]*event{}
	for i, r := range log {
		if r.Change != featurestore.Retracted {
			continue
		}
		var best *event
		for _, x := range log[:i] {
			if x.Time != r.Time || x.Source != r.Source || x.Change == featurestore.Retracted {
				continue
			}
			if _, gone := match[x]; gone || !slices.EqualFunc(x.Inputs, r.Inputs, featurestore.Value.Equal) {
				continue
			}
			if best == nil || compareEvent(x, best) > 0 {
				best = x
			}
		}
		if best != nil {
			match[best] = r
		}
	}
	return match
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
