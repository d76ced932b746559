"""The records of a case, and what a reading may know of them."""

from dataclasses import dataclass, field

from .values import HOUR, MINUTE, Bad, duration, floor_to, is_nan, parse

AHEAD = 5 * MINUTE


@dataclass
class Row:
    source: int
    partition: int
    offset: int
    part: int  # 1 for the after-image of a change, which comes after its before-image
    entity: tuple
    e: int
    a: int
    inputs: dict
    change: str = ""  # "", "add", "take"
    m: int = 0
    sequence: object = None
    id: str = ""
    duplicate: bool = False

    @property
    def position(self):
        return (self.source, self.partition, self.offset, self.part)

    @property
    def visible(self):
        return max(self.e, self.m) if self.change else self.e

    @property
    def order(self):
        """The total order: event time, sequence with null first, source, partition, offset."""
        return (self.e, self.sequence is not None, self.sequence if self.sequence is not None else 0, self.position)


@dataclass
class Log:
    rows: list = field(default_factory=list)  # in feeding order, of every entity
    counters: dict = field(default_factory=lambda: dict(late=0, ahead=0, null_key=0, dead_letter=0, invalid=0))


def read_log(case, events):
    """Rows of the records that can be decoded and have a key; what cannot is counted."""
    log, ends = Log(), {}
    for j in events:
        source = case.source(j.get("source"))
        partition = j.get("partition", 0)
        place = (source, partition)
        offset = j.get("offset", ends.get(place, 0))
        ends[place] = offset + 1
        if "before" in j or "after" in j:
            images = [("take", 0, j.get("before")), ("add", 1, j.get("after"))]
            if images[0][2] is None and images[1][2] is None:
                raise Bad("a change has neither before nor after")
            for change, part, image in images:
                if image is not None:
                    a = j.get("a", j["m"])
                    add(case, log, Row(source, partition, offset, part, None, None, a, None, change, j["m"]), image)
        else:
            add(case, log, Row(source, partition, offset, 0, None, None, j.get("a"), None), j)
    return log


def add(case, log, row, image):
    e = image["e"]
    if isinstance(e, str):
        e = case.instant(e)
        if e is None:
            log.counters["dead_letter"] += 1
            return
    row.e = e
    row.a = e if row.a is None else row.a
    row.entity = tuple(image.get("entity", ["u1"]))
    fields = image.get("fields", {})
    if set(fields) - set(case.columns):
        raise Bad(f"unknown fields in {fields}")
    row.inputs = {name: parse(fields.get(name), t) for name, t in case.columns.items()}
    log.counters["invalid"] += sum(is_nan(fields.get(name), t) for name, t in case.columns.items())
    rule = case.sources[row.source]
    row.sequence = row.inputs[rule["sequence"]] if "sequence" in rule else None
    row.id = (row.inputs[rule["event_id"]] or "") if "event_id" in rule else ""
    if ahead(row):
        log.counters["ahead"] += 1
        return
    if None in row.entity:
        log.counters["null_key"] += 1
        return
    if late(case, row):
        log.counters["late"] += 1
        return
    log.rows.append(row)


def lateness(case, source):
    rule = case.sources[source]
    return duration(rule["allowed_lateness"]) if "allowed_lateness" in rule else HOUR


def late(case, row):
    """A rule on the record alone; a change is never late."""
    return not row.change and row.e < row.a - lateness(case, row.source)


def ahead(row):
    return row.visible > row.a + AHEAD


def mark_duplicates(case, rows, tile):
    """Of equal ids of an entity in a partition and a tile the lowest offset counts; an id that may be forgotten never does."""
    claimed, reached = set(), {}
    for row in sorted(rows, key=lambda r: r.position):
        place = (row.entity, row.source, row.partition)
        before = reached.get(place)
        reached[place] = row.a if before is None else max(before, row.a)
        if not row.id or row.change:
            continue
        start = floor_to(row.e, tile)
        claim = place + (start, row.id)
        forgotten = before is not None and before > start + tile + lateness(case, row.source)
        row.duplicate = claim in claimed or forgotten
        claimed.add(claim)


def known(rows, mode, at, clock, delay):
    """The rows that the reading's state or files hold; log time and mode decide."""
    if mode == "available":
        return [r for r in rows if r.a < at]
    if mode == "event_time":
        return [r for r in rows if r.visible < at - delay]
    ends = {}
    for r in rows:  # online and exact: what was applied when the clock stood there
        if r.a < clock:
            place = (r.source, r.partition)
            ends[place] = max(ends.get(place, r.offset), r.offset)
    return [r for r in rows if r.offset <= ends.get((r.source, r.partition), -1)]


def match(rows):
    """The retraction that takes each row, by the row's place; as the README says under "A record"."""
    takers = {}
    for row in sorted((r for r in rows if r.change == "take"), key=lambda r: r.position):
        same = [r for r in rows if r.change != "take" and r.source == row.source and r.e == row.e and r.inputs == row.inputs]
        free = [r for r in same if r.position not in takers]
        allowed = [r for r in same if r.partition != row.partition or r.position < row.position]
        before = [r for r in free if r.position < row.position]
        elsewhere = [r for r in free if r.partition != row.partition]
        if before or elsewhere:
            takers[last(before or elsewhere).position] = row
            continue
        theirs = [r for r in allowed if takers[r.position].partition != row.partition]
        if free and theirs:  # all that are free come after it in its own partition
            old, new = last(theirs).position, last(free).position
            takers[new], takers[old] = takers[old], row
    return takers


def last(rows):
    return max(rows, key=lambda r: r.order)


def present(rows, takers, there):
    """The rows that are there and not taken by a retraction that is there, in the total order."""
    left = [r for r in rows if r.change != "take" and there(r)]
    left = [r for r in left if r.position not in takers or not there(takers[r.position])]
    return sorted(left, key=lambda r: r.order)


def folded(rows, mode):
    """A test of whether a state has folded a row: its partition's applied log time has come to it."""
    reached = {}
    for r in rows:
        place = (r.source, r.partition)
        reached[place] = max(reached.get(place, r.a), r.a)
    return lambda r: mode == "event_time" or r.visible <= reached[(r.source, r.partition)]
