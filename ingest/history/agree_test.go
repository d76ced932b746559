package history

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/files"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
)

// cells are JSON values that meet the edges of every type.
var cells = []string{
	`null`, `true`, `false`, `0`, `-0`, `7`, `-7`, `1.5`, `1.50`, `1e3`, `1E-2`, `12.340`, `01`, `+1`, `1.`, `.5`, `1e400`, `1e-400`, `9007199254740993`,
	`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `99999999.99`, `100000000.00`, `NaN`, `Infinity`,
	`""`, `"a"`, `"\u00e9\n\"\\"`, `"AP8="`, `"AP9="`, `"AP8"`, `"12.34"`, `"1.2e1"`, `"x"`, `[]`, `[1,{"a":2}]`, `{}`, `{"b":1,"b":2}`, "\"a\tb\"", "\"\xff\"",
	`"2013-01-01T05:17:00Z"`, `"2013-01-01T00:17:00.123456-05:00"`, `"2013-01-01T00:17:00.1234567-05:00"`, `"2013-01-01T05:17:60Z"`,
	`"2013-01-01 05:17:00"`, `"2013-01-01"`, `"2013-01-01T05:17:00,5Z"`, `"0000-12-31T00:00:00Z"`, `"2013-02-30T00:00:00Z"`,
	`1357017420`, `1357017420.123456`, `1357017420.1234567`, `1357017420123`, `1357017420123.5`, `1357017420123456`, `253402300800`, `1.35701742e9`,
}

// The same object in a file of history and in a record of the topic is the same
// event, or a dead letter in both.
func TestFilesReadWhatRecordsDecode(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	ok(t, err)
	path := filepath.Join(t.TempDir(), "f.jsonl")
	names := []string{"b", "i", "d", "s", "y", "t", "m", "e", "other"}
	rapid.Check(t, func(t *rapid.T) {
		source := testSource()
		source.Sequence, source.EventID, source.Format = -1, -1, "json"
		source.Timestamp = definition.TimeSpec{Name: "e", Format: rapid.SampledFrom([]definition.TimeFormat{
			definition.FormatRFC3339, definition.FormatUnixS, definition.FormatUnixMS, definition.FormatUnixUS,
		}).Draw(t, "format")}
		if rapid.Bool().Draw(t, "zone") {
			source.Timestamp.Zone = newYork
		}
		good := map[definition.TimeFormat]string{definition.FormatRFC3339: `"2013-01-01T05:17:00.25Z"`, definition.FormatUnixS: `1357017420`, definition.FormatUnixMS: `1357017420123`, definition.FormatUnixUS: `5`}
		line := `{`
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			if len(line) > 1 {
				line += ","
			}
			line += `"` + rapid.SampledFrom(names).Draw(t, "name") + `":` + rapid.SampledFrom(cells).Draw(t, "cell")
		}
		if rapid.Bool().Draw(t, "timed") {
			if len(line) > 1 {
				line += ","
			}
			line += `"e":` + good[source.Timestamp.Format]
		}
		line += rapid.SampledFrom([]string{"}", "}", "}", "}", "} ", "}}", ""}).Draw(t, "end")

		d, err := decode.New(source, decode.Options{})
		ok(t, err)
		var batch decode.Batch
		logTime := featurestore.LogTime(featurestore.MaxInstant)
		decoded := d.Append(&batch, &logrecord.Record{LogTime: logTime, Value: []byte(line)}, featurestore.PartitionID{})

		ok(t, os.WriteFile(path, []byte(line+"\n"), 0o644))
		in, err := files.Open(path, "f", files.Spec{Format: definition.JSONL, Time: source.Timestamp, Fields: source.Fields})
		ok(t, err)
		defer in.Close()
		rows, err := in.Next()
		if err != nil && !errors.Is(err, io.EOF) || len(rows) != 1 {
			t.Fatalf("%s: %d rows, %v", line, len(rows), err)
		}
		row := rows[0]
		if (decoded == nil) != (row.Problem == "") {
			t.Fatalf("%s\nas a record: %v\nin a file: %q", line, decoded, row.Problem)
		}
		if decoded != nil {
			return
		}
		ev := batch.Events[0]
		if ev.Time != row.Time || !slices.EqualFunc(ev.Fields, row.Fields, featurestore.Value.Equal) {
			t.Fatalf("%s\nas a record: %v %#v\nin a file: %v %#v", line, ev.Time, ev.Fields, row.Time, row.Fields)
		}
	})
}
