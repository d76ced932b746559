"""Types, literals of vectors.json, and rounding: every result is exact until it is rounded once."""

import base64
import math
import re
from dataclasses import dataclass
from fractions import Fraction

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
UNITS = {"us": 1, "ms": 1000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
INT64 = range(-(2**63), 2**63)
MAX_DECIMAL_DIGITS = 18


class Overflow(Exception):
    """A result beyond the range of its type: NULL with status OVERFLOW."""


class Bad(Exception):
    """The file says something that the specification does not know."""


@dataclass(frozen=True)
class Type:
    kind: str
    scale: int = 0
    elem: "Type | None" = None


BOOL, LONG, DOUBLE, STRING = Type("bool"), Type("int64"), Type("double"), Type("string")


def parse_type(text):
    if m := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", text):
        return Type("decimal", int(m[2]))
    if m := re.fullmatch(r"list<(.+)>", text):
        return Type("list", elem=parse_type(m[1]))
    if m := re.fullmatch(r"map<string,\s*(.+)>", text):
        return Type("map", elem=parse_type(m[1]))
    if text not in ("bool", "int64", "double", "string", "bytes", "timestamp"):
        raise Bad(f"unknown type {text!r}")
    return Type(text)


def duration(text):
    """Microseconds of "90s", "1h", "1h30m"."""
    parts = re.findall(r"(\d+)(us|ms|s|m|h|d)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise Bad(f"not a duration: {text!r}")
    return sum(int(n) * UNITS[u] for n, u in parts)


def parse(raw, t):
    """A value of the file. Doubles are never NaN, infinite or -0.0; decimals are their unscaled integer."""
    if raw is None:
        return None
    if t.kind == "list":
        return [parse(x, t.elem) for x in raw]
    if t.kind == "map":
        return {k: parse(raw[k], t.elem) for k in sorted(raw, key=lambda s: s.encode())}
    if t.kind == "bool":
        return {True: True, False: False, "true": True, "false": False}[raw]
    if t.kind == "double":
        x = float(raw)
        return x + 0.0 if math.isfinite(x) else None
    if t.kind in ("int64", "timestamp"):
        n = int(raw)
        if isinstance(raw, float) or n not in INT64:
            raise Bad(f"not an {t.kind}: {raw!r}")
        return n
    if t.kind == "decimal":
        scaled = Fraction(str(raw)) * 10**t.scale
        if scaled.denominator != 1:
            raise Bad(f"not a decimal of scale {t.scale}: {raw!r}")
        return scaled.numerator
    if t.kind == "bytes":
        return base64.b64decode(raw, validate=True)
    if not isinstance(raw, str):
        raise Bad(f"not a text: {raw!r}")
    return raw


def is_nan(raw, t):
    return t.kind == "double" and raw is not None and not math.isfinite(float(raw))


def show(v, t):
    """The literal of a value, as parse reads it."""
    if v is None or t.kind == "bool" or t.kind == "string":
        return v
    if t.kind == "list":
        return [show(x, t.elem) for x in v]
    if t.kind == "map":
        return {k: show(x, t.elem) for k, x in v.items()}
    if t.kind == "double":
        return repr(v)
    if t.kind == "decimal":
        return decimal_text(v, t.scale)
    if t.kind == "bytes":
        return base64.b64encode(v).decode()
    return v if abs(v) <= 2**53 else str(v)


def decimal_text(n, scale):
    digits = str(abs(n)).rjust(scale + 1, "0")
    whole, part = digits[: len(digits) - scale], digits[len(digits) - scale :]
    return ("-" if n < 0 else "") + whole + ("." + part if scale else "")


def same(a, b, t):
    """Equality to the bit; the keys of a map must stand in the same order."""
    if a is None or b is None:
        return a is b
    if t.kind == "list":
        return len(a) == len(b) and all(same(x, y, t.elem) for x, y in zip(a, b))
    if t.kind == "map":
        return list(a) == list(b) and all(same(a[k], b[k], t.elem) for k in a)
    return type(a) is type(b) and a == b


def key_text(v, t):
    """The key of a map that a value of `by` or histogram becomes."""
    if t.kind == "bool":
        return "true" if v else "false"
    if t.kind == "decimal":
        return decimal_text(v, t.scale)
    if t.kind == "timestamp":
        return instant_text(v)
    return str(v)


def instant_text(t):
    """RFC 3339 in UTC, the fraction without trailing zeros."""
    import datetime

    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=t)
    fraction = f".{at.microsecond:06}".rstrip("0") if at.microsecond else ""
    return at.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def exact(v, t):
    """A number as a rational."""
    return Fraction(v, 10**t.scale) if t.kind == "decimal" else Fraction(v)


def nearest(x):
    """The double nearest to a rational, ties to even (CPython's int / int is correctly rounded)."""
    try:
        v = x.numerator / x.denominator
    except OverflowError:
        raise Overflow from None
    if math.isinf(v):
        raise Overflow
    return v + 0.0


def half_even(x):
    """The integer nearest to a rational, ties to even."""
    return round(x)


def floor_to(t, g):
    """The greatest multiple of g that is not after t."""
    return t // g * g
