//go:build !duckdb_arrow

package duckdb

// The driver has its Arrow interface behind a build tag. Without the tag this
// package cannot do its work, so the build ends here and names the tag:
// go build -tags duckdb_arrow (the Makefile passes it).
var _ = build_with_the_tag_duckdb_arrow
