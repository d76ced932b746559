package agg

// count counts the events of the window, count(x) those whose x is not null.
//
// It stores no partial of its own: the count of a group is kept once for every
// feature that needs it (Cells.counts), as 8 bytes in memory and a varint in
// bytes. Error: none.
