package rpc

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/serving/service"
)

// AppendAnswer writes an answer as JSON: int64 as bare numbers, doubles always
// with a fraction or an exponent (so that a reader without types keeps them
// doubles), decimals as texts, bytes as base64, instants as RFC 3339.
func AppendAnswer(b []byte, a *service.Answer, include []string) ([]byte, error) {
	parts, err := parseInclude(include)
	if err != nil {
		return nil, err
	}
	return appendAnswer(b, a, parts), nil
}

func appendAnswer(b []byte, a *service.Answer, parts include) []byte {
	b = append(b, '{')
	if a.Service != "" {
		b = appendField(b, "service")
		b = append(appendText(b, a.Service), ',')
	}
	b = strconv.AppendInt(appendField(b, "revision"), a.Revision, 10)
	b = appendText(appendField(append(b, ','), "request_id"), a.RequestID)
	if parts.has(includeReadTime) {
		b = append(appendField(append(b, ','), "read_time"), '[')
		for i, t := range a.ReadTimes {
			b = appendText(comma(b, i), t.String())
		}
		b = append(b, ']')
	}
	b = append(appendField(append(b, ','), "columns"), '[')
	for i := range a.Columns {
		b = appendColumn(comma(b, i), &a.Columns[i], parts)
	}
	b = append(appendField(append(b, ']', ','), "views"), '[')
	for i := range a.Roles {
		b = appendRole(comma(b, i), &a.Roles[i], parts)
	}
	return append(b, ']', '}')
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func appendField(b []byte, name string) []byte {
	return append(append(append(b, '"'), name...), '"', ':')
}

func appendColumn(b []byte, c *service.Column, parts include) []byte {
	b = appendText(appendField(append(b, '{'), "name"), c.Name)
	b = appendText(appendField(append(b, ','), "type"), c.Type.String())
	b = append(appendField(append(b, ','), "values"), '[')
	for i := range c.Cells {
		b = appendValue(comma(b, i), c.Cells[i].Value, c.Type)
	}
	b = append(b, ']')
	if parts.has(includeStatus) {
		b = append(appendField(append(b, ','), "status"), '[')
		for i := range c.Cells {
			b = append(comma(b, i), '"')
			b = append(append(b, c.Cells[i].Status.String()...), '"')
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendRole(b []byte, r *service.Role, parts include) []byte {
	b = appendText(appendField(append(b, '{'), "view"), r.View)
	if r.As != "" {
		b = appendText(appendField(append(b, ','), "as"), r.As)
	}
	b = strconv.AppendUint(appendField(append(b, ','), "generation"), uint64(r.Generation), 10)
	if parts.has(includeWatermark) {
		b = appendField(append(b, ','), "watermark")
		if r.HasWatermark {
			b = appendText(b, r.Watermark.String())
		} else {
			b = append(b, "null"...)
		}
	}
	if parts.has(includeEventTime) {
		b = append(appendField(append(b, ','), "event_time"), '[')
		for i := range r.Rows {
			b = comma(b, i)
			if r.Rows[i].HasTime {
				b = appendText(b, r.Rows[i].Time.String())
			} else {
				b = append(b, "null"...)
			}
		}
		b = append(b, ']')
	}
	if parts.has(includePositions) {
		b = append(appendField(append(b, ','), "positions"), '[')
		for i := range r.Rows {
			b = appendPositions(comma(b, i), r, &r.Rows[i])
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendPositions(b []byte, r *service.Role, s *service.RowState) []byte {
	b = append(b, '{')
	if s.Run != "" {
		return append(appendText(appendField(b, "run"), s.Run), '}')
	}
	b = append(appendField(b, "applied"), '[')
	for i, e := range s.Applied {
		b = appendText(appendField(append(comma(b, i), '{'), "source"), r.Sources[e.Source])
		b = strconv.AppendUint(appendField(append(b, ','), "generation"), uint64(e.Generation), 10)
		b = strconv.AppendInt(appendField(append(b, ','), "partition"), int64(e.Partition), 10)
		b = strconv.AppendInt(appendField(append(b, ','), "offset"), e.Offset, 10)
		b = appendText(appendField(append(b, ','), "max_log_time"), e.MaxLogTime.String())
		b = append(b, '}')
	}
	return append(b, ']', '}')
}

func appendValue(b []byte, v featurestore.Value, t featurestore.Type) []byte {
	switch v.Kind() {
	case featurestore.KindNull:
		return append(b, "null"...)
	case featurestore.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case featurestore.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case featurestore.KindDouble:
		return appendDouble(b, v.Double())
	case featurestore.KindString:
		return appendText(b, v.Str())
	case featurestore.KindBytes:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, []byte(v.Str()))
		return append(b, '"')
	case featurestore.KindList:
		b = append(b, '[')
		for i, e := range v.Elems() {
			b = appendValue(comma(b, i), e, elem(t))
		}
		return append(b, ']')
	case featurestore.KindMap:
		b = append(b, '{')
		for i, e := range v.Elems() {
			b = append(appendText(comma(b, i), v.Keys()[i]), ':')
			b = appendValue(b, e, elem(t))
		}
		return append(b, '}')
	default: // timestamps and decimals are texts
		return appendText(b, v.Text(t))
	}
}

func elem(t featurestore.Type) featurestore.Type {
	if t.Elem == nil {
		return featurestore.Type{}
	}
	return *t.Elem
}

// appendDouble writes the shortest text that reads back as the same bits.
func appendDouble(b []byte, f float64) []byte {
	start := len(b)
	abs := f
	if abs < 0 {
		abs = -abs
	}
	format := byte('f')
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if format == 'e' {
		return b
	}
	for _, c := range b[start:] {
		if c == '.' {
			return b
		}
	}
	return append(b, '.', '0')
}

const hexDigits = "0123456789abcdef"

// appendText writes a JSON string; bytes that are no UTF-8 become U+FFFD.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[start:i]...), "\ufffd"...)
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
