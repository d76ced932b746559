"""The features of a view as the file writes them, their tiles and their reach."""

import re
from dataclasses import dataclass
from fractions import Fraction
from zoneinfo import ZoneInfo

from .values import DAY, DOUBLE, HOUR, LONG, MINUTE, SECOND, Bad, Type, duration, parse, parse_type

STEPS = (DAY, HOUR, 5 * MINUTE, MINUTE, 10 * SECOND, SECOND)
# Arguments of each aggregate: x and y columns, n a count, p a share, h a half-life, max a cap.
CALLS = {
    "count": "x?", "count_null": "x", "sum": "x", "avg": "x", "min": "x", "max": "x",
    "var_pop": "x", "var_samp": "x", "stddev_pop": "x", "stddev_samp": "x", "skew": "x", "kurtosis": "x",
    "first": "x", "last": "x", "first_n": "xn", "last_n": "xn", "last_distinct_n": "xn", "lag": "xn",
    "time_since_last": "", "time_since_first": "", "min_by": "xy", "max_by": "xy", "top_n": "xn", "bottom_n": "xn",
    "count_distinct": "xm?", "approx_count_distinct": "x", "distinct": "xm", "histogram": "xm",
    "quantile": "xp", "approx_quantile": "xp", "median": "x",
    "ewm_sum": "xh", "ewm_count": "h", "ewm_avg": "xh",
}  # fmt: skip
COUNTS = {"count", "count_null", "count_distinct", "approx_count_distinct"}
LISTS = {"first_n", "last_n", "last_distinct_n", "top_n", "bottom_n", "distinct"}
SAME = {"min", "max", "first", "last", "lag", "min_by", "max_by"}
DISTINCT_MAX, MAX_KEYS, MAX_ROWS = 1000, 100, 1000


@dataclass
class Feature:
    name: str
    func: str = ""  # "" for a latest value
    x: str = ""
    y: str = ""
    n: int = 0
    cap: int = 0
    p: Fraction = None
    half_life: int = 0
    kind: str = "trailing"
    width: int = 0  # session: the gap; series: of one element; hopping: the size
    step: int = 0
    count: int = 0
    unit: str = ""
    zone: ZoneInfo = None
    complete: bool = False
    offset: int = 0
    exact: bool = False
    max_rows: int = MAX_ROWS
    where: str = ""
    by: str = ""
    max_keys: int = MAX_KEYS
    respect: bool = False
    empty_null: bool = False
    default: object = None
    tile: int = 0
    inner: Type = None  # of the aggregate
    type: Type = None  # of the feature: a map for `by`, a list for a series


def read_feature(case, j, tile):
    unknown = set(j) - set("name type agg window offset exact max_rows where by max_keys nulls empty default".split())
    if unknown:
        raise Bad(f"unknown keys {unknown}")
    f = Feature(j["name"])
    if "agg" not in j:
        f.kind, f.x, f.inner = "latest", j["name"], parse_type(j["type"])
        f.type = f.inner
    else:
        read_call(case, f, j["agg"])
        read_window(f, j["window"])
        f.offset = duration(j["offset"]) if "offset" in j else 0
        f.exact, f.max_rows = j.get("exact", False), j.get("max_rows", MAX_ROWS)
        f.where, f.by, f.max_keys = j.get("where", ""), j.get("by", ""), j.get("max_keys", MAX_KEYS)
        f.respect, f.empty_null = j.get("nulls") == "respect", j.get("empty") == "null"
        f.inner = result_type(case, f)
        f.type = Type("map", elem=f.inner) if f.by else f.inner
        f.type = Type("list", elem=f.type) if f.kind == "series" else f.type
        f.tile = 0 if f.kind in ("lifetime", "rows") else tile or default_tile(f)
        if tile:
            check_tile(f)
    if "default" in j:
        f.default = parse(j["default"], f.type)
    return f


def read_call(case, f, text):
    f.func, _, rest = text.removesuffix(")").partition("(")
    args = [a.strip() for a in rest.split(",")] if rest else []
    shape = CALLS[f.func]
    for what, optional in re.findall(r"([xynmph])(\??)", shape):
        if not args:
            if optional:
                continue
            raise Bad(f"{text}: an argument is missing")
        arg = args.pop(0)
        if what in "xy":
            case.columns[arg]  # must be there
            setattr(f, what, arg)
        elif what == "p":
            f.p = Fraction(arg)
        elif what == "h":
            f.half_life = duration(arg)
        else:
            setattr(f, "n" if what == "n" else "cap", int(arg.removeprefix("max:")))
    if args:
        raise Bad(f"{text}: more arguments than {f.func} takes")
    if f.func == "median":
        f.p = Fraction(1, 2)
    if f.func == "count_distinct":
        f.cap = f.cap or DISTINCT_MAX


def read_window(f, w):
    if isinstance(w, str):
        f.kind, f.width = ("lifetime", 0) if w == "lifetime" else ("trailing", duration(w))
        return
    ((f.kind, v),) = w.items()
    if f.kind == "rows":
        f.count = v
    elif f.kind == "tumbling":
        f.width = duration(v)
    elif f.kind == "session":
        f.width = duration(v["gap"])
    elif f.kind == "hopping":
        f.width, f.step = duration(v["size"]), duration(v["step"])
    elif f.kind == "calendar":
        f.unit, f.zone, f.complete = v["unit"], ZoneInfo(v["zone"]), v.get("complete", False)
    elif f.kind == "series":
        f.width, f.step, f.count = duration(v["window"]), duration(v["step"]), v["count"]
    else:
        raise Bad(f"unknown window {f.kind!r}")


def result_type(case, f):
    if f.func in COUNTS:
        return LONG
    x = case.columns.get(f.x)
    if f.func in SAME:
        return x
    if f.func in LISTS:
        return Type("list", elem=x)
    if f.func == "histogram":
        return Type("map", elem=LONG)
    if f.func in ("sum", "avg") and x.kind == "list":
        return x
    if f.func == "sum":
        return x
    return DOUBLE


def check_tile(f):
    """A declared tile divides the widths and steps that stand on it; a session's is at most the gap."""
    widths = {"trailing": [f.width], "series": [f.width, f.step], "tumbling": [f.width], "hopping": [f.width, f.step]}
    if any(w % f.tile for w in widths.get(f.kind, [])) or f.kind == "session" and f.tile > f.width:
        raise Bad(f"the tile does not fit feature {f.name}")


def default_tile(f):
    """g, where the view declares none."""
    if f.kind in ("trailing", "series"):
        return next((g for g in STEPS if f.width % g == 0 and f.width // g >= 24), SECOND)
    if f.kind == "tumbling":
        return next((g for g in STEPS if f.width % g == 0), SECOND)
    if f.kind == "hopping":
        return next((g for g in STEPS if f.width % g == 0 and f.step % g == 0), SECOND)
    if f.kind == "session":
        return next((g for g in STEPS if g <= f.width), SECOND)
    return SECOND  # calendar: its edges lie on the zone's offsets, whatever the tile


def reach(f, ttl):
    """How far back an event can matter to a feature; None for no bound."""
    calendar = {"day": DAY + HOUR, "week": 7 * DAY + HOUR, "month": 31 * DAY + HOUR}
    match f.kind:
        case "latest":
            return ttl or None
        case "trailing":
            return f.offset + f.width
        case "series":
            return (f.count - 1) * f.step + f.width
        case "tumbling":
            return 2 * f.width
        case "hopping":
            return f.width + f.step
        case "calendar":
            return calendar[f.unit] * (2 if f.complete else 1)
    return None  # lifetime, rows, session


def retention(features, ttl, lateness):
    bounds = [reach(f, ttl) for f in features]
    if None in bounds:
        return None
    return max(bounds) + max(f.tile for f in features) + lateness


def finest_tile(features):
    """The tile within which an event id counts once."""
    return min((f.tile for f in features if f.tile), default=SECOND)
