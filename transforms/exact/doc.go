// Package exact holds accumulators whose result does not depend on the order of
// their inputs: sums of doubles and of their squares without any rounding,
// 128-bit sums of integers, and quotients and variances that are rounded once.
//
// It owns arithmetic only: no value types, no nulls, no windows. Equal values
// have equal bytes, and everything that rounds does so to nearest, ties to even.
package exact
