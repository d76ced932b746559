// Package oracle says what a feature's value is, slowly and obviously: every
// row is looked at for every read, there are no tiles, and the arithmetic is
// exact rationals. It exists to disagree with the engine, so it shares no code
// with it: of transforms/window it uses the plain data types, of transforms/agg
// nothing. Verification, conformance and differential tests call it; no serving
// path does.
//
// Where semantics.md leaves a choice, the choice made here is written beside
// the code that makes it.
package oracle
