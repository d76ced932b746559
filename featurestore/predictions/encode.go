package predictions

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// flags of a lookup, and of what a role read.
const (
	flagAsOf      byte = 1
	flagWatermark byte = 1
)

// AppendLookup appends a lookup under the schema that stands before it in the
// segment. Texts that are no UTF-8 get U+FFFD for what is not: Parquet's texts
// have no other. The error says which value is not of its column's type; dst is
// then as it was.
func AppendLookup(dst []byte, schema int, l *Lookup) ([]byte, error) {
	if err := l.check(); err != nil {
		return dst, err
	}
	return frame(dst, func(b []byte) []byte {
		b = pack.AppendUint(append(b, byte(kindLookup)), uint64(schema))
		b = pack.AppendUint(b, uint64(l.Rows()))
		b = pack.AppendInt(b, int64(l.LoggedAt))
		b = pack.AppendText(b, cleanText(l.RequestID))
		flags := byte(0)
		if l.AsOf {
			flags |= flagAsOf
		}
		b = pack.AppendInt(append(b, flags), l.Revision)
		for _, t := range l.ReadTimes {
			b = pack.AppendInt(b, int64(t-l.LoggedAt))
		}
		b = appendValues(appendValues(b, l.Entities), l.Request)
		for _, column := range l.Columns {
			for _, c := range column {
				b = pack.AppendValue(append(b, byte(c.Status)), clean(c.Value))
			}
		}
		for i := range l.Roles {
			b = appendRole(b, &l.Roles[i])
		}
		return b
	}), nil
}

func appendValues(b []byte, columns [][]featurestore.Value) []byte {
	for _, column := range columns {
		for _, v := range column {
			b = pack.AppendValue(b, clean(v))
		}
	}
	return b
}

func appendRole(b []byte, r *RoleRead) []byte {
	b = pack.AppendUint(b, uint64(r.Generation))
	if r.HasWatermark && writable(r.Watermark) {
		b = pack.AppendInt(append(b, flagWatermark), int64(r.Watermark))
	} else {
		b = append(b, 0)
	}
	for i := range r.Rows {
		b = pack.AppendText(b, r.Rows[i].Run)
		b = pack.AppendUint(b, uint64(len(r.Rows[i].Applied)))
		for _, e := range r.Rows[i].Applied {
			b = pack.AppendUint(b, uint64(e.Source))
			b = pack.AppendUint(b, uint64(e.Generation))
			b = pack.AppendInt(b, int64(e.Partition))
			b = pack.AppendInt(b, e.Offset)
			b = pack.AppendInt(b, int64(e.MaxLogTime))
		}
	}
	return b
}

// AppendPrediction appends a model's outputs.
func AppendPrediction(dst []byte, p *Prediction) []byte {
	return frame(dst, func(b []byte) []byte {
		b = pack.AppendInt(append(b, byte(kindPrediction)), int64(p.LoggedAt))
		b = pack.AppendText(b, cleanText(p.RequestID))
		b = pack.AppendInt(b, p.Row)
		b = pack.AppendText(b, cleanText(p.Model))
		b = pack.AppendUint(b, uint64(len(p.Outputs)))
		for _, o := range p.Outputs {
			b = pack.AppendValue(pack.AppendText(b, cleanText(o.Name)), clean(o.Value))
		}
		return b
	})
}

func cleanText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func clean(v featurestore.Value) featurestore.Value {
	switch v.Kind() {
	case featurestore.KindString:
		if !utf8.ValidString(v.Str()) {
			return featurestore.StringValue(cleanText(v.Str()))
		}
	case featurestore.KindList:
		return featurestore.ListValue(cleanAll(v.Elems()))
	case featurestore.KindMap:
		return cleanMap(v)
	}
	return v
}

// cleanMap keeps the keys ascending and apart: of keys that are one when they
// are clean, the first stays.
func cleanMap(v featurestore.Value) featurestore.Value {
	keys, values := []string{}, []featurestore.Value{}
	for i, k := range v.Keys() {
		k = cleanText(k)
		if at, found := slices.BinarySearch(keys, k); !found {
			keys, values = slices.Insert(keys, at, k), slices.Insert(values, at, clean(v.Elems()[i]))
		}
	}
	return featurestore.MapValue(keys, values)
}

func cleanAll(in []featurestore.Value) []featurestore.Value {
	out := make([]featurestore.Value, len(in))
	for i, v := range in {
		out[i] = clean(v)
	}
	return out
}

// check makes sure that the lookup is what its header says, so that a file can
// be made of it later.
func (l *Lookup) check() error {
	h := l.Header
	if len(l.Entities) != len(h.Entities) || len(l.Request) != len(h.Request) || len(l.Columns) != len(h.Columns) || len(l.Roles) != len(h.Roles) {
		return fmt.Errorf("request %q does not have the columns of service %s", l.RequestID, h.Service)
	}
	n := l.Rows()
	for i := range l.Entities {
		if err := l.checkColumn(&h.Entities[i], l.Entities[i], n); err != nil {
			return err
		}
	}
	for i := range l.Request {
		if err := l.checkColumn(&h.Request[i], l.Request[i], n); err != nil {
			return err
		}
	}
	for i := range l.Columns {
		if len(l.Columns[i]) != n {
			return l.wrongLength(h.Columns[i].Name, len(l.Columns[i]), n)
		}
		for k := range l.Columns[i] {
			if !fits(l.Columns[i][k].Value, h.Columns[i].Type) || l.Columns[i][k].Status > featurestore.Present {
				return l.wrongKind(&h.Columns[i], l.Columns[i][k].Value)
			}
		}
	}
	for _, t := range append([]featurestore.Instant{l.LoggedAt}, l.ReadTimes...) {
		if !writable(t) {
			return fmt.Errorf("request %q: the instant %d is outside of the years 0001 to 9999", l.RequestID, t)
		}
	}
	return l.checkRoles(n)
}

// writable reports whether RFC 3339 can write an instant.
func writable(t featurestore.Instant) bool {
	return t >= featurestore.MinInstant && t <= featurestore.MaxInstant
}

func (l *Lookup) checkColumn(f *Field, values []featurestore.Value, rows int) error {
	if len(values) != rows {
		return l.wrongLength(f.Name, len(values), rows)
	}
	for _, v := range values {
		if !fits(v, f.Type) {
			return l.wrongKind(f, v)
		}
	}
	return nil
}

func (l *Lookup) checkRoles(rows int) error {
	for i := range l.Roles {
		if len(l.Roles[i].Rows) != rows {
			return l.wrongLength(l.Header.Roles[i].Prefix, len(l.Roles[i].Rows), rows)
		}
		for k := range l.Roles[i].Rows {
			for _, e := range l.Roles[i].Rows[k].Applied {
				if int(e.Source) >= len(l.Header.Roles[i].Sources) || !writable(featurestore.Instant(e.MaxLogTime)) {
					return fmt.Errorf("request %q: the applied list of %q has an entry of source %d of %d, at %d", l.RequestID, l.Header.Roles[i].Prefix, e.Source, len(l.Header.Roles[i].Sources), e.MaxLogTime)
				}
			}
		}
	}
	return nil
}

func (l *Lookup) wrongLength(name string, got, want int) error {
	return fmt.Errorf("request %q: %q has %d rows of %d", l.RequestID, name, got, want)
}

func (l *Lookup) wrongKind(f *Field, v featurestore.Value) error {
	return fmt.Errorf("request %q: column %q is %s, its value a %s", l.RequestID, f.Name, f.Type, v.Kind())
}

func fits(v featurestore.Value, t featurestore.Type) bool {
	if v.IsNull() {
		return true
	}
	if v.Kind() != t.Kind || t.Kind == featurestore.KindTimestamp && !writable(v.Timestamp()) {
		return false
	}
	for _, e := range v.Elems() {
		if !fits(e, elem(t)) {
			return false
		}
	}
	return true
}
