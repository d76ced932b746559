package decode

// fewDigits is a number of so few digits that it is exact as a double and as an
// int64, without an exponent.
type fewDigits struct {
	digits   uint64
	fraction int // how many of them follow the point
	point    bool
	negative bool
}

// integer is the number without its fraction.
func (d *fewDigits) integer() int64 {
	if d.negative {
		return -int64(d.digits)
	}
	return int64(d.digits)
}

// double is the number, correctly rounded: digits and power of ten are exact, so
// that their quotient is rounded once.
func (d *fewDigits) double() float64 {
	f := float64(int64(d.digits)) / pow10[d.fraction]
	if d.negative {
		f = -f
	}
	return f
}

// decimalDigits takes a number of few digits; ok is false, and nothing taken, for
// any other.
func (s *scanner) decimalDigits() (d fewDigits, ok bool) {
	d, end := fewDigitsAt(s.b, s.pos)
	if end < 0 {
		return d, false
	}
	s.pos = end
	return d, true
}

// fewDigitsAt reads a number of few digits from a byte on, and gives the byte
// behind it; -1 for any other.
func fewDigitsAt(b []byte, i int) (d fewDigits, end int) {
	if i < 0 || i >= len(b) {
		return d, -1
	}
	if b[i] == '-' {
		d.negative = true
		i++
	}
	start := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		d.digits = d.digits*10 + uint64(b[i]-'0')
	}
	whole := i - start
	if whole == 0 || whole > 15 || whole > 1 && b[start] == '0' {
		return d, -1
	}
	if i < len(b) && b[i] == '.' {
		d.point = true
		start = i + 1
		for i = start; i < len(b) && b[i]-'0' <= 9; i++ {
			d.digits = d.digits*10 + uint64(b[i]-'0')
		}
		if d.fraction = i - start; d.fraction == 0 || whole+d.fraction > 15 {
			return d, -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		return d, -1
	}
	return d, i
}
