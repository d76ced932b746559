package files

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// BenchmarkText reads six columns of text.
func BenchmarkText(b *testing.B) {
	var csv, jsonl strings.Builder
	csv.WriteString("e,origin,carrier,n,delay,ok\n")
	const rows = 50_000
	for i := range rows {
		fmt.Fprintf(&csv, "2013-01-01T%02d:%02d:%02dZ,JFK,UA,%d,%d.5,true\n", i/3600%24, i/60%60, i%60, i, i%90)
		fmt.Fprintf(&jsonl, `{"e":"2013-01-01T%02d:%02d:%02dZ","origin":"JFK","carrier":"UA","n":%d,"delay":%d.5,"ok":true}`+"\n", i/3600%24, i/60%60, i%60, i, i%90)
	}
	spec := Spec{Time: definition.TimeSpec{Name: "e"}, Fields: fields("origin", featurestore.String, "carrier", featurestore.String,
		"n", featurestore.Int64, "delay", featurestore.Double, "ok", featurestore.Bool)}
	for name, text := range map[string]string{"csv": csv.String(), "jsonl": jsonl.String()} {
		spec.Format = definition.CSV
		if name == "jsonl" {
			spec.Format = definition.JSONL
		}
		path := writeFile(b, "f", text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := Open(path, "f", spec)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for {
					batch, err := r.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil || batch[0].Problem != "" {
						b.Fatal(err, batch[0].Problem)
					}
					n += len(batch)
				}
				if err := r.Close(); err != nil || n != rows {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
