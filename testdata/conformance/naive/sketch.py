"""What counts or ranks by hashes and bins: distinct counts, capped sets, quantiles."""

import functools
import math
import struct
from collections import Counter
from fractions import Fraction

import xxhash

from .values import INT64, Overflow, exact, half_even, key_text, nearest

QUANTILE_MAX = 10_000  # above it the sketch answers


def typed_bytes(v, t):
    """The bytes of a value that are hashed."""
    if t.kind == "bool":
        return b"\x01" if v else b"\x00"
    if t.kind == "string":
        return v.encode()
    if t.kind == "bytes":
        return v
    return struct.pack("<d" if t.kind == "double" else "<q", v)


def digest(v, t):
    return xxhash.xxh3_64_intdigest(typed_bytes(v, t), seed=0)


def smallest(values, cap, t):
    """The values with the smallest hashes, and whether any was cut."""
    distinct = sorted(set(values), key=lambda v: digest(v, t))
    return distinct[:cap], len(distinct) > cap


def value(f, xs, x):
    return FUNCTIONS[f.func](f, xs, x)


def count_distinct(f, xs, x):
    hashes = sorted({digest(v, x) for v in xs})
    if len(hashes) <= f.cap:
        return len(hashes), "PRESENT"
    n = half_even(Fraction((f.cap - 1) * 2**64, hashes[f.cap - 1] + 1))
    if n not in INT64:
        raise Overflow
    return n, "APPROXIMATE"


def distinct(f, xs, x):
    kept, cut = smallest(xs, f.cap, x)
    return sorted(kept), "APPROXIMATE" if cut else "PRESENT"


def histogram(f, xs, x):
    counts = Counter(xs)
    kept, cut = smallest(counts, f.cap, x)
    counts = {key_text(v, x): counts[v] for v in kept}
    return {k: counts[k] for k in sorted(counts, key=lambda s: s.encode())}, "APPROXIMATE" if cut else "PRESENT"


def quantile(f, xs, x):
    """Linear between ranks (type 7), exactly; above the cap the sketch's."""
    if len(xs) > QUANTILE_MAX:
        return ddsketch(f, xs, x)[0], "APPROXIMATE"
    ranked = sorted(xs)
    rank = (len(xs) - 1) * f.p
    low = math.floor(rank)
    lo, hi = exact(ranked[low], x), exact(ranked[min(low + 1, len(xs) - 1)], x)
    return nearest(lo + (hi - lo) * (rank - low)), "PRESENT"


PRECISION = 12
REGISTERS = 1 << PRECISION
MAX_RANK = 64 - PRECISION + 1
ALPHA = 0.7213475204444817  # 1 / (2 ln 2)


def approx_count_distinct(f, xs, x):
    """HyperLogLog with Ertl's improved raw estimator."""
    ranks = [0] * REGISTERS
    for v in xs:
        h = digest(v, x)
        rest = h & (1 << (64 - PRECISION)) - 1
        index = h >> (64 - PRECISION)
        ranks[index] = max(ranks[index], MAX_RANK - rest.bit_length())
    held = Counter(ranks)
    m = float(REGISTERS)
    z = m * tau(1 - held[MAX_RANK] / m)
    for k in range(MAX_RANK - 1, 0, -1):
        z = 0.5 * (z + held[k])
    z += m * sigma(held[0] / m)
    return round(ALPHA * m * m / z), "PRESENT"


def sigma(x):
    if x == 1:
        return math.inf
    y, z, last = 1.0, x, None
    while z != last:
        x *= x
        last = z
        z += x * y
        y += y
    return z


def tau(x):
    if x in (0, 1):
        return 0.0
    y, z, last = 1.0, 1 - x, None
    while z != last:
        x = math.sqrt(x)
        last = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3


BINS = 35  # to each power of two
MAX_BINS = 2048  # of a sign: what lies lower counts in the lowest


def cubic(s):
    return ((6 * s - 21) * s + 50) * s


@functools.cache
def bin_start(i):
    """The least fraction s, a multiple of 2^-52, whose cubic is at least i."""
    low, high = 0, 2**52
    while low < high:
        mid = (low + high) // 2
        low, high = (low, mid) if cubic(Fraction(mid, 2**52)) >= i else (mid + 1, high)
    return Fraction(low, 2**52)


def bin_of(v):
    """The bin of a double above zero: v = 2^e * (1 + s) is in 35 e + floor(6 s^3 - 21 s^2 + 50 s)."""
    fraction, e = math.frexp(v)  # 0.5 <= fraction < 1
    return BINS * (e - 1) + math.floor(cubic(Fraction(fraction) * 2 - 1))


@functools.cache
def bin_value(index):
    """The harmonic mean of a bin's ends, rounded as if in [1, 2), times the power of two."""
    e, i = divmod(index, BINS)
    a, b = 1 + bin_start(i), 1 + bin_start(i + 1)
    return math.ldexp(nearest(2 * a * b / (a + b)), e)


def ddsketch(f, xs, x):
    """The middle of the bin of the value with rank floor((n - 1) p)."""
    xs = [nearest(exact(v, x)) for v in xs]
    bins = {1: [bin_of(v) for v in xs if v > 0], -1: [bin_of(-v) for v in xs if v < 0], 0: [0 for v in xs if v == 0]}
    for sign in (1, -1):
        bins[sign] = [max(b, max(bins[sign]) - MAX_BINS + 1) for b in bins[sign]]
    ranked = sorted([-bin_value(b) for b in bins[-1]] + [0.0 for _ in bins[0]] + [bin_value(b) for b in bins[1]])
    return ranked[math.floor((len(ranked) - 1) * f.p)], "PRESENT"


FUNCTIONS = {
    "count_distinct": count_distinct,
    "approx_count_distinct": approx_count_distinct,
    "distinct": distinct,
    "histogram": histogram,
    "quantile": quantile,
    "median": quantile,
    "approx_quantile": ddsketch,
}
