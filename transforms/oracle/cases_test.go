//go:build !race

package oracle_test

const defaultCases = 20_000
