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
	parts  []part
	tail   string // what closes the objects that are open after the last part
	time   int    // the field that holds the timestamp; -1: none of them
}

// part is a value of the record, with the names and braces before it.
type part struct {
	lead  string
	field int // -1: the event time
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
		if src.Timestamp.Origin == definition.TimeField && f.Name == src.Timestamp.Name {
			e.time = i
		}
	}
	e.layOut()
	return e, nil
}

// layOut puts the fields where a decoder of the source finds them.
func (e *Encoder) layOut() {
	paths, fields := [][]string{}, []int{}
	if t := &e.source.Timestamp; t.Origin == definition.TimeField && e.time < 0 && !changeTime(e.source) {
		paths, fields = append(paths, []string{t.Name}), append(fields, -1)
	}
	for i := range e.source.Fields {
		paths, fields = append(paths, e.source.Fields[i].At()), append(fields, i)
	}
	tree, _, _ := newTree(paths) // New has taken them
	lead := "{"
	var walk func(n *node)
	walk = func(n *node) {
		for i := range n.members { // in the order in which they were declared first
			m := &n.members[i]
			for name, j := range n.byName {
				if j == i {
					lead += string(appendText(nil, name)) + ":"
				}
			}
			if m.child != nil {
				lead += "{"
				walk(m.child)
				lead += "}"
			} else {
				e.parts = append(e.parts, part{lead, fields[m.slot]})
				lead = ""
			}
			if i < len(n.members)-1 {
				lead += ","
			}
		}
	}
	walk(tree)
	e.tail = lead + "}"
}

// AppendValue appends the record's value: one JSON object. It is ErrInvalid
// where the event cannot be written exactly.
func (e *Encoder) AppendValue(dst []byte, ev *featurestore.Event) ([]byte, error) {
	for k := range e.parts {
		p := &e.parts[k]
		dst = append(dst, p.lead...)
		if p.field < 0 {
			dst = e.appendInstant(dst, featurestore.Instant(ev.Time))
			continue
		}
		v, start := ev.Fields[p.field], len(dst)
		var err error
		if dst, err = e.appendField(dst, p.field, v); err != nil {
			return dst, err
		}
		if p.field == e.time {
			if err := e.sameTime(dst[start:], v, ev.Time); err != nil {
				return dst, err
			}
		}
	}
	return append(dst, e.tail...), nil
}

// AppendHeaders appends the headers that say where the event stands.
func (e *Encoder) AppendHeaders(h logrecord.Headers, ev *featurestore.Event) logrecord.Headers {
	h = logrecord.AppendReplay(h, logrecord.Replay{Generation: ev.Generation, Rank: ev.Offset, LogTime: ev.LogTime})
	if e.source.Changes() && ev.Change != featurestore.NoChange {
		h = logrecord.AppendChange(h, ev.Change, ev.Mutated)
	}
	if e.source.Timestamp.Origin != definition.TimeField || changeTime(e.source) {
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
	return e.appendTyped(dst, i, v, e.source.Fields[i].Type)
}

func (e *Encoder) appendTyped(dst []byte, i int, v featurestore.Value, typ featurestore.Type) ([]byte, error) {
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
	if v.Kind() == featurestore.KindList || v.Kind() == featurestore.KindMap {
		return e.appendElements(dst, i, v, *typ.Elem)
	}
	if !utf8.ValidString(v.Str()) {
		return dst, e.cannot(i, "it is not valid UTF-8")
	}
	return appendText(dst, v.Str()), nil
}

// appendElements writes an array, or an object of a map's entries.
func (e *Encoder) appendElements(dst []byte, i int, v featurestore.Value, elem featurestore.Type) ([]byte, error) {
	open, end := byte('['), byte(']')
	if v.Kind() == featurestore.KindMap {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	for k, x := range v.Elems() {
		if k > 0 {
			dst = append(dst, ',')
		}
		if v.Kind() == featurestore.KindMap {
			if !utf8.ValidString(v.Keys()[k]) {
				return dst, e.cannot(i, "a key of the map is not valid UTF-8")
			}
			dst = append(appendText(dst, v.Keys()[k]), ':')
		}
		var err error
		if dst, err = e.appendTyped(dst, i, x, elem); err != nil {
			return dst, err
		}
	}
	return append(dst, end), nil
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
