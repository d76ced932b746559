package decode

import (
	"slices"
	"strconv"
	"unsafe"

	"github.com/freshet/freshet/featurestore"
)

// Batch holds decoded events. It is filled by a Decoder and used again after
// Reset: events and their Fields slices are valid until then. The text of a
// string, bytes value or event id is never overwritten, so a value that is kept
// stays right; but it keeps the chunk that it stands in, so what is kept for
// long should be cloned. Nothing refers to the record that it came from.
//
// A Batch is not safe for concurrent use.
type Batch struct {
	Events []featurestore.Event

	// Tombstones counts the records of change feeds that said nothing.
	Tombstones int

	// Invalid counts the typed NaN and infinities that were read as null.
	Invalid int

	values []featurestore.Value // all null from its length to its capacity
	text   text
}

// next gives room for one more event.
func (b *Batch) next() *featurestore.Event {
	n := len(b.Events)
	b.Events = slices.Grow(b.Events, 1)[:n+1]
	return &b.Events[n]
}

// Reset empties the batch.
func (b *Batch) Reset() {
	// All rows at once: a call for each row costs a twentieth of decoding.
	clear(b.values)
	b.Events, b.values, b.Tombstones, b.Invalid = b.Events[:0], b.values[:0], 0, 0
}

// Recycle empties the batch but for its counts. Unlike Reset it uses the memory of
// texts again: nothing of the events may be kept.
func (b *Batch) Recycle() {
	clear(b.values)
	b.Events, b.values, b.text.chunk = b.Events[:0], b.values[:0], b.text.chunk[:0]
}

// row gives n null values at the end of the batch.
func (b *Batch) row(n int) []featurestore.Value {
	start := len(b.values)
	if cap(b.values)-start < n {
		// Rows handed out before keep the old array.
		b.values, start = make([]featurestore.Value, 0, max(2*cap(b.values), 64*n)), 0
	}
	b.values = b.values[:start+n]
	return b.values[start : start+n : start+n]
}

// undo takes back the rows that were given since values was the batch's.
func (b *Batch) undo(values []featurestore.Value) {
	behind := values[len(values):cap(values)]
	if cap(b.values) == cap(values) { // else it has moved to a larger array
		behind = behind[:len(b.values)-len(values)]
	}
	clear(behind)
	b.values = values
}

// text gives strings out of chunks: one allocation for many strings.
type text struct{ chunk []byte }

const chunkBytes = 16 << 10

// reserve gives room for n bytes to append to.
func (t *text) reserve(n int) []byte {
	if cap(t.chunk)-len(t.chunk) < n {
		t.chunk = make([]byte, 0, max(chunkBytes, n))
	}
	return t.chunk[len(t.chunk):]
}

// commit makes a string of what was appended to a reservation. The bytes are
// never written again.
func (t *text) commit(b []byte) string {
	t.chunk = t.chunk[:len(t.chunk)+len(b)]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// integer gives the decimal digits of a number.
func (t *text) integer(n int64) string {
	return t.commit(strconv.AppendInt(t.reserve(20), n, 10))
}

func (t *text) put(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return t.commit(append(t.reserve(len(b)), b...))
}
