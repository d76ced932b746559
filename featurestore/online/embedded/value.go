package embedded

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Marks of an entity's value.
const (
	kept    = 0
	expires = 1
)

// expiryAfter is the instant at which something written at now expires; 0 for never.
func expiryAfter(now featurestore.Instant, ttl time.Duration) featurestore.Instant {
	if ttl <= 0 {
		return 0
	}
	return now + featurestore.Instant(ttl.Microseconds())
}

// appendValue appends an entity's value.
func appendValue(dst []byte, expiry featurestore.Instant, blob []byte) []byte {
	if expiry == 0 {
		return append(append(dst, kept), blob...)
	}
	dst = binary.LittleEndian.AppendUint64(append(dst, expires), uint64(expiry))
	return append(dst, blob...)
}

// blobOf is the blob within a value, nil where the value is absent or expired. A
// value that begins otherwise is damaged: it is given whole, so that whoever
// decodes it sees that and its entity can be rebuilt.
func blobOf(value []byte, now featurestore.Instant) (blob []byte, expired bool) {
	switch {
	case len(value) == 0:
		return nil, false
	case value[0] == kept:
		return value[1:], false
	case value[0] == expires && len(value) >= 9:
		if featurestore.Instant(binary.LittleEndian.Uint64(value[1:])) <= now {
			return nil, true
		}
		return value[9:], false
	}
	return value, false
}

const (
	metaVersion = 1
	metaSize    = 24
)

func appendMeta(dst []byte, m online.Meta) []byte {
	dst = append(append(dst, metaVersion), m.Definition[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, m.StateVersion)
	dst = binary.LittleEndian.AppendUint16(dst, m.Lanes)
	return append(dst, byte(m.State))
}

func decodeMeta(b []byte) (online.Meta, error) {
	if len(b) != metaSize || b[0] != metaVersion {
		return online.Meta{}, fmt.Errorf("lane metadata of %d bytes is not of version %d", len(b), metaVersion)
	}
	m := online.Meta{
		Definition:   [16]byte(b[1:17]),
		StateVersion: binary.LittleEndian.Uint32(b[17:]),
		Lanes:        binary.LittleEndian.Uint16(b[21:]),
		State:        online.State(b[23]),
	}
	if m.State > online.StateCatchingUp {
		known := m
		known.State = online.StateBuilding
		m.State = online.StateUnknown // a later release's, maybe
		return m, known.Check()
	}
	return m, m.Check()
}

// logger gives pebble's lines to the process's log.
type logger struct{ log *slog.Logger }

// Infof logs at debug level: pebble tells of every flush and compaction.
func (l logger) Infof(format string, args ...any) {
	if l.log != nil {
		l.log.Debug(fmt.Sprintf("online store: "+format, args...))
	}
}

// Errorf logs an error that pebble goes on after.
func (l logger) Errorf(format string, args ...any) {
	if l.log != nil {
		l.log.Error(fmt.Sprintf("online store: "+format, args...))
	}
}

// Fatalf ends the process: pebble cannot go on, and what it acknowledged so far
// is in its log.
func (l logger) Fatalf(format string, args ...any) {
	text := fmt.Sprintf("online store: "+format, args...)
	if l.log != nil {
		l.log.Error(text)
	}
	panic(fatal(text))
}

// fatal is why pebble cannot go on.
type fatal string
