package decode

import (
	"errors"
	"math"
	"strconv"
	"unsafe"
)

var (
	errNotInteger = errors.New("it is not an integer")
	errRange      = errors.New("it is out of range")
	errNotDecimal = errors.New("it is not a decimal with so few fraction digits")
)

// parseInt64 reads the text of a JSON number as an integer: no fraction, no
// exponent.
func parseInt64(b []byte) (int64, error) {
	digits := b
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		digits = b[1:]
	}
	if len(digits) == 0 {
		return 0, errNotInteger
	}
	var n uint64
	for _, c := range digits {
		d := c - '0'
		if d > 9 {
			return 0, errNotInteger
		}
		if n > (math.MaxUint64-9)/10 {
			return 0, errRange
		}
		n = n*10 + uint64(d)
	}
	if neg {
		if n > -math.MinInt64 {
			return 0, errRange
		}
		return -int64(n), nil
	}
	if n > math.MaxInt64 {
		return 0, errRange
	}
	return int64(n), nil
}

// pow10 are the powers of ten that a double holds exactly.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// parseDouble reads the text of a JSON number, correctly rounded. Where digits
// and power of ten are both exact as doubles, one division or product of them is
// (Clinger's fast path); the rest is left to the standard library.
func parseDouble(b []byte) (float64, error) {
	i, neg := 0, false
	if len(b) > 0 && b[0] == '-' {
		i, neg = 1, true
	}
	var digits uint64
	point := -1
	for start := i; i < len(b) && i-start < 17; i++ {
		c := b[i]
		if c-'0' <= 9 {
			digits = digits*10 + uint64(c-'0')
			continue
		}
		if c != '.' || point >= 0 {
			break
		}
		point = i
	}
	if i < len(b) || digits > 1<<53 {
		// The text lives as long as the call.
		return strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 64)
	}
	f := float64(digits)
	if point >= 0 {
		f /= pow10[len(b)-1-point]
	}
	if neg {
		f = -f
	}
	return f, nil
}

// parseDecimal reads decimal(precision, scale) exactly, never through a float.
// Without an exponent it takes what featurestore.ParseDecimal takes; with one,
// what has no digit below the scale.
func parseDecimal(b []byte, precision, scale int) (int64, error) {
	m, err := splitNumber(b)
	if err != nil {
		return 0, err
	}
	if !m.hasExponent && m.fraction > scale {
		return 0, errNotDecimal
	}
	shift := scale - m.fraction + m.exponent
	for ; shift < 0 && m.digits != 0; shift++ {
		if m.digits%10 != 0 {
			return 0, errNotDecimal
		}
		m.digits /= 10
	}
	limit := uint64(1)
	for range precision {
		limit *= 10
	}
	for ; shift > 0 && m.digits != 0; shift-- {
		if m.digits >= limit {
			return 0, errRange
		}
		m.digits *= 10
	}
	if m.digits >= limit {
		return 0, errRange
	}
	if m.negative {
		return -int64(m.digits), nil
	}
	return int64(m.digits), nil
}

// mantissa is a number's text taken apart: digits x 10^(exponent - fraction).
type mantissa struct {
	digits      uint64
	fraction    int
	exponent    int
	negative    bool
	hasExponent bool
}

func splitNumber(b []byte) (m mantissa, err error) {
	if len(b) > 0 && b[0] == '-' {
		m.negative = true
		b = b[1:]
	}
	seen, dot := 0, false
	for i, c := range b {
		switch {
		case c-'0' <= 9:
			if m.digits > (math.MaxUint64-9)/10 {
				return m, errRange
			}
			m.digits = m.digits*10 + uint64(c-'0')
			seen++
			if dot {
				m.fraction++
			}
		case c == '.' && !dot && seen > 0:
			dot = true
		case c|0x20 == 'e' && seen > 0 && (!dot || m.fraction > 0):
			m.hasExponent = true
			m.exponent, err = parseExponent(b[i+1:])
			return m, err
		default:
			return m, errNotDecimal
		}
	}
	if seen == 0 || dot && m.fraction == 0 {
		return m, errNotDecimal
	}
	return m, nil
}

// parseExponent is clamped: beyond 100 every digit is out of range anyhow.
func parseExponent(b []byte) (int, error) {
	neg := false
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		neg = b[0] == '-'
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, errNotDecimal
	}
	n := 0
	for _, c := range b {
		if c-'0' > 9 {
			return 0, errNotDecimal
		}
		n = min(n*10+int(c-'0'), 100)
	}
	if neg {
		return -n, nil
	}
	return n, nil
}
