package decode

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Encoder writes events of one source as records of a replay topic, such that a
// Decoder with Options.Replay gives the same events again. It is not safe for
// concurrent use.
type Encoder struct {
	source *definition.StreamSource
	times  timeReader
	names  []string // "name": with quotes and colon, by field
	time   int      // the field that holds the timestamp; -1: none of them
	head   string   // "name": of a timestamp that is not among the fields
}

// replayReader is how times are written in replayed records: in the declared
// form where it holds every microsecond, else in RFC 3339.
func replayReader(spec definition.TimeSpec) timeReader {
	if spec.Format == definition.FormatNative || spec.Format == definition.FormatLayout {
		return timeReader{format: definition.FormatRFC3339}
	}
	return timeReader{format: spec.Format, zone: spec.Zone}
}

// NewEncoder compiles an encoder for a source that New accepts with
// Options.Replay.
func NewEncoder(src *definition.StreamSource) (*Encoder, error) {
	if _, err := New(src, Options{Replay: true}); err != nil {
		return nil, err
	}
	e := &Encoder{source: src, times: replayReader(src.Timestamp), time: -1}
	for i, f := range src.Fields {
		e.names = append(e.names, strconv.Quote(f.Name)+":")
		if src.Timestamp.Origin == definition.TimeField && f.Name == src.Timestamp.Name {
			e.time = i
		}
	}
	if src.Timestamp.Origin == definition.TimeField && e.time < 0 {
		e.head = string(appendText(nil, src.Timestamp.Name)) + ":"
	}
	return e, nil
}

// AppendValue appends the record's value: one JSON object. It is ErrInvalid
// where the event cannot be written exactly.
func (e *Encoder) AppendValue(dst []byte, ev *featurestore.Event) ([]byte, error) {
	dst = append(dst, '{')
	if e.head != "" {
		dst = e.appendInstant(append(dst, e.head...), featurestore.Instant(ev.Time))
	}
	for i, v := range ev.Fields {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, e.names[i]...)
		start := len(dst)
		var err error
		if dst, err = e.appendField(dst, i, v); err != nil {
			return dst, err
		}
		if i == e.time {
			if err := e.sameTime(dst[start:], v, ev.Time); err != nil {
				return dst, err
			}
		}
	}
	return append(dst, '}'), nil
}

// AppendHeaders appends the headers that say where the event stands.
func (e *Encoder) AppendHeaders(h logrecord.Headers, ev *featurestore.Event) logrecord.Headers {
	h = logrecord.AppendReplay(h, logrecord.Replay{Generation: ev.Generation, Rank: ev.Offset, LogTime: ev.LogTime})
	if e.source.Timestamp.Origin != definition.TimeField {
		h = logrecord.AppendMicros(h, logrecord.HeaderEventTime, int64(ev.Time))
	}
	return h
}

// sameTime makes sure that the field that holds the timestamp reads back as the
// event's time.
func (e *Encoder) sameTime(json []byte, v featurestore.Value, t featurestore.EventTime) error {
	if v.Kind() == featurestore.KindTimestamp && v.Timestamp() == featurestore.Instant(t) {
		return nil
	}
	var got featurestore.Instant
	var err error
	switch v.Kind() {
	case featurestore.KindString:
		got, err = e.times.text([]byte(v.Str()))
	case featurestore.KindInt64, featurestore.KindDouble, featurestore.KindDecimal:
		got, err = e.times.number(json)
	default:
		return e.cannot(e.time, "it is not the event time %s", t)
	}
	if err != nil || got != featurestore.Instant(t) {
		return e.cannot(e.time, "it does not read back as the event time %s", t)
	}
	return nil
}

func (e *Encoder) cannot(field int, format string, args ...any) error {
	return featurestore.Invalidf("source %q: field %q cannot be written as a record: "+format, append([]any{e.source.Name, e.source.Fields[field].Name}, args...)...)
}

func (e *Encoder) appendField(dst []byte, i int, v featurestore.Value) ([]byte, error) {
	typ := e.source.Fields[i].Type
	if v.IsNull() {
		return append(dst, "null"...), nil
	}
	if v.Kind() != typ.Kind {
		return dst, e.cannot(i, "a %s is not of type %s", v.Kind(), typ)
	}
	switch v.Kind() {
	case featurestore.KindBool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case featurestore.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10), nil
	case featurestore.KindDouble:
		return strconv.AppendFloat(dst, v.Double(), 'g', -1, 64), nil
	case featurestore.KindDecimal:
		return append(dst, featurestore.FormatDecimal(v.Int64(), typ.Scale)...), nil
	case featurestore.KindTimestamp:
		return e.appendInstant(dst, v.Timestamp()), nil
	case featurestore.KindBytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, []byte(v.Str()))
		return append(dst, '"'), nil
	}
	if !utf8.ValidString(v.Str()) {
		return dst, e.cannot(i, "it is not valid UTF-8")
	}
	return appendText(dst, v.Str()), nil
}

// appendInstant writes a time in the form of replayed records, exactly.
func (e *Encoder) appendInstant(dst []byte, t featurestore.Instant) []byte {
	if e.times.isText() {
		dst = appendRFC3339(append(dst, '"'), t)
		return append(dst, '"')
	}
	unit := featurestore.Duration(1)
	for range e.times.digits() {
		unit *= 10
	}
	if t.Floor(unit) == t {
		return strconv.AppendInt(dst, int64(t)/int64(unit), 10)
	}
	return append(dst, featurestore.FormatDecimal(int64(t), e.times.digits())...)
}

// appendText writes a JSON string.
func appendText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		end := i
		for end < len(s) && s[end] >= 0x20 && s[end] != '"' && s[end] != '\\' {
			end++
		}
		dst = append(dst, s[i:end]...)
		if end == len(s) {
			break
		}
		if c := s[end]; c < 0x20 {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, '\\', c)
		}
		i = end + 1
	}
	return append(dst, '"')
}
