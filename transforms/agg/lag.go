package agg

import "github.com/freshet/freshet/featurestore"

// lag(x, n) is the non-null x of the event n before the last in the total order,
// lag(x, 0) that of the last. Where there are fewer events it is NULL, EMPTY. x
// may also be a list or a map.
//
// State: that of last_n(x, n + 1). Error: none. Retraction: rebuilt.

var specLag = &spec{
	name:  "lag",
	takes: takesN,
	gate:  gateValue,
	check: func(c *Call) (featurestore.Type, error) {
		if err := wantValue(c); err != nil {
			return featurestore.Type{}, err
		}
		return c.Input, within(c, "n", c.N, 0, MaxN)
	},
	needs: func(c *Call) []need { return []need{{quantity: edgeEvents, greatest: true, size: c.N + 1}} },
	read: func(f *Finisher, c *Cells, s Slot, _ readAt) featurestore.Cell {
		events := cellOf[edge](c, f.partials[0], s).run.events
		i := len(events) - 1 - int(f.call.N)
		if i < 0 {
			return featurestore.Cell{Status: featurestore.Empty}
		}
		return present(events[i].x.Get())
	},
}
