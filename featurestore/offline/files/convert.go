package files

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// converter makes readers of Parquet values: what a column may hold is decided
// once, by its types; what a value may be, for each value.
type converter struct {
	texts   texts
	invalid *int64
}

type (
	readValue   func(parquet.Value) (featurestore.Value, error)
	readInstant func(parquet.Value) (featurestore.Instant, error)
)

// value is the reader of a column as a field of type want; a timestamp has the
// form of the source's times. The value is not null.
func (c *converter) value(have parquet.Type, want featurestore.Type, times *definition.TimeSpec) (readValue, error) {
	var read readValue
	switch want.Kind {
	case featurestore.KindBool:
		if have.Kind() == parquet.Boolean {
			read = func(v parquet.Value) (featurestore.Value, error) { return featurestore.BoolValue(v.Boolean()), nil }
		}
	case featurestore.KindInt64:
		if integer := c.integer(have); integer != nil {
			read = func(v parquet.Value) (featurestore.Value, error) {
				n, err := integer(v)
				return featurestore.Int64Value(n), err
			}
		}
	case featurestore.KindDouble:
		read = c.double(have)
	case featurestore.KindString:
		read = c.text(have)
	case featurestore.KindBytes:
		if plainBytes(have) {
			read = func(v parquet.Value) (featurestore.Value, error) {
				return featurestore.BytesValue(c.texts.add(v.ByteArray())), nil
			}
		}
	case featurestore.KindTimestamp:
		return c.timestamp(have, times)
	case featurestore.KindDecimal:
		read = c.decimal(have, want)
	case featurestore.KindList, featurestore.KindMap:
		read = c.composite(have, want)
	}
	if read == nil {
		return nil, fmt.Errorf("its type is %s, want %s", have, want)
	}
	return read, nil
}

// integer reads integers without another meaning; nil where have is none.
func (c *converter) integer(have parquet.Type) func(parquet.Value) (int64, error) {
	signed := true
	if lt := have.LogicalType(); lt != nil {
		switch t := lt.Value.(type) {
		case *format.IntType:
			signed = t.IsSigned
		case nil:
		default:
			return nil
		}
	}
	switch {
	case have.Kind() == parquet.Int32 && signed:
		return func(v parquet.Value) (int64, error) { return int64(v.Int32()), nil }
	case have.Kind() == parquet.Int32:
		return func(v parquet.Value) (int64, error) { return int64(v.Uint32()), nil }
	case have.Kind() == parquet.Int64 && signed:
		return func(v parquet.Value) (int64, error) { return v.Int64(), nil }
	case have.Kind() == parquet.Int64:
		return func(v parquet.Value) (int64, error) {
			if v.Uint64() > math.MaxInt64 {
				return 0, fmt.Errorf("%d is out of the range of int64", v.Uint64())
			}
			return v.Int64(), nil
		}
	}
	return nil
}

// double reads floating point, and integers that a double holds exactly.
func (c *converter) double(have parquet.Type) readValue {
	switch have.Kind() {
	case parquet.Double:
		return func(v parquet.Value) (featurestore.Value, error) { return c.finite(v.Double()), nil }
	case parquet.Float:
		return func(v parquet.Value) (featurestore.Value, error) { return c.finite(float64(v.Float())), nil }
	}
	integer := c.integer(have)
	if integer == nil {
		return nil
	}
	return func(v parquet.Value) (featurestore.Value, error) {
		n, err := integer(v)
		if err == nil && (n > 1<<53 || n < -1<<53) {
			err = fmt.Errorf("%d is not exact as a double", n)
		}
		return featurestore.DoubleValue(float64(n)), err
	}
}

// finite counts a typed NaN or infinity, which becomes null.
func (c *converter) finite(f float64) featurestore.Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		*c.invalid++
	}
	return featurestore.DoubleValue(f)
}

// text reads UTF-8; a byte array that does not say what it is may be text.
func (c *converter) text(have parquet.Type) readValue {
	if have.Kind() != parquet.ByteArray {
		return nil
	}
	if lt := have.LogicalType(); lt != nil {
		switch lt.Value.(type) {
		case nil, *format.StringType, *format.EnumType, *format.JsonType:
		default:
			return nil
		}
	}
	return func(v parquet.Value) (featurestore.Value, error) {
		b := v.ByteArray()
		if !utf8.Valid(b) {
			return featurestore.Null, fmt.Errorf("%q is not UTF-8", b)
		}
		return featurestore.StringValue(c.texts.add(b)), nil
	}
}

func plainBytes(have parquet.Type) bool {
	if have.Kind() != parquet.ByteArray && have.Kind() != parquet.FixedLenByteArray {
		return false
	}
	lt := have.LogicalType()
	return lt == nil || lt.Value == nil
}

// timestamp reads a field of type timestamp.
func (c *converter) timestamp(have parquet.Type, times *definition.TimeSpec) (readValue, error) {
	read, err := c.instant(have, times)
	if err != nil {
		return nil, err
	}
	return func(v parquet.Value) (featurestore.Value, error) {
		t, err := read(v)
		return featurestore.TimestampValue(t), err
	}, nil
}

// instant is the reader of a column of times: the file's own timestamp type
// beside any declared format, text and integers as the format says.
func (c *converter) instant(have parquet.Type, spec *definition.TimeSpec) (readInstant, error) {
	if lt := have.LogicalType(); lt != nil {
		switch t := lt.Value.(type) {
		case *format.TimestampType:
			return c.native(t, spec)
		case *format.DateType:
			if spec.Zone == nil {
				return nil, fmt.Errorf("it is a date: %w", featurestore.ErrNoZone)
			}
			return func(v parquet.Value) (featurestore.Instant, error) {
				return inZone(featurestore.Instant(int64(v.Int32())*int64(featurestore.Day)), spec.Zone)
			}, nil
		}
	}
	if spec.Format == definition.FormatNative {
		return nil, fmt.Errorf("its type is %s, want a timestamp (format: native)", have)
	}
	if digits, ok := unixDigits(spec.Format); ok {
		return c.unix(have, digits)
	}
	if c.text(have) == nil {
		return nil, fmt.Errorf("its type is %s, want text in the declared format or a timestamp", have)
	}
	return func(v parquet.Value) (featurestore.Instant, error) { return parseTime(spec, string(v.ByteArray())) }, nil
}

// unix reads integers, and doubles by their shortest text, as counts of a unit.
func (c *converter) unix(have parquet.Type, digits int) (readInstant, error) {
	if have.Kind() == parquet.Double {
		return func(v parquet.Value) (featurestore.Instant, error) {
			n, err := exactDecimal(strconv.FormatFloat(v.Double(), 'f', -1, 64), featurestore.MaxDecimalPrecision, digits)
			if err != nil {
				return 0, fmt.Errorf("%v is not a count of its unit, exact to the microsecond", v.Double())
			}
			return inRange(featurestore.Instant(n))
		}, nil
	}
	integer := c.integer(have)
	if integer == nil {
		return nil, fmt.Errorf("its type is %s, want numbers of a unix format or a timestamp", have)
	}
	unit := unixUnit(digits)
	return func(v parquet.Value) (featurestore.Instant, error) {
		n, err := integer(v)
		if err != nil {
			return 0, err
		}
		return fromUnix(n, unit)
	}, nil
}

func (c *converter) native(t *format.TimestampType, spec *definition.TimeSpec) (readInstant, error) {
	var read func(int64) (featurestore.Instant, error)
	switch t.Unit.Value.(type) {
	case *format.MilliSeconds:
		read = func(n int64) (featurestore.Instant, error) { return fromUnix(n, 1000) }
	case *format.MicroSeconds:
		read = func(n int64) (featurestore.Instant, error) { return inRange(featurestore.Instant(n)) }
	case *format.NanoSeconds:
		read = fromNanos
	default:
		return nil, fmt.Errorf("its timestamps have an unknown unit")
	}
	if t.IsAdjustedToUTC {
		return func(v parquet.Value) (featurestore.Instant, error) { return read(v.Int64()) }, nil
	}
	if spec.Zone == nil {
		return nil, fmt.Errorf("its timestamps are not adjusted to UTC: %w", featurestore.ErrNoZone)
	}
	return func(v parquet.Value) (featurestore.Instant, error) {
		wall, err := read(v.Int64())
		if err != nil {
			return 0, err
		}
		return inZone(wall, spec.Zone)
	}, nil
}

// decimal reads decimals exactly, and integers as decimals of scale 0; nil
// where have is neither.
func (c *converter) decimal(have parquet.Type, want featurestore.Type) readValue {
	scale, unscaled := 0, (func(parquet.Value) (*big.Int, error))(nil)
	if integer := c.integer(have); integer != nil {
		unscaled = func(v parquet.Value) (*big.Int, error) {
			n, err := integer(v)
			return big.NewInt(n), err
		}
	} else if d := decimalOf(have); d != nil {
		scale, unscaled = int(d.Scale), unscaledOf(have.Kind())
	} else {
		return nil
	}
	up, down := pow10(want.Scale-scale), pow10(scale-want.Scale)
	limit := pow10(want.Precision)
	return func(v parquet.Value) (featurestore.Value, error) {
		n, err := unscaled(v)
		if err != nil {
			return featurestore.Null, err
		}
		scaled, rest := new(big.Int).QuoRem(new(big.Int).Mul(n, up), down, new(big.Int))
		if rest.Sign() != 0 || scaled.CmpAbs(limit) >= 0 {
			return featurestore.Null, fmt.Errorf("%s / 10^%d is not exact as %s", n, scale, want)
		}
		return featurestore.DecimalValue(scaled.Int64()), nil
	}
}

func decimalOf(have parquet.Type) *format.DecimalType {
	lt := have.LogicalType()
	if lt == nil {
		return nil
	}
	d, _ := lt.Value.(*format.DecimalType)
	return d
}

func unscaledOf(k parquet.Kind) func(parquet.Value) (*big.Int, error) {
	switch k {
	case parquet.Int32:
		return func(v parquet.Value) (*big.Int, error) { return big.NewInt(int64(v.Int32())), nil }
	case parquet.Int64:
		return func(v parquet.Value) (*big.Int, error) { return big.NewInt(v.Int64()), nil }
	default:
		return func(v parquet.Value) (*big.Int, error) { return twosComplement(v.ByteArray()), nil }
	}
}

// twosComplement reads a big-endian two's complement integer.
func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

func pow10(n int) *big.Int {
	if n <= 0 {
		return big.NewInt(1)
	}
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}
