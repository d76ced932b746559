package agg

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Share is a number from 0 to 1 as it is written in decimal: Unscaled / 10^Digits,
// without trailing zeros, so that equal numbers are equal Shares.
type Share struct {
	Unscaled int64
	Digits   uint8 // at most maxShareDigits
}

const maxShareDigits = 18

// ParseShare reads a number from 0 to 1 exactly as it is written in decimal. The
// error goes on from the text.
func ParseShare(text string) (Share, error) {
	const way = ": write a number from 0 to 1, as 0.95"
	whole, fraction, point := strings.Cut(text, ".")
	plain := whole != "" && point == (fraction != "")
	for _, c := range []byte(whole + fraction) {
		plain = plain && '0' <= c && c <= '9'
	}
	if !plain {
		return Share{}, errors.New("is not a plain decimal number" + way)
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > maxShareDigits {
		return Share{}, fmt.Errorf("has %d digits after the point: write at most %d", len(fraction), maxShareDigits)
	}
	p := Share{Digits: uint8(len(fraction))}
	if digits := strings.TrimLeft(whole, "0") + fraction; digits != "" {
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || uint64(n) > p.denominator() {
			return Share{}, errors.New("is more than 1" + way)
		}
		p.Unscaled = n
	}
	return p, nil
}

// check refuses what is no number from 0 to 1 in its one spelling.
func (p Share) check() error {
	if p.Digits > maxShareDigits {
		return fmt.Errorf("p has %d digits: write at most %d", p.Digits, maxShareDigits)
	}
	if p.Unscaled < 0 || uint64(p.Unscaled) > p.denominator() {
		return errors.New("p is out of range: write a number from 0 to 1")
	}
	if p.Digits > 0 && p.Unscaled%10 == 0 {
		return errors.New("p has zeros at its end: it has a shorter spelling")
	}
	return nil
}

// denominator is 10^Digits.
func (p Share) denominator() uint64 { return pow10(int(p.Digits)) }

// pow10 is 10^n; n is at most 19.
func pow10(n int) uint64 {
	u := uint64(1)
	for range n {
		u *= 10
	}
	return u
}
