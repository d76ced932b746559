// Package conformance runs the conformance vectors of testdata/conformance
// against anything that computes feature values. It loads the JSON, turns each
// vector into cases (a window.Config, rows in log order, readings), gives them
// to an Executor and compares the outcomes bit for bit. The oracle and the fold
// in memory are executors of this package; stores and offline engines bring
// their own.
//
// It does no I/O but through the fs.FS that it is given.
package conformance
