package decode

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"unsafe"

	"github.com/freshet/freshet/featurestore"
)

// objectReader reads one record's object into a row.
type objectReader struct {
	d *Decoder
	scanner
	text    *text
	row     []featurestore.Value
	times   *timeReader
	time    featurestore.Instant
	hasTime bool
	unknown unknownNames
}

func (r *objectReader) read() {
	if r.peek() != '{' {
		r.syntax("a JSON object")
		return
	}
	r.pos++
	if !r.accept('}') {
		r.members()
	}
	if r.err == nil && r.peek() != 0 || r.err == nil && r.pos < len(r.b) {
		r.syntax("nothing after the object")
	}
}

func (r *objectReader) members() {
	for n := 0; ; n++ {
		r.peek()
		name := r.name()
		r.expect(':', "a colon")
		if r.err != nil {
			return
		}
		slot := r.d.names.find(n, name)
		if r.repeated(slot, name) {
			return
		}
		if slot < 0 {
			r.skip(1)
		} else {
			r.member(slot)
		}
		if r.err != nil || r.accept('}') {
			return
		}
		r.expect(',', "a comma or the end of the object")
		if r.err != nil {
			return
		}
	}
}

func (r *objectReader) name() []byte {
	raw, escaped := r.str()
	if escaped {
		return unescape(nil, raw)
	}
	return raw
}

// repeated refuses a name that stands twice, also one that is not declared:
// which of the two counts would depend on who reads.
func (r *objectReader) repeated(slot int, name []byte) bool {
	if slot < 0 {
		if r.unknown.add(name) {
			return false
		}
		r.fail(CodeDuplicate, "a name stands twice in the object, again at byte %d", r.pos)
		return true
	}
	if !r.d.seen[slot] {
		r.d.seen[slot] = true
		return false
	}
	r.fail(CodeDuplicate, "it stands twice in the object, again at byte %d", r.pos)
	r.err.Field = r.d.slots[slot].name
	return true
}

// member reads the value of a declared name.
func (r *objectReader) member(i int) {
	s := &r.d.slots[i]
	first := r.peek()
	if first == 'n' {
		r.literal("null")
		return
	}
	start := r.pos
	if r.row[i] = r.value(s, first); r.err != nil {
		if r.err.Field == "" && (r.err.Code == CodeType || r.err.Code == CodeTime || r.err.Code == CodeTimeNoZone) {
			r.err.Field = s.name
		}
		return
	}
	if i != r.d.timeSlot {
		return
	}
	if s.typ.Kind != featurestore.KindTimestamp { // the time as it is written, beside the field's own type
		end := r.pos
		r.pos = start
		r.time, r.hasTime = r.instant(s, first), true
		if r.err == nil {
			r.pos = end
		}
		return
	}
	r.time, r.hasTime = r.row[i].Timestamp(), true
}

func (r *objectReader) value(s *slot, first byte) featurestore.Value {
	switch s.typ.Kind {
	case featurestore.KindBool:
		return r.boolean(s, first)
	case featurestore.KindInt64:
		return r.int64(s, first)
	case featurestore.KindDouble:
		return r.double(s, first)
	case featurestore.KindString:
		if raw, escaped, ok := r.quoted(s, first); ok {
			return featurestore.StringValue(r.textOf(raw, escaped))
		}
	case featurestore.KindBytes:
		return r.bytes(s, first)
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(r.instant(s, first))
	case featurestore.KindDecimal:
		return r.decimal(s, first)
	}
	return featurestore.Null
}

// mismatch says that a value is of another type.
func (r *objectReader) mismatch(s *slot) {
	start := r.pos
	if r.skip(1); r.err != nil {
		return
	}
	r.fail(CodeType, "%s at byte %d is not of type %s", shown(r.b[start:r.pos], s.pii), start, s.typ)
}

func (r *objectReader) unreadable(s *slot, raw []byte, err error) {
	r.fail(CodeType, "%s before byte %d is not of type %s: %v", shown(raw, s.pii), r.pos, s.typ, err)
}

// digitsOf takes a number's text; ok is false, and the error set, for any other
// value.
func (r *objectReader) digitsOf(s *slot, first byte) ([]byte, bool) {
	if first != '-' && first-'0' > 9 {
		r.mismatch(s)
		return nil, false
	}
	raw := r.number()
	return raw, r.err == nil
}

func (r *objectReader) quoted(s *slot, first byte) (raw []byte, escaped, ok bool) {
	if first != '"' {
		r.mismatch(s)
		return nil, false, false
	}
	raw, escaped = r.str()
	return raw, escaped, r.err == nil
}

// textOf keeps a string's text.
func (r *objectReader) textOf(raw []byte, escaped bool) string {
	if escaped {
		return r.text.commit(unescape(r.text.reserve(len(raw)), raw))
	}
	return r.text.put(raw)
}

// plain gives a string's text for the moment.
func (r *objectReader) plain(raw []byte, escaped bool) []byte {
	if !escaped {
		return raw
	}
	r.d.scratch = unescape(r.d.scratch[:0], raw)
	return r.d.scratch
}

func (r *objectReader) boolean(s *slot, first byte) featurestore.Value {
	switch first {
	case 't':
		return featurestore.BoolValue(r.literal("true"))
	case 'f':
		r.literal("false")
		return featurestore.BoolValue(false)
	}
	r.mismatch(s)
	return featurestore.Null
}

func (r *objectReader) int64(s *slot, first byte) featurestore.Value {
	raw, ok := r.digitsOf(s, first)
	if !ok {
		return featurestore.Null
	}
	n, err := parseInt64(raw)
	if err != nil {
		r.unreadable(s, raw, err)
	}
	return featurestore.Int64Value(n)
}

func (r *objectReader) double(s *slot, first byte) featurestore.Value {
	raw, ok := r.digitsOf(s, first)
	if !ok {
		return featurestore.Null
	}
	// The text lives as long as the call.
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(raw), len(raw)), 64)
	if err != nil {
		r.unreadable(s, raw, errRange)
	}
	return featurestore.DoubleValue(f)
}

func (r *objectReader) decimal(s *slot, first byte) featurestore.Value {
	var raw []byte
	var ok bool
	if first == '"' {
		var escaped bool
		raw, escaped = r.str()
		raw, ok = r.plain(raw, escaped), r.err == nil
	} else {
		raw, ok = r.digitsOf(s, first)
	}
	if !ok {
		return featurestore.Null
	}
	n, err := parseDecimal(raw, s.typ.Precision, s.typ.Scale)
	if err != nil {
		r.unreadable(s, raw, err)
	}
	return featurestore.DecimalValue(n)
}

func (r *objectReader) bytes(s *slot, first byte) featurestore.Value {
	raw, escaped, ok := r.quoted(s, first)
	if !ok {
		return featurestore.Null
	}
	raw = r.plain(raw, escaped)
	dst := r.text.reserve(base64.StdEncoding.DecodedLen(len(raw)))
	dst, err := base64.StdEncoding.Strict().AppendDecode(dst, raw)
	if err != nil {
		r.fail(CodeType, "%s before byte %d is not base64", shown(raw, s.pii), r.pos)
		return featurestore.Null
	}
	return featurestore.BytesValue(r.text.commit(dst))
}

// instant reads a time in the declared form.
func (r *objectReader) instant(s *slot, first byte) featurestore.Instant {
	isNumber := first == '-' || first-'0' <= 9
	if r.times.isText() == isNumber || !isNumber && first != '"' {
		start := r.pos
		if r.skip(1); r.err == nil {
			r.err = timeError(s.name, r.b[start:r.pos], s.pii, fmt.Errorf("it does not have the declared format"))
		}
		return 0
	}
	var raw []byte
	var t featurestore.Instant
	var err error
	if isNumber {
		if raw = r.number(); r.err == nil {
			t, err = r.times.number(raw)
		}
	} else {
		text, escaped := r.str()
		if raw = r.plain(text, escaped); r.err == nil {
			t, err = r.times.text(raw)
		}
	}
	if err != nil {
		r.err = timeError(s.name, raw, s.pii, err)
	}
	return t
}

// idOf gives an event id as text; null is no id.
func idOf(t *text, v featurestore.Value) string {
	if v.Kind() == featurestore.KindInt64 {
		return t.commit(strconv.AppendInt(t.reserve(20), v.Int64(), 10))
	}
	return v.Str()
}
