// Package oracle says what a feature's value is, slowly and obviously: every
// row is looked at for every read, there are no tiles, and the arithmetic is
// exact rationals. It exists to disagree with the engine, so it shares no code
// with it: of transforms/window it uses the plain data types, of transforms/agg
// and transforms/sketch nothing. Verification, conformance and differential
// tests call it; no serving path does.
//
// A read goes this way: Judge drops what never counts; a reading knows some of
// the rest (known.go), of which retractions take some away (change.go); a
// feature's window holds some of those that have happened (span.go), and its
// aggregate makes a value of them (aggregate.go).
//
// Where semantics.md leaves a choice, the choice made here is written beside
// the code that makes it. Some facts are about what a bounded state can still
// know: they are functions of the set of rows that the state has taken in, never
// of the order or the batches in which they came.
package oracle
