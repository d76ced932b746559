package logrecord

import (
	"encoding/binary"

	"github.com/freshet/freshet/featurestore"
)

// The headers of a replayed history record. A log's own timestamps have
// milliseconds only and its offsets are not ranks, so both travel beside the
// record. They count only on topics that are known to be replay topics: on any
// other a producer could write its own position.
const (
	// HeaderGeneration holds the source generation (uint32; 0 is history) and
	// the rank (int64) of the record, big endian: 12 bytes.
	HeaderGeneration = "freshet-generation"
	// HeaderLogTime holds the exact log time: microseconds since 1970, int64,
	// big endian.
	HeaderLogTime = "freshet-log-time"
	// HeaderEventTime holds the exact event time in the same form. It is there
	// only where the source does not keep its time in a field.
	HeaderEventTime = "freshet-event-time"
	// HeaderRefused says, in the place of a history row that cannot be an event,
	// which row it was and why. Such a record has no value.
	HeaderRefused = "freshet-refused"
)

// Replay is where a replayed record really stands.
type Replay struct {
	Generation uint32
	Rank       int64 // the offset in that generation's one partition
	LogTime    featurestore.LogTime
}

// AppendReplay adds the headers of a replayed record.
func AppendReplay(h Headers, r Replay) Headers {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:4], r.Generation)
	binary.BigEndian.PutUint64(b[4:], uint64(r.Rank))
	h = h.Append(HeaderGeneration, b[:])
	return AppendMicros(h, HeaderLogTime, int64(r.LogTime))
}

// AppendMicros adds a header that holds microseconds.
func AppendMicros(h Headers, key string, micros int64) Headers {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(micros))
	return h.Append(key, b[:])
}

// ReplayOf reads what AppendReplay wrote; ok is false for a record that is not
// a replayed one.
func (h Headers) ReplayOf() (r Replay, ok bool) {
	gen, _ := h.Get(HeaderGeneration)
	at, found := h.Micros(HeaderLogTime)
	if len(gen) != 12 || !found {
		return Replay{}, false
	}
	return Replay{
		Generation: binary.BigEndian.Uint32(gen),
		Rank:       int64(binary.BigEndian.Uint64(gen[4:])),
		LogTime:    featurestore.LogTime(at),
	}, true
}

// Micros reads what AppendMicros wrote.
func (h Headers) Micros(key string) (int64, bool) {
	v, _ := h.Get(key)
	if len(v) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(v)), true
}

// HeaderPushed marks a record that this program wrote for a source whose
// records have another format: its value is JSON, by the names of the fields. It
// says nothing of positions, so that it may be honoured on any topic.
const HeaderPushed = "freshet-pushed"

// IsPushed reports whether a record has HeaderPushed.
func (h Headers) IsPushed() bool {
	_, ok := h.Get(HeaderPushed)
	return ok
}

// HeaderChange holds, of a replayed or pushed row of a change feed, what it does
// (one byte: a featurestore.Change) and when the change happened (microseconds
// since 1970, int64, big endian): 9 bytes. Without it the row is added at its log time.
const HeaderChange = "freshet-change"

// AppendChange adds HeaderChange.
func AppendChange(h Headers, c featurestore.Change, at featurestore.EventTime) Headers {
	var b [9]byte
	b[0] = byte(c)
	binary.BigEndian.PutUint64(b[1:], uint64(at))
	return h.Append(HeaderChange, b[:])
}

// ChangeOf reads what AppendChange wrote; ok is false where there is none.
func (h Headers) ChangeOf() (c featurestore.Change, at featurestore.EventTime, ok bool) {
	v, _ := h.Get(HeaderChange)
	if len(v) != 9 || v[0] > byte(featurestore.Retracted) {
		return 0, 0, false
	}
	return featurestore.Change(v[0]), featurestore.EventTime(binary.BigEndian.Uint64(v[1:])), true
}
