package worker

import (
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
)

// What chunks take at most, about: the decoded events of all sources' chunks, the
// rows that all views lay out of them, and how many events one has. The more there are
// in one, the seldomer an entity is written that many of them touch; more than these
// would wait for seconds.
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

// chunkSizeOf is the size of the chunks of one of so many sources: each of its
// partitions fills one, and one is being applied.
func chunkSizeOf(sources, partitions int, readings []reading) chunkSize {
	size := chunkSize{bytes: chunkBytes / sources / (partitions + 1)}
	decoded, laid := 0, 0
	for i := range readings {
		s := readings[i].source
		decoded += columnar.EventBytes(s)
		for _, v := range readings[i].views {
			laid += rowBytesOf(&v.view.Bindings[v.binding[s.Name]])
		}
	}
	size.events = max(1, min(mostOfChunk, size.bytes/decoded, laidBytes/sources/max(1, laid)))
	return size
}

// expectChunks lets each view make room for the rows of the chunks that it is to get.
func expectChunks(parts []*partition) {
	most := map[*View]int{}
	for _, p := range parts {
		for _, v := range p.views() {
			most[v] = max(most[v], p.chunk.events)
		}
	}
	for v, events := range most {
		v.expect(events)
	}
}

// expect says how many events a chunk has, at most about.
func (v *View) expect(events int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if events < v.most {
		v.fold = foldBuffers{chunk: v.fold.chunk} // they have room for more
	}
	v.most = events
}

// keyBytes is what the key of an entity takes, about.
const keyBytes = 16

// rowBytesOf is what a row takes that a view lays out, about.
func rowBytesOf(b *definition.Binding) int {
	n := rowBytes + keyBytes
	for _, p := range b.Inputs {
		if isScalar(p) {
			n += bitsBytes
		} else {
			n += valueBytes
		}
	}
	if hasMore(b.Source) {
		n += moreBytes
	}
	return n
}

// hasMore reports whether rows of a source have what only some have.
func hasMore(s *definition.StreamSource) bool {
	return s.Sequence >= 0 || s.EventID >= 0 || s.Changes()
}
