//go:build race

package oracle_test

// The fold has no goroutines: under the race detector a sample is enough.
const defaultCases = 1_000
