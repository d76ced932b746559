package files

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// maxLine bounds a line of JSON; a longer one is a bad row.
const maxLine = 16 << 20

// jsonFile reads JSON lines: one object a line. A member that is missing or
// null is null. Times are text in rfc3339 or a layout and whole numbers in the
// unix formats; bytes are base64, decimals numbers or text.
type jsonFile struct {
	f      *os.File
	r      *bufio.Reader
	spec   *Spec
	needed []int
	parser fastjson.Parser
	texts  texts
	line   []byte
	number []byte
}

func openJSONL(path, name string, spec *Spec) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(name, err)
	}
	return &jsonFile{f: f, r: bufio.NewReaderSize(f, 256<<10), spec: spec, needed: neededFields(spec)}, nil
}

func (j *jsonFile) read(rows []Row) (int, error) {
	for n := range rows {
		line, tooLong, err := j.nextLine()
		if errors.Is(err, io.EOF) {
			return n, io.EOF
		}
		if err != nil {
			return n, fmt.Errorf("reading %q: %w", j.f.Name(), err)
		}
		if tooLong {
			rows[n].fail(fmt.Sprintf("the line is longer than %d bytes", maxLine))
			continue
		}
		object, err := j.parser.ParseBytes(line)
		if err != nil {
			rows[n].fail("not JSON: " + err.Error())
			continue
		}
		if object.Type() != fastjson.TypeObject {
			rows[n].fail(fmt.Sprintf("the line is a JSON %s, not an object", object.Type()))
			continue
		}
		j.row(&rows[n], object)
	}
	return len(rows), nil
}

// nextLine gives the next line that is not blank.
func (j *jsonFile) nextLine() (line []byte, tooLong bool, err error) {
	for {
		j.line, tooLong = j.line[:0], false
		for {
			part, err := j.r.ReadSlice('\n')
			if len(j.line)+len(part) > maxLine {
				tooLong = true
			} else {
				j.line = append(j.line, part...)
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if err != nil && (!errors.Is(err, io.EOF) || len(j.line) == 0 && !tooLong) {
				return nil, false, err
			}
			break
		}
		if trimmed := bytes.TrimSpace(j.line); tooLong || len(trimmed) > 0 {
			return trimmed, tooLong, nil
		}
	}
}

func (j *jsonFile) row(row *Row, object *fastjson.Value) {
	if a := j.spec.Available; a != nil {
		if t, err := j.time(a, object.Get(a.Name)); err != nil {
			row.fail(fmt.Sprintf("member %q: %v", a.Name, err))
		} else {
			row.Available = featurestore.LogTime(t)
		}
	}
	if j.spec.Time.Origin != definition.TimeRecord {
		if t, err := j.time(&j.spec.Time, object.Get(j.spec.Time.Name)); err != nil {
			row.fail(fmt.Sprintf("member %q: %v", j.spec.Time.Name, err))
		} else {
			row.Time = featurestore.EventTime(t)
		}
	}
	row.setTimes(j.spec)
	clear(row.Fields)
	for _, i := range j.needed {
		f := &j.spec.Fields[i]
		v, err := j.value(f.Type, object.Get(f.Name))
		if err != nil {
			row.fail(fmt.Sprintf("field %q: %v", f.Name, err))
		}
		row.Fields[i] = v
	}
}

func (j *jsonFile) time(spec *definition.TimeSpec, v *fastjson.Value) (featurestore.Instant, error) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return 0, errors.New("the time is missing")
	}
	want := fastjson.TypeString
	if unixUnit(spec.Format) != 0 {
		want = fastjson.TypeNumber
	}
	if v.Type() != want {
		return 0, fmt.Errorf("a JSON %s, want a %s", v.Type(), want)
	}
	if want == fastjson.TypeNumber {
		return parseTime(spec, string(j.numberText(v)))
	}
	return parseTime(spec, string(v.GetStringBytes()))
}

func (j *jsonFile) numberText(v *fastjson.Value) []byte {
	j.number = v.MarshalTo(j.number[:0])
	return j.number
}

func (j *jsonFile) value(t featurestore.Type, v *fastjson.Value) (featurestore.Value, error) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return featurestore.Null, nil
	}
	switch got := v.Type(); {
	case t.Kind == featurestore.KindBool && (got == fastjson.TypeTrue || got == fastjson.TypeFalse):
		return featurestore.BoolValue(got == fastjson.TypeTrue), nil
	case got == fastjson.TypeNumber && (t.Kind == featurestore.KindInt64 || t.Kind == featurestore.KindDouble || t.Kind == featurestore.KindDecimal):
		text := string(j.numberText(v))
		if !jsonNumber(text) {
			return featurestore.Null, fmt.Errorf("%s is not a JSON number", text)
		}
		return fromText(t, text)
	case got == fastjson.TypeString && t.Kind == featurestore.KindString:
		text := v.GetStringBytes()
		if !utf8.Valid(text) {
			return featurestore.Null, fmt.Errorf("%q is not UTF-8", text)
		}
		return featurestore.StringValue(j.texts.add(text)), nil
	case got == fastjson.TypeString && (t.Kind == featurestore.KindBytes || t.Kind == featurestore.KindTimestamp || t.Kind == featurestore.KindDecimal):
		return fromText(t, string(v.GetStringBytes()))
	default:
		return featurestore.Null, fmt.Errorf("a JSON %s is not a %s", got, t)
	}
}

func (j *jsonFile) close() error { return j.f.Close() }
