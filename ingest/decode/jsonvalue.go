package decode

import (
	"encoding/base64"
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

func (r *objectReader) value(s *slot, t *featurestore.Type, first byte) featurestore.Value {
	switch t.Kind {
	case featurestore.KindBool:
		return r.boolean(s, t, first)
	case featurestore.KindInt64:
		return r.int64(s, t, first)
	case featurestore.KindDouble:
		return r.double(s, t, first)
	case featurestore.KindString:
		if raw, escaped, ok := r.quoted(s, t, first); ok {
			return featurestore.StringValue(r.textOf(raw, escaped))
		}
	case featurestore.KindBytes:
		return r.bytes(s, t, first)
	case featurestore.KindTimestamp:
		return featurestore.TimestampValue(r.instant(s, first))
	case featurestore.KindDecimal:
		return r.decimal(s, t, first)
	case featurestore.KindList:
		return r.list(s, t, first)
	case featurestore.KindMap:
		return r.mapping(s, t, first)
	}
	return featurestore.Null
}

// mismatch says that a value is of another type.
func (r *objectReader) mismatch(s *slot, t *featurestore.Type) {
	start := r.pos
	if r.skip(1); r.err != nil {
		return
	}
	r.fail(CodeType, "%s at byte %d is not of type %s", shown(r.b[start:r.pos], s.pii), start, t)
}

func (r *objectReader) unreadable(s *slot, t *featurestore.Type, raw []byte, err error) {
	r.fail(CodeType, "%s before byte %d is not of type %s: %v", shown(raw, s.pii), r.pos, t, err)
}

// digitsOf takes a number's text; ok is false, and the error set, for any other
// value.
func (r *objectReader) digitsOf(s *slot, t *featurestore.Type, first byte) ([]byte, bool) {
	if first != '-' && first-'0' > 9 {
		r.mismatch(s, t)
		return nil, false
	}
	raw := r.number()
	return raw, r.err == nil
}

func (r *objectReader) quoted(s *slot, t *featurestore.Type, first byte) (raw []byte, escaped, ok bool) {
	if first != '"' {
		r.mismatch(s, t)
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

func (r *objectReader) boolean(s *slot, t *featurestore.Type, first byte) featurestore.Value {
	switch first {
	case 't':
		return featurestore.BoolValue(r.literal("true"))
	case 'f':
		r.literal("false")
		return featurestore.BoolValue(false)
	}
	r.mismatch(s, t)
	return featurestore.Null
}

func (r *objectReader) int64(s *slot, t *featurestore.Type, first byte) featurestore.Value {
	start := r.pos
	if d, ok := r.decimalDigits(); ok && !d.point {
		return featurestore.Int64Value(d.integer())
	}
	r.pos = start
	raw, ok := r.digitsOf(s, t, first)
	if !ok {
		return featurestore.Null
	}
	n, err := parseInt64(raw)
	if err != nil {
		r.unreadable(s, t, raw, err)
	}
	return featurestore.Int64Value(n)
}

func (r *objectReader) double(s *slot, t *featurestore.Type, first byte) featurestore.Value {
	if d, ok := r.decimalDigits(); ok {
		return featurestore.DoubleValue(d.double())
	}
	raw, ok := r.digitsOf(s, t, first)
	if !ok {
		return featurestore.Null
	}
	f, err := parseDouble(raw)
	if err != nil {
		r.unreadable(s, t, raw, errRange)
	}
	return featurestore.DoubleValue(f)
}

func (r *objectReader) decimal(s *slot, t *featurestore.Type, first byte) featurestore.Value {
	var raw []byte
	var ok bool
	if first == '"' {
		var escaped bool
		raw, escaped = r.str()
		raw, ok = r.plain(raw, escaped), r.err == nil
	} else {
		raw, ok = r.digitsOf(s, t, first)
	}
	if !ok {
		return featurestore.Null
	}
	n, err := parseDecimal(raw, t.Precision, t.Scale)
	if err != nil {
		r.unreadable(s, t, raw, err)
	}
	return featurestore.DecimalValue(n)
}

func (r *objectReader) bytes(s *slot, t *featurestore.Type, first byte) featurestore.Value {
	raw, escaped, ok := r.quoted(s, t, first)
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
