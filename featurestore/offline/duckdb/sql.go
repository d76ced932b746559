//go:build duckdb_arrow

package duckdb

import "strings"

// name quotes an identifier.
func name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// text quotes a text where SQL takes no parameter (settings, COPY, table
// functions).
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// names quotes a list of identifiers.
func names(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = name(s)
	}
	return strings.Join(out, ", ")
}
