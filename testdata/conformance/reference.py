#!/usr/bin/env python3
"""Checks vectors.json against a naive reading of semantics.md, in exact arithmetic.

    python3 reference.py            prints "N passed, 0 failed": N cases
    python3 reference.py 44 50/tie  only these vectors or cases
    python3 reference.py --fill     computes the expectations that readings leave out, and writes the file anew

Python 3.11 or later with its standard library, and the package xxhash. It shares
no code, no algorithm and no language with the engines that the file tests.
"""

import json
import pathlib
import sys

from naive import cases, layout

FILE = pathlib.Path(__file__).parent / "vectors.json"


def named(vector, case):
    return f"{vector['id']}/{case['name']}" if "name" in case else str(vector["id"])


def wanted(vector, case, only):
    return not only or named(vector, case) in only or str(vector["id"]) in only


def main(args):
    file = json.loads(FILE.read_text())
    only = {a for a in args if not a.startswith("-")}
    passed = failed = 0
    for vector in file["vectors"]:
        for case in vector["cases"]:
            if not wanted(vector, case, only):
                continue
            if "--fill" in args:
                cases.fill(case, file["logs"])
            problems = cases.check(case, file["logs"])
            passed, failed = passed + (not problems), failed + bool(problems)
            for p in problems:
                print(f"{named(vector, case)} ({vector['title']}): {p}")
    if "--fill" in args:
        FILE.write_text(layout.dump(file))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
