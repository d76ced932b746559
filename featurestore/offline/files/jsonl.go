package files

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// maxLine bounds a line of JSON; a longer one is a bad row, as a larger record
// of a topic is.
const maxLine = 1 << 20

// jsonFile reads JSON lines: one object a line, by the rules by which the same
// object is decoded from a topic. A member that is missing or null is null, one
// that stands twice makes the row bad. Times, also of fields, are text in
// rfc3339 or a layout and numbers in the unix formats; bytes are base64,
// decimals numbers or text.
type jsonFile struct {
	f      *os.File
	r      *bufio.Reader
	spec   *Spec
	needed []int
	paths  [][]string // of the fields
	inner  *jsonNode  // of the objects that paths go through
	cells  jsonCells
	line   []byte
	names  [][]byte // of an object, while it is read
}

// jsonCells makes values of what stands in JSON.
type jsonCells struct {
	times  *definition.TimeSpec
	parser fastjson.Parser
	texts  texts
	number []byte
}

func openJSONL(path, name string, spec *Spec) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(name, err)
	}
	j := &jsonFile{f: f, r: bufio.NewReaderSize(f, 256<<10), spec: spec, needed: neededFields(spec), inner: &jsonNode{}}
	j.cells.times = &spec.Time
	for i := range spec.Fields {
		path := spec.Fields[i].At()
		j.paths = append(j.paths, path)
		j.inner.add(path)
	}
	return j, nil
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
		object, problem := j.parse(line)
		if problem != "" {
			rows[n].fail(problem)
			continue
		}
		j.row(&rows[n], object)
	}
	return len(rows), nil
}

// parse reads a line as one object. The quick parser lets through what is not
// quite JSON, so that the grammar is checked by the standard library.
func (j *jsonFile) parse(line []byte) (object *fastjson.Value, problem string) {
	if !utf8.Valid(line) {
		return nil, "the line is not UTF-8"
	}
	object, err := j.cells.parser.ParseBytes(line)
	if err != nil || !json.Valid(line) {
		return nil, notJSON(line)
	}
	if object.Type() != fastjson.TypeObject {
		return nil, fmt.Sprintf("the line is a JSON %s, not an object", object.Type())
	}
	return object, j.inner.check(object, &j.names)
}

// notJSON says where a line ceases to be JSON, without the line's content.
func notJSON(line []byte) string {
	var any json.RawMessage
	if at := new(json.SyntaxError); errors.As(json.Unmarshal(line, &any), &at) {
		return fmt.Sprintf("not JSON: %v, at byte %d", at, at.Offset)
	}
	return "not JSON that can be read: it is nested too deeply"
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
		if t, err := j.cells.time(a, object.Get(j.pathOf(a.Name)...)); err != nil {
			row.fail(j.spec.timeProblem(a.Name, err))
		} else {
			row.Available = featurestore.LogTime(t)
		}
	}
	if j.spec.Time.Origin != definition.TimeRecord {
		if t, err := j.cells.time(&j.spec.Time, object.Get(j.pathOf(j.spec.Time.Name)...)); err != nil {
			row.fail(j.spec.timeProblem(j.spec.Time.Name, err))
		} else {
			row.Time = featurestore.EventTime(t)
		}
	}
	row.setTimes(j.spec)
	clear(row.Fields)
	for _, i := range j.needed {
		f := &j.spec.Fields[i]
		v, err := j.cells.value(f.Type, object.Get(j.paths[i]...))
		if err != nil {
			row.failField(f, err)
		}
		row.Fields[i] = v
	}
}

func (j *jsonCells) time(spec *definition.TimeSpec, v *fastjson.Value) (featurestore.Instant, error) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return 0, errNoTime
	}
	want := fastjson.TypeString
	if _, ok := unixDigits(spec.Format); ok {
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

func (j *jsonCells) numberText(v *fastjson.Value) []byte {
	j.number = v.MarshalTo(j.number[:0])
	return j.number
}

func (j *jsonCells) value(t featurestore.Type, v *fastjson.Value) (featurestore.Value, error) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return featurestore.Null, nil
	}
	switch got := v.Type(); {
	case t.Kind == featurestore.KindTimestamp:
		at, err := j.time(j.times, v)
		return featurestore.TimestampValue(at), err
	case t.Kind == featurestore.KindBool && (got == fastjson.TypeTrue || got == fastjson.TypeFalse):
		return featurestore.BoolValue(got == fastjson.TypeTrue), nil
	case got == fastjson.TypeNumber && (t.Kind == featurestore.KindInt64 || t.Kind == featurestore.KindDouble || t.Kind == featurestore.KindDecimal):
		return fromText(t, nil, string(j.numberText(v)))
	case got == fastjson.TypeString && t.Kind == featurestore.KindString:
		return featurestore.StringValue(j.texts.add(v.GetStringBytes())), nil
	case got == fastjson.TypeString && (t.Kind == featurestore.KindBytes || t.Kind == featurestore.KindDecimal):
		return fromText(t, nil, string(v.GetStringBytes()))
	case t.Kind == featurestore.KindList:
		return j.list(t, v)
	case t.Kind == featurestore.KindMap:
		return j.mapping(t, v)
	default:
		return featurestore.Null, fmt.Errorf("a JSON %s is not a %s", got, t)
	}
}

// pathOf is where a time stands: at the path of the field of its name.
func (j *jsonFile) pathOf(name string) []string {
	for i := range j.spec.Fields {
		if j.spec.Fields[i].Name == name {
			return j.paths[i]
		}
	}
	return []string{name}
}

func (j *jsonFile) close() error { return j.f.Close() }
