"""A naive reading of semantics.md in exact arithmetic: no tiles, no state, no merging.

values    types, literals and correct rounding
records   the records of a case: late, ahead, duplicate, retracted; what a reading knows of
view      the features of a view, their tiles and reach
windows   which rows a window holds
aggregate values of aggregates over those rows
sketch    XXH3 hashes, KMV, HyperLogLog, DDSketch
decay     exponentially weighted sums
batch     runs of batch views over a table
cases     running a case of the file
"""
