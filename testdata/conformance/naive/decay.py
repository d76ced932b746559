"""Exponentially weighted sums against the fixed landmark 1970-01-01T00:00:00Z."""

import functools
import math
from fractions import Fraction

from .values import exact, nearest

BITS = 160  # of a power of two with a fraction
ERA = 1024  # half-lives
ERAS = 3  # the newest era that holds an input, and the two before it


@functools.cache
def power(f):
    """2^f for 0 <= f < 1, good to BITS bits: the product of those 2^(1/2), 2^(1/4), ... that f's binary digits name."""
    unit = 1 << (2 * BITS)
    result, root = unit, 2 * unit
    digits = (f.numerator << BITS) // f.denominator
    for i in reversed(range(BITS)):
        root = math.isqrt(root * unit)
        if digits >> i & 1:
            result = result * root // unit
    return Fraction(result, unit)


def rounded(x):
    """A rational to 53 significant bits, ties to even, whatever its exponent."""
    if x == 0:
        return x
    shift = abs(x.numerator).bit_length() - x.denominator.bit_length() - 53
    if abs(x) >= Fraction(2) ** (shift + 53):
        shift += 1
    return round(x / Fraction(2) ** shift) * Fraction(2) ** shift


def term(x, e, half_life):
    """x * 2^(e/h), and the era: the fraction of e/h is applied and rounded once, its floor shifts exactly."""
    n, rest = divmod(e, half_life)
    v = rounded(x * power(Fraction(rest, half_life)) if rest else x)
    return n // ERA, v * Fraction(2) ** n


def value(f, rows, t, x):
    """The sum (of x, or of 1) at t, or their quotient."""
    sums, counts = [], []
    for r in rows:
        sums.append(term(exact(r.inputs[f.x], x) if f.x else Fraction(1), r.e, f.half_life))
        counts.append(term(Fraction(1), r.e, f.half_life))
    oldest = max(era for era, _ in sums) - ERAS + 1
    s, c = (sum((v for era, v in terms if era >= oldest), Fraction(0)) for terms in (sums, counts))
    if f.func == "ewm_avg":
        return nearest(s / c)
    n, rest = divmod(-t, f.half_life)
    weight = power(Fraction(rest, f.half_life)) if rest else Fraction(1)
    return nearest(s * weight * Fraction(2) ** n)
