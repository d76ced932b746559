//go:build duckdb_arrow

package main

import (
	"context"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore/offline/duckdb"
)

// openEngine opens DuckDB over the project's folders and those named beside.
func openEngine(ctx context.Context, s *settings.Settings, beside ...string) (engine, error) {
	return duckdb.Open(ctx, duckdb.Config{TempDir: spillDir(s), Allow: append([]string{s.Root, s.Offline.Dir}, beside...)})
}
