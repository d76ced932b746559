//go:build !race

package oracle_test

const defaultCases = 100_000
