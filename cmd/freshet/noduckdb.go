//go:build !duckdb_arrow

package main

import (
	"context"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
)

// openEngine says that this binary was built without DuckDB's Arrow interface.
func openEngine(context.Context, *settings.Settings, ...string) (engine, error) {
	return nil, featurestore.Unavailablef("this binary was built without DuckDB: build it with `make build`, or with `go build -tags duckdb_arrow ./cmd/freshet`")
}
