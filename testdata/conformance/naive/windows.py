"""Which rows a window holds at t."""

import datetime
from dataclasses import dataclass

from .values import Bad, floor_to

SESSION_TILES = 1024  # of a session's tiles the newest are kept
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass
class Seen:
    """What a reading sees of an entity, in the total order, retracted rows and duplicates left out."""

    rows: list  # before t
    folded: list  # those that a state has folded: all but the pending; the caps look at these alone

    def where(self, column):
        return Seen(*([r for r in rows if r.inputs[column] is True] for rows in (self.rows, self.folded)))


def held(f, seen, t):
    """The rows of the window, and whether they are only part of it, or too many."""
    rows = seen.rows
    if f.kind == "lifetime":
        return rows, False
    if f.kind == "rows":
        return rows[-f.count :], False
    if f.kind == "session":
        return session(f, seen) if rows else ([], False)
    if f.kind == "tumbling":
        end = floor_to(t, f.width)
        return between(rows, end - f.width, end), False
    if f.kind == "hopping":
        end = floor_to(t, f.step)
        return between(rows, end - f.width, end), False
    if f.kind == "calendar":
        return between(rows, *calendar(f, t)), False
    return trailing(f, seen, t, f.offset)


def between(rows, start, end):
    return [r for r in rows if start <= r.e < end]


def trailing(f, seen, t, offset):
    """[floor(t-o-w, g), t), with an offset up to floor(t-o, g); exact to the microsecond where the rows are known."""
    start, end = t - offset - f.width, t - offset
    if f.exact:
        witness = seen.folded[-f.max_rows - 1] if len(seen.folded) > f.max_rows else None
        if witness is None or witness.e < start:
            return between(seen.rows, start, end), False
    aligned = between(seen.rows, floor_to(start, f.tile), floor_to(end, f.tile) if offset else end)
    return aligned, f.exact


def session(f, seen):
    """The run of rows, neighbours less than the gap apart, that holds the newest; folded rows of old tiles are gone."""
    tiles = sorted({floor_to(r.e, f.tile) for r in seen.folded})
    oldest = tiles[-SESSION_TILES] if len(tiles) > SESSION_TILES else None
    gone = {r.position for r in seen.folded if oldest is not None and r.e < oldest}
    rows = [r for r in seen.rows if r.position not in gone]
    at = len(rows) - 1
    while at > 0 and rows[at].e - rows[at - 1].e < f.width:
        at -= 1
    folded = {r.position for r in seen.folded}
    cut = any(r.position in folded and floor_to(r.e, f.tile) == oldest for r in rows[at:])
    return rows[at:], cut


def calendar(f, t):
    start = unit_start(f, t)
    if f.complete:
        return unit_start(f, start - 1), start
    return start, t


def unit_start(f, t):
    """The first instant of the day, the week (from Monday) or the month, by the zone's dates, that holds t."""
    day = (EPOCH + datetime.timedelta(microseconds=t)).astimezone(f.zone).date()
    if f.unit == "week":
        day -= datetime.timedelta(days=day.weekday())
    elif f.unit == "month":
        day = day.replace(day=1)
    elif f.unit != "day":
        raise Bad(f"unknown unit {f.unit!r}")
    midnight = datetime.datetime(day.year, day.month, day.day, tzinfo=f.zone)  # fold 0: the first of two, the end of a gap
    return (midnight.astimezone(datetime.UTC) - EPOCH) // datetime.timedelta(microseconds=1)
