package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/serving/rpc"
)

// eventReader gives events as JSON records, with the line or row of each.
type eventReader interface {
	Next(n int) (events [][]byte, lines []int, more bool, err error)
	Close() error
}

// openEvents opens the file, or stdin for "-".
func (a *App) openEvents(s *definition.StreamSource, path, format string) (eventReader, error) {
	if format == "" {
		format = strings.TrimPrefix(filepath.Ext(path), ".")
		if path == "-" || format == "json" || format == "ndjson" {
			format = "jsonl"
		}
	}
	switch format {
	case "jsonl":
		in := io.NopCloser(a.Stdin)
		if path != "-" {
			f, err := os.Open(path)
			if err != nil {
				return nil, featurestore.Invalidf("%w", err)
			}
			in = f
		}
		return &lineReader{r: bufio.NewReaderSize(in, 1<<20), close: in.Close}, nil
	case "csv", "parquet":
		if path == "-" {
			return nil, featurestore.Invalidf("%s is read from a file, not from stdin", format)
		}
		return openRows(s, path, format)
	}
	return nil, featurestore.Invalidf("format %q: use --format jsonl, csv or parquet", format)
}

// lineReader reads JSON lines; empty lines are skipped.
type lineReader struct {
	r     *bufio.Reader
	line  int
	close func() error
}

func (l *lineReader) Close() error { return l.close() }

// maxPushBytes bounds the events of one request.
const maxPushBytes = 512 << 10

func (l *lineReader) Next(n int) (events [][]byte, lines []int, more bool, err error) {
	size := 0
	for len(events) < n && size < maxPushBytes {
		text, err := l.r.ReadBytes('\n')
		if len(text) > 0 {
			l.line++
			if text = bytes.TrimSpace(text); len(text) > 0 {
				events, lines = append(events, text), append(lines, l.line)
				size += len(text)
			}
		}
		if errors.Is(err, io.EOF) {
			return events, lines, false, nil
		}
		if err != nil {
			return nil, nil, false, err
		}
	}
	return events, lines, true, nil
}

// rowReader reads a table through the reader of history files and writes each
// row as a record of the source.
type rowReader struct {
	stream  offline.Stream
	encoder *decode.Encoder
	queue   [][]byte
	lines   []int
}

func openRows(s *definition.StreamSource, path, format string) (eventReader, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(abs); err != nil {
		return nil, featurestore.Invalidf("%w", err)
	}
	own := *s
	own.History = &definition.History{Files: []string{filepath.Base(abs)}, Format: definition.CSV}
	if format == "parquet" {
		own.History.Format = definition.Parquet
	}
	r := &rowReader{}
	if r.encoder, err = decode.NewEncoder(&own); err != nil {
		return nil, err
	}
	reader := history.New(history.Options{Root: filepath.Dir(abs)})
	r.stream, err = reader.Scan(context.Background(), offline.Spec{Source: &own, Bad: func(b offline.BadRow) {
		// It is sent as it cannot be: the answer then names its row with the reason.
		r.queue, r.lines = append(r.queue, []byte(`"`+"row that does not read"+`"`)), append(r.lines, int(b.Row)+1)
	}})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *rowReader) Close() error { return r.stream.Close() }

func (r *rowReader) Next(n int) (events [][]byte, lines []int, more bool, err error) {
	more = true
	for more && len(r.queue) < n {
		batch, err := r.stream.Next(context.Background())
		if errors.Is(err, io.EOF) {
			more = false
			break
		}
		if err != nil {
			return nil, nil, false, err
		}
		for i := range batch.Events {
			value, err := r.encoder.AppendValue(nil, &batch.Events[i])
			if err != nil {
				value = []byte(`"` + "row that cannot be written" + `"`)
			}
			r.queue, r.lines = append(r.queue, value), append(r.lines, int(batch.Events[i].Offset)+1)
		}
	}
	k := min(n, len(r.queue))
	events, lines = r.queue[:k:k], r.lines[:k:k]
	r.queue, r.lines = r.queue[k:], r.lines[k:]
	return events, lines, more || len(r.queue) > 0, nil
}

// pusher sends batches to a running server, or straight to the log where none runs.
func (a *App) pusher(ctx context.Context, source *definition.StreamSource) (send func(context.Context, [][]byte) ([]rpc.Rejected, error), done func() error, err error) {
	s, err := a.Settings()
	if err != nil {
		return nil, nil, err
	}
	addr := a.Addr
	if addr == "" && listening(s.Serve.Listen) {
		addr = s.Serve.Listen
	}
	if addr == "" {
		// The online store knows whether time is a replay's: that is the events' log time then.
		parts, err := node.Open(ctx, s, node.StoredClock(), a.Logger(), node.NeedOnline|node.NeedLog)
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context, events [][]byte) ([]rpc.Rejected, error) {
			return node.WriteEvents(ctx, parts.Log, source, events, node.Stamp{Time: parts.Clock.Now()})
		}, parts.Close, nil
	}
	own := *a
	own.Addr = addr
	api, err := own.API(ctx)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, events [][]byte) ([]rpc.Rejected, error) {
		raw := make([]json.RawMessage, len(events))
		kept := make([]int, 0, len(events))
		var rejected []rpc.Rejected
		n := 0
		for i, e := range events {
			if !json.Valid(e) {
				rejected = append(rejected, rpc.Rejected{Index: i, Reason: "DECODE_JSON: the line is not JSON"})
				continue
			}
			raw[n] = e
			kept = append(kept, i)
			n++
		}
		if n == 0 {
			return rejected, nil
		}
		out, err := api.Call(ctx, "POST", "/v1/events:write", map[string]any{"source": source.Name, "events": raw[:n]})
		if err != nil {
			return nil, err
		}
		var answer struct {
			Rejected []rpc.Rejected `json:"rejected"`
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			return nil, err
		}
		for _, r := range answer.Rejected {
			rejected = append(rejected, rpc.Rejected{Index: kept[r.Index], Reason: r.Reason})
		}
		return rejected, nil
	}, api.Close, nil
}
