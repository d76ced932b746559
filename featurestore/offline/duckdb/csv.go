//go:build duckdb_arrow

package duckdb

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/freshet/freshet/featurestore"
)

// csvSource is the table function of a CSV file. The header is read here: its
// names are checked before DuckDB, which would rename a second one, and nothing
// about the file is guessed.
func csvSource(path string) (string, error) {
	header, err := csvHeader(path)
	if err != nil {
		return "", err
	}
	columns := make([]string, len(header))
	for i, h := range header {
		if h == "" {
			return "", featurestore.Invalidf("column %d of the header has no name", i+1)
		}
		columns[i] = text(h) + ": 'VARCHAR'"
	}
	if err := unique(header); err != nil {
		return "", err
	}
	return fmt.Sprintf(`read_csv(%s, auto_detect = false, header = true, delim = ',', hive_partitioning = false, quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, columns = {%s})`,
		text(path), strings.Join(columns, ", ")), nil
}

func csvHeader(path string) (header []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, featurestore.Invalidf("%w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := bufio.NewReader(f)
	if bom, err := r.Peek(3); err == nil && bytes.Equal(bom, []byte("\ufeff")) {
		if _, err := r.Discard(3); err != nil {
			return nil, err
		}
	}
	header, err = csv.NewReader(r).Read()
	if errors.Is(err, io.EOF) {
		return nil, featurestore.Invalidf("the file is empty: write a header and a row for each instant")
	}
	if err != nil {
		return nil, featurestore.Invalidf("no CSV header: %w", err)
	}
	return header, nil
}
