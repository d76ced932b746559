package agg

import "github.com/freshet/freshet/featurestore"

// first_n(x, n) are the non-null x of the n least events in the total order,
// oldest first; last_n(x, n) those of the n greatest, newest first. Where there
// are fewer, the list is shorter.
//
// State: up to n events (edge), each about 150 bytes in memory and, beside its
// value, about 5 in bytes. Error: none. Retraction: rebuilt, since the event
// that would follow is not kept.

var (
	specFirstN = edgeList("first_n", false)
	specLastN  = edgeList("last_n", true)
)

func edgeList(name string, last bool) *spec {
	return &spec{
		name:  name,
		takes: takesN,
		gate:  gateValue,
		empty: emptyZero,
		check: checkList,
		needs: func(c *Call) []need { return []need{{quantity: edgeEvents, greatest: last, size: c.N}} },
		read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
			return present(listOf(cellOf[edge](c, f.partials[0], s).run.events, last))
		},
	}
}

// checkList checks a call whose value is a list of at most n single values.
func checkList(c *Call) (featurestore.Type, error) {
	if err := wantScalar(c); err != nil {
		return featurestore.Type{}, err
	}
	return featurestore.List(c.Input), within(c, "n", c.N, 1, MaxN)
}

// listOf is the list of the values of events, in their order or reversed.
func listOf(events []*stamped, reversed bool) featurestore.Value {
	list := make([]featurestore.Value, len(events))
	for i, e := range events {
		if reversed {
			i = len(events) - 1 - i
		}
		list[i] = e.x.Get()
	}
	return featurestore.ListValue(list)
}
