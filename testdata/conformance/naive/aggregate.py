"""Values of aggregates over the rows of a window, which stand in the total order."""

import math
from fractions import Fraction

from . import decay, sketch
from .values import INT64, MAX_DECIMAL_DIGITS, SECOND, Overflow, exact, key_text, nearest
from .view import COUNTS, LISTS

MAX_LIST = 4096  # a longer list is no input


def empty(f):
    """The value of a feature to which nothing contributed."""
    if f.by:
        return {}
    if f.func in COUNTS:
        return 0
    if f.func in ("sum", "ewm_sum") and f.empty_null:
        return None
    if f.func == "sum":
        return [] if f.inner.kind == "list" else 0.0 if f.inner.kind == "double" else 0
    if f.func in ("ewm_sum", "ewm_count"):
        return 0.0
    if f.func == "histogram":
        return {}
    return [] if f.func in LISTS else None


def value(f, rows, t, columns):
    """The value of a window and its status."""
    if f.by:
        return by_key(f, rows, t, columns)
    rows = contributing(f, rows, columns)
    if not rows:
        return empty(f), "EMPTY"
    try:
        return compute(f, rows, t, columns)
    except Overflow:
        return None, "OVERFLOW"


def by_key(f, rows, t, columns):
    """A map from the values of a column to the aggregate of their rows; above the cap the smallest hashes stay.

    A key whose own value would be EMPTY is not in the map.
    """
    keyed = {}
    for r in contributing(f, rows, columns):
        if r.inputs[f.by] is not None:
            keyed.setdefault(r.inputs[f.by], []).append(r)
    kept, cut = sketch.smallest(keyed, f.max_keys, columns[f.by])
    values, statuses = {}, set()
    for k in kept:
        try:
            v, status = compute(f, keyed[k], t, columns)
        except Overflow:
            v, status = None, "OVERFLOW"
        if status != "EMPTY":
            values[key_text(k, columns[f.by])] = v
            statuses.add(status)
    if cut:
        statuses.add("APPROXIMATE")
    values = {k: values[k] for k in sorted(values, key=lambda s: s.encode())}
    if not values:
        return {}, "EMPTY"
    return values, next((s for s in ("OVERFLOW", "APPROXIMATE") if s in statuses), "PRESENT")


def contributing(f, rows, columns):
    """The rows that give the aggregate an input; EMPTY means that there are none."""
    if not f.x or f.respect:
        return rows
    if f.func == "count_null":
        return [r for r in rows if r.inputs[f.x] is None]
    rows = [r for r in rows if r.inputs[f.x] is not None]
    if f.y:
        rows = [r for r in rows if r.inputs[f.y] is not None]
    if columns[f.x].kind == "list" and f.func in ("sum", "avg", "min", "max"):
        rows = [r for r in rows if len(r.inputs[f.x]) <= MAX_LIST]
    return rows


def compute(f, rows, t, columns):
    x = columns.get(f.x)
    if f.func in ("count", "count_null"):
        return len(rows), "PRESENT"
    if f.func in ("time_since_last", "time_since_first"):
        row = rows[-1] if f.func == "time_since_last" else rows[0]
        return nearest(Fraction(t - row.e, SECOND)), "PRESENT"
    if f.func.startswith("ewm_"):
        return decay.value(f, rows, t, x), "PRESENT"
    xs = [r.inputs[f.x] for r in rows]
    if x.kind == "list" and f.func in ("sum", "avg", "min", "max"):
        return elementwise(f, xs, x.elem)
    if f.func in ("min_by", "max_by"):
        best = rows[0]
        for r in rows[1:]:
            if r.inputs[f.y] == best.inputs[f.y] or (r.inputs[f.y] < best.inputs[f.y]) == (f.func == "min_by"):
                best = r  # ties: the last in the total order
        return best.inputs[f.x], "PRESENT"
    if f.func in SIMPLE:
        return number(f, SIMPLE[f.func](xs, x), x), "PRESENT"
    if f.func in ORDERED:
        return ORDERED[f.func](f, xs)
    return sketch.value(f, xs, x)


def number(f, v, x):
    """An exact result in the aggregate's type, rounded once."""
    if v is None or not isinstance(v, Fraction):
        return v
    if f.inner.kind == "double":
        return nearest(v)
    n = (v * 10**x.scale).numerator
    limit = INT64 if x.kind == "int64" else range(-(10**MAX_DECIMAL_DIGITS) + 1, 10**MAX_DECIMAL_DIGITS)
    if n not in limit:
        raise Overflow
    return n


def total(xs, x):
    return sum((exact(v, x) for v in xs), Fraction(0))


def moment(xs, x, k, divisor=None):
    """The central moment of order k, exactly."""
    mean = total(xs, x) / len(xs)
    return sum(((exact(v, x) - mean) ** k for v in xs), Fraction(0)) / (divisor or len(xs))


def sample(xs, x):
    return moment(xs, x, 2, len(xs) - 1) if len(xs) > 1 else None


def root(v):
    return None if v is None else math.sqrt(nearest(v))


def standardized(xs, x, k):
    """The moment of order k over m2^(k/2): moments rounded once, then doubles; null without spread.

    A divisor that leaves the range of doubles, above or below, is an overflow.
    """
    m2, m = nearest(moment(xs, x, 2)), nearest(moment(xs, x, k))
    by = m2 * (math.sqrt(m2) if k == 3 else m2)
    if m2 == 0:
        return None
    if by == 0 or math.isinf(by) or math.isinf(m / by):
        raise Overflow
    return m / by


def kurtosis(xs, x):
    ratio = standardized(xs, x, 4)
    return None if ratio is None else ratio - 3.0


SIMPLE = {
    "sum": total,
    "avg": lambda xs, x: total(xs, x) / len(xs),
    "min": lambda xs, x: min(xs),
    "max": lambda xs, x: max(xs),
    "var_pop": lambda xs, x: moment(xs, x, 2),
    "var_samp": sample,
    "stddev_pop": lambda xs, x: root(moment(xs, x, 2)),
    "stddev_samp": lambda xs, x: root(sample(xs, x)),
    "skew": lambda xs, x: standardized(xs, x, 3),
    "kurtosis": kurtosis,
}


def elementwise(f, xs, x):
    """Each element over the lists that have it; an element without input is null, one beyond the range too."""
    out, status = [], "PRESENT"
    for i in range(max(map(len, xs))):
        column = [v[i] for v in xs if i < len(v) and v[i] is not None]
        try:
            v = SIMPLE[f.func](column, x) if column else None
            out.append(nearest(v) if isinstance(v, Fraction) else v)
        except Overflow:
            out.append(None)
            status = "OVERFLOW"
    return out, status


def single(v):
    return v, "EMPTY" if v is None else "PRESENT"


def last_distinct(f, xs):
    out = []
    for v in reversed(xs):
        if v not in out:
            out.append(v)
    return out[: f.n], "PRESENT"


ORDERED = {
    "first": lambda f, xs: single(xs[0]),
    "last": lambda f, xs: single(xs[-1]),
    "lag": lambda f, xs: single(xs[-1 - f.n] if f.n < len(xs) else None),
    "first_n": lambda f, xs: (xs[: f.n], "PRESENT"),
    "last_n": lambda f, xs: (xs[::-1][: f.n], "PRESENT"),
    "last_distinct_n": last_distinct,
    "top_n": lambda f, xs: (sorted(xs, reverse=True)[: f.n], "PRESENT"),
    "bottom_n": lambda f, xs: (sorted(xs)[: f.n], "PRESENT"),
}
