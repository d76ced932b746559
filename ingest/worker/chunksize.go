package worker

import (
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/columnar"
)

// What chunks take at most, about: the decoded events of all sources' chunks, the
// rows that all views of a source lay out of one, and how many events one has. The
// more there are in one, the seldomer an entity is written that many of them touch;
// more than these would wait for seconds.
const (
	chunkBytes  = 128 << 20
	laidBytes   = 128 << 20
	mostOfChunk = 600_000
)

// chunkSize bounds a chunk of one partition.
type chunkSize struct {
	bytes  int // of its decoded events
	events int
}

// chunkSizeOf is the size of chunks where those of a source may take so many bytes:
// each of its partitions fills one, and one is being applied.
func chunkSizeOf(bytes, partitions int, readings []reading) chunkSize {
	size := chunkSize{bytes: bytes / (partitions + 1)}
	decoded, laid := 0, 0
	for i := range readings {
		s := readings[i].source
		decoded += columnar.EventBytes(s)
		for _, v := range readings[i].views {
			laid += rowBytesOf(&v.view.Bindings[v.binding[s.Name]])
		}
	}
	size.events = max(1, min(mostOfChunk, size.bytes/decoded, laidBytes/max(1, laid)))
	return size
}

// keyBytes is what the key of an entity takes, about.
const keyBytes = 16

// rowBytesOf is what a row takes that a view lays out, about.
func rowBytesOf(b *definition.Binding) int {
	n := rowBytes + keyBytes + len(b.Inputs)*valueBytes
	if hasMore(b.Source) {
		n += moreBytes
	}
	return n
}

// hasMore reports whether rows of a source have what only some have.
func hasMore(s *definition.StreamSource) bool {
	return s.Sequence >= 0 || s.EventID >= 0 || s.Changes()
}
