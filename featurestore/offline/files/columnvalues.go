package files

import (
	"math"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
)

// adderOf appends values of a field that are there; nil where the column has another
// type than a file that we wrote.
func adderOf(have parquet.Type, want featurestore.Type) func(p *pages, n int, to *columnar.Column) error {
	switch want.Kind {
	case featurestore.KindBool:
		if have.Kind() == parquet.Boolean {
			return addBools
		}
	case featurestore.KindInt64:
		if have.Kind() == parquet.Int64 && signed(have) {
			return addInts
		}
	case featurestore.KindDouble:
		if have.Kind() == parquet.Double {
			return addDoubles
		}
	case featurestore.KindTimestamp:
		if inMicros(have) {
			return addInts
		}
	case featurestore.KindDecimal:
		if d := decimalOf(have); d != nil && have.Kind() == parquet.Int64 && int(d.Scale) == want.Scale {
			return addInts
		}
	case featurestore.KindString:
		if (&converter{}).text(have) != nil {
			return addTexts
		}
	case featurestore.KindBytes:
		if have.Kind() == parquet.ByteArray && plainBytes(have) {
			return addTexts
		}
	}
	return nil
}

// signed reports whether integers are signed, and mean nothing else.
func signed(have parquet.Type) bool {
	lt := have.LogicalType()
	if lt == nil || lt.Value == nil {
		return true
	}
	t, ok := lt.Value.(*format.IntType)
	return ok && t.IsSigned
}

func inMicros(have parquet.Type) bool {
	lt := have.LogicalType()
	if lt == nil || have.Kind() != parquet.Int64 {
		return false
	}
	t, ok := lt.Value.(*format.TimestampType)
	if !ok || !t.IsAdjustedToUTC {
		return false
	}
	_, micros := t.Unit.Value.(*format.MicroSeconds)
	return micros
}

// check looks at the values of a page, or of its dictionary: those that no row may
// have are found row by row.
func (p *pages) check() error {
	switch p.typ.Kind {
	case featurestore.KindTimestamp:
		return within(p.ints, int64(featurestore.MinInstant), int64(featurestore.MaxInstant))
	case featurestore.KindDecimal:
		most := pow10(p.typ.Precision).Int64() - 1
		return within(p.ints, -most, most)
	case featurestore.KindDouble:
		for _, f := range p.doubles {
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return ErrByRow
			}
		}
	case featurestore.KindString:
		if ascii(p.texts) {
			return nil
		}
		for i, end := range p.starts[1:] {
			if !utf8.Valid(p.texts[p.starts[i]:end]) {
				return ErrByRow
			}
		}
	}
	return nil
}

func within(values []int64, least, most int64) error {
	for _, v := range values {
		if v < least || v > most {
			return ErrByRow
		}
	}
	return nil
}

func ascii(b []byte) bool {
	var any byte
	for _, c := range b {
		any |= c
	}
	return any < utf8.RuneSelf
}

func addInts(p *pages, n int, to *columnar.Column) error {
	if p.indexes != nil {
		for _, i := range p.indexes[p.value : p.value+n] {
			columnar.AddBits(to, p.ints[i:i+1])
		}
		return nil
	}
	columnar.AddBits(to, p.ints[p.value:p.value+n])
	return nil
}

func addDoubles(p *pages, n int, to *columnar.Column) error {
	for i := p.value; i < p.value+n; i++ {
		at := i
		if p.indexes != nil {
			at = int(p.indexes[i])
		}
		columnar.AddBits(to, []uint64{featurestore.DoubleValue(p.doubles[at]).Bits()})
	}
	return nil
}

func addBools(p *pages, n int, to *columnar.Column) error {
	for i := p.value; i < p.value+n; i++ {
		at := i
		if p.indexes != nil {
			at = int(p.indexes[i])
		}
		columnar.AddBits(to, []uint64{uint64(p.bools[at/8] >> (at % 8) & 1)})
	}
	return nil
}

func addTexts(p *pages, n int, to *columnar.Column) error {
	if p.indexes != nil {
		for _, i := range p.indexes[p.value : p.value+n] {
			to.AddText(p.texts[p.starts[i]:p.starts[i+1]])
		}
		return nil
	}
	to.AddTexts(p.texts, p.starts[p.value:p.value+n+1])
	return nil
}
