//go:build !duckdb_arrow

// Package duckdb is empty without the build tag duckdb_arrow: the driver has its
// Arrow interface behind that tag, and nothing here works without it. The
// Makefile passes it; a program that is built without says so when a verb needs
// DuckDB.
package duckdb
