"""Batch views: runs over a warehouse table, at a cutoff."""

from . import records, windows
from .values import DAY, HOUR, Bad, floor_to, parse

TICKS = {"hourly": HOUR, "daily": DAY}


def read_tables(case):
    """Each state of the table: its rows, in their order within an entity."""
    return [sorted(table_rows(case, rows), key=lambda r: (r.e, r.a, r.position)) for rows in case.j["tables"]]


def table_rows(case, rows):
    numbers = {}
    for j in rows:
        file = j.get("file", 0)
        number = numbers[file] = numbers.get(file, -1) + 1
        fields = j.get("fields", {})
        if set(fields) - set(case.columns):
            raise Bad(f"unknown fields in {fields}")
        inputs = {name: parse(fields.get(name), t) for name, t in case.columns.items()}
        yield records.Row(0, file, number, 0, tuple(j.get("entity", ["u1"])), j["e"], j.get("a", j["e"]), inputs)


def tick(case, at):
    """The newest tick of the schedule by then, without a schedule the instant itself."""
    schedule = case.j["view"].get("schedule")
    return floor_to(at, TICKS[schedule]) if schedule else at


def made(case, clock):
    """The runs that had completed by then: cutoff, completion, table."""
    last = len(case.j["tables"]) - 1
    if "runs" not in case.j:
        return [(tick(case, clock), tick(case, clock), last)]
    runs = [(r["cutoff"], r.get("completed", r["cutoff"]), r.get("table", last)) for r in case.j["runs"]]
    if runs != sorted(runs, key=lambda r: r[1]):
        raise Bad("runs do not ascend by completion")
    return [r for r in runs if r[1] <= clock]


def read(case, r, mode):
    """The cells of one reading in one mode."""
    at, clock, entity = r["at"], r.get("clock", r["at"]), tuple(r.get("entity", ["u1"]))
    tables = [[x for x in rows if x.entity == entity] for rows in read_tables(case)]
    if mode == "event_time":
        return cells(case, [x for x in tables[-1] if x.e < at - r.get("delay", 0)], at, at)
    runs = made(case, clock)
    counted = lambda table, cutoff: [x for x in tables[table] if x.e < cutoff and x.a <= cutoff]
    if mode == "available":  # over the table as it is now
        cutoff = max((c for c, _, _ in runs), default=tick(case, at))
        return cells(case, counted(-1, cutoff), cutoff, at)
    # What the runs left: with aggregates the run with the greatest cutoff, of equal ones the later; else the greatest row of any.
    brought = [(counted(table, cutoff), cutoff, done) for cutoff, done, table in runs]
    known = any(rows for rows, _, _ in brought)
    if not all(f.kind == "latest" for f in case.features):
        brought.sort(key=lambda b: b[1])
    else:
        brought = sorted((b for b in brought if b[0]), key=lambda b: (b[0][-1].e, b[0][-1].a, b[0][-1].position))
    rows, cutoff, done = brought[-1] if brought else ([], at, at)
    if "clock" in r and known and done > at:
        return [(None, "TOO_OLD")] * len(case.features)
    return cells(case, rows, cutoff, at)


def cells(case, rows, cutoff, at):
    """Aggregates end at the cutoff, latest values are read at `at`; who has a row that counts is known."""
    seen = windows.Seen(rows, rows)
    out = []
    for f in case.features:
        v, status = case.value(f, seen, at if f.kind == "latest" else cutoff)
        if not rows:
            status = "NOT_FOUND"
        out.append((f.default if v is None else v, status))
    return out
