package agg

import "github.com/freshet/freshet/featurestore"

// count counts the events of the window, count(x) those whose x is not null,
// count_null(x) those whose x is null (EMPTY, value 0, where there is none).
//
// State: no partial of its own. The count of a group is kept once for every
// feature that needs it (Cells.counts), as 8 bytes in memory and a varint in
// bytes. Error: none. Retraction: subtracted.

var specCount = &spec{
	name:  "count",
	gate:  gateValue,
	empty: emptyZero,
	check: giving(wantAny, featurestore.Int64),
	read:  readCount,
}

var specCountNull = &spec{
	name:  "count_null",
	gate:  gateNull,
	empty: emptyZero,
	check: giving(wantInput, featurestore.Int64),
	read:  readCount,
}

func readCount(_ *Finisher, _ *Cells, _ Slot, at readAt) featurestore.Cell {
	return present(featurestore.Int64Value(at.n))
}
