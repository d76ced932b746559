"""Running a case of the file: one row of cells for each reading, in the order of the view's features."""

import datetime
import itertools
import re

from . import aggregate, batch, records, windows
from .values import Bad, duration, parse, parse_type, same, show
from .view import finest_tile, read_feature, retention

HIDES_DEFAULT = {"INVALID_KEY", "ERROR", "REBUILDING", "TOO_OLD"}
DEFAULT_SOURCES = [{"name": "events"}]
DEFAULT_KEY = [{"name": "user", "type": "string"}]


class Case:
    def __init__(self, j, logs):
        self.j = j
        self.kind = j.get("kind", "window")
        self.columns = {c["name"]: parse_type(c["type"]) for c in j.get("columns", [])}
        self.key = [(k["name"], parse_type(k["type"])) for k in j.get("key", DEFAULT_KEY)]
        self.sources = j.get("sources", DEFAULT_SOURCES)
        view = j.get("view", {})
        self.ttl = duration(view["ttl"]) if "ttl" in view else 0
        tile = duration(view["tile"]) if "tile" in view else 0
        self.features = [read_feature(self, f, tile) for f in view.get("features", [])]
        self.events = logs[j["log"]] if "log" in j else []
        self.events = self.events + generate(j.get("generate")) + j.get("events", []) + j.get("changes", [])

    def source(self, name):
        return 0 if name is None else [s["name"] for s in self.sources].index(name)

    @staticmethod
    def instant(text):
        """Microseconds of RFC 3339 text with an offset, or None."""
        m = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", text)
        if not m:
            return None
        zone = "+00:00" if m[4] in "Zz" else m[4]
        try:
            at = datetime.datetime.fromisoformat(f"{m[1]}T{m[2]}{(m[3] or '.0').ljust(7, '0')}{zone}")
        except ValueError:
            return None
        return (at - windows.EPOCH) // datetime.timedelta(microseconds=1)

    def orders(self):
        """The lists of events to run: one, or a permutation each (orders log), or an interleaving each (orders arrival)."""
        if "orders" not in self.j:
            yield self.events
            return
        for p in itertools.permutations(self.events):
            by_offset = lambda part: [e["offset"] for e in p if e.get("partition", 0) == part]
            parts = {e.get("partition", 0) for e in p}
            if self.j["orders"] == "log" or all(by_offset(k) == sorted(by_offset(k)) for k in parts):
                yield list(p)

    def read(self, log, r, mode):
        """The cells of one reading in one mode."""
        at, clock = r["at"], r.get("clock", r["at"])
        rows = [x for x in log.rows if x.entity == tuple(r.get("entity", ["u1"]))]
        records.mark_duplicates(self, rows, finest_tile(self.features))
        rows = records.known(rows, mode, at, clock, r.get("delay", 0))
        if mode in ("online", "exact") and any(x.a >= at for x in rows):
            if "clock" not in r:
                raise Bad(f"a record before one that is read at {at} has a later log time: give it an as_of")
            return [(None, "TOO_OLD")] * len(self.features)
        visible = lambda x: x.visible < at
        keep = retention(self.features, self.ttl, max(records.lateness(self, i) for i in range(len(self.sources))))
        found = any(visible(x) and (keep is None or x.e >= at - keep) for x in rows)
        counted = [x for x in rows if not x.duplicate]
        takers = records.match(counted)
        seen = windows.Seen(
            records.present(counted, takers, visible) if found else [],
            records.present(counted, takers, records.folded(rows, mode)),
        )
        return [self.cell(f, seen, at, found) for f in self.features]

    def cell(self, f, seen, at, found):
        v, status = self.value(f, seen, at)
        if not found:
            status = "NOT_FOUND"
        if v is None and status not in HIDES_DEFAULT:
            v = f.default
        return v, status

    def value(self, f, seen, at):
        if f.kind == "latest":
            if not seen.rows:
                return None, "EMPTY"
            newest = seen.rows[-1]
            if self.ttl and newest.e < at - self.ttl:
                return None, "EXPIRED"
            return aggregate.single(newest.inputs[f.x])
        if f.where:
            seen = seen.where(f.where)
        if f.kind == "series":
            return self.series(f, seen, at)
        held, partial = windows.held(f, seen, at)
        v, status = aggregate.value(f, held, at, self.columns)
        return v, "APPROXIMATE" if partial and status == "PRESENT" else status

    def series(self, f, seen, at):
        cells = []
        for i in range(f.count):
            held, _ = windows.trailing(f, seen, at, i * f.step)
            cells.append(aggregate.value(f, held, at, self.columns))
        statuses = [s for _, s in cells]
        status = "PRESENT"
        if "OVERFLOW" in statuses:
            status = "OVERFLOW"
        elif all(s == "EMPTY" for s in statuses):
            status = "EMPTY"
        elif "APPROXIMATE" in statuses:
            status = "APPROXIMATE"
        return [v for v, _ in cells], status


def generate(g):
    """The events of `generate`: event i at start + i * step, its fields by their rules."""
    if g is None:
        return []
    return [
        {"e": g["start"] + i * g["step"], "fields": {name: generated(rule, i) for name, rule in g["fields"].items()}}
        for i in range(g["count"])
    ]


def generated(rule, i):
    if set(rule) - {"from", "step", "mod", "div", "prefix", "length", "value"}:
        raise Bad(f"unknown rule {rule}")
    if "value" in rule:
        return rule["value"]
    n = rule["from"] + i * rule["step"]
    n = n % rule["mod"] if "mod" in rule else n
    v = n / rule["div"] if "div" in rule else rule["prefix"] + str(n) if "prefix" in rule else n
    return [v] * rule["length"] if "length" in rule else v


def check(j, logs):
    """What is wrong with the outcomes of a case: a list of texts."""
    case = Case(j, logs)
    if case.kind in ("window", "batch"):
        return check_window(case)
    if case.kind == "merge_tree":
        want = j["expect"]
        got = merged(case)
        return differences("merge_tree", case.features, got, {case.features[0].name: want})
    if case.kind == "request":
        return check_request(case)
    if case.kind == "key":
        keys = {tuple((type(v).__name__, v) for v in k) for k in j["keys"]}
        return [] if len(keys) == j["distinct"] else [f"{len(keys)} distinct keys"]
    if case.kind == "parse_time":
        got = Case.instant(j["text"])
        want = None if "refused" in j else j["instant"]
        return [] if got == want else [f"instant {got}, want {want}"]
    return [f"unknown kind {case.kind}"]


def check_window(case):
    problems = []
    for events in case.orders():
        log = records.read_log(case, events)
        for name, n in case.j.get("counters", {}).items():
            if log.counters[name] != n:
                problems.append(f"counter {name} is {log.counters[name]}, want {n}")
        for r in case.j["readings"]:
            for mode in r["modes"]:
                problems += differences(f"{mode} at {r['at']}", case.features, cells(case, log, r, mode), r["expect"])
    return problems


def cells(case, log, r, mode):
    return batch.read(case, r, mode) if case.kind == "batch" else case.read(log, r, mode)


def check_request(case):
    values = [case.j["request"].get(name) for name, _ in case.key]
    wrong = any(v is not None and isinstance(v, str) != (t.kind == "string") for v, (_, t) in zip(values, case.key))
    if wrong or "refused" in case.j:
        return [] if wrong and "refused" in case.j else ["refused or not?"]
    if None not in values:
        return ["a request with a good key is not of this kind"]
    return differences("request", case.features, [(None, "INVALID_KEY")] * len(case.features), case.j["expect"])


def merged(case):
    """The value of the whole: that every tree of merges gives it is what an engine has to show."""
    log = records.read_log(case, case.events)
    f = case.features[0]
    return [aggregate.value(f, log.rows, case.j["at"], case.columns)]


def differences(where, features, got, expect):
    if set(expect) != {f.name for f in features}:
        return [f"{where}: expectations of {sorted(expect)}"]
    problems = []
    for f, (v, status) in zip(features, got):
        want = expect[f.name]
        if status != want["status"] or not same(v, parse(want["value"], f.type), f.type):
            problems.append(f"{where}: {f.name} is {show(v, f.type)!r} {status}, the file says {want['value']!r} {want['status']}")
    return problems


def fill(j, logs):
    """Writes the expectations that a case leaves out; the modes of a reading must agree."""
    case = Case(j, logs)
    if case.kind == "merge_tree" and "expect" not in j:
        ((v, status),) = merged(case)
        j["expect"] = {"value": show(v, case.features[0].type), "status": status}
    if case.kind not in ("window", "batch"):
        return
    log = records.read_log(case, next(iter(case.orders())))
    for r in j["readings"]:
        if "expect" not in r:
            rows = {mode: cells(case, log, r, mode) for mode in r["modes"]}
            first = rows[r["modes"][0]]
            for mode, row in rows.items():
                if row != first:
                    raise Bad(f"modes differ at {r['at']}: {mode} gives {row}, not {first}")
            r["expect"] = {f.name: {"value": show(v, f.type), "status": s} for f, (v, s) in zip(case.features, first)}
