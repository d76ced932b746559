package featurestore

import (
	"fmt"
	"strconv"
	"strings"
)

// FormatDecimal writes an unscaled integer with its scale: (1234, 2) is "12.34".
func FormatDecimal(unscaled int64, scale int) string {
	s := strconv.FormatInt(unscaled, 10)
	if scale == 0 {
		return s
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if len(s) <= scale {
		s = strings.Repeat("0", scale-len(s)+1) + s
	}
	return sign + s[:len(s)-scale] + "." + s[len(s)-scale:]
}

// ParseDecimal reads a decimal text exactly into the unscaled integer of
// decimal(precision, scale). More fraction digits than the scale are refused,
// never rounded.
func ParseDecimal(s string, precision, scale int) (int64, error) {
	digits, neg := strings.CutPrefix(s, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	if whole == "" || len(frac) > scale || strings.HasSuffix(digits, ".") {
		return 0, fmt.Errorf("%q is not a decimal(%d,%d)", s, precision, scale)
	}
	text := whole + frac + strings.Repeat("0", scale-len(frac))
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is not a decimal(%d,%d)", s, precision, scale)
		}
	}
	text = strings.TrimLeft(text, "0")
	if len(text) > precision || len(text) > MaxDecimalPrecision {
		return 0, fmt.Errorf("%q is out of the range of decimal(%d,%d)", s, precision, scale)
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a decimal(%d,%d): %w", s, precision, scale, err)
	}
	if neg {
		n = -n
	}
	return n, nil
}
