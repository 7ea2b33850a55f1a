# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of a run, read from its file of JSON lines, and what is computed
of them. podsplice(5) has the format.
"""

import json
import math
import re
import statistics
import unicodedata
from collections import namedtuple

from rows import CPU

OURS = "podsplice"
MORE_IS_BETTER = ("Gbit/s", "Mbit/s", "1/s")  # of all other units, less


class BadFile(Exception):
    """A file that holds no results; the text is one line that says why."""


class Figures:
    """What was measured, in the order in which it was.

    rows: {(label, unit): {peer: {round: value}}}, and raws: the same with what
    the generators told.
    """

    def __init__(self):
        self.machine, self.far = {}, None
        self.paths, self.udp_paths, self.absent = [], [], []
        self.rows, self.raws = {}, {}
        self.failures, self.notes = [], []

    def keep(self, label, unit, peer, number, value, raw):
        for rows, what in ((self.rows, value), (self.raws, raw or {})):
            rows.setdefault((label, unit), {}) \
                .setdefault(peer, {})[number] = what

    def baseline(self):
        return self.machine.get("baseline", "native")

    def peers(self):
        """All that have a figure, the baseline and podsplice first."""
        seen = [p["peer"] for p in self.paths]
        seen += [p for by_peer in self.rows.values() for p in by_peer]
        seen = [p for p in dict.fromkeys(seen)
                if any(p in by_peer for by_peer in self.rows.values())]
        first = [p for p in (self.baseline(), OURS) if p in seen]
        return first + [p for p in seen if p not in first]

    def rivals(self):
        return [p for p in self.peers() if p not in (OURS, self.baseline())]

    def shares(self):
        """What others used of the machine, in each measurement."""
        return [raw["others"] for by_peer in self.raws.values()
                for raws in by_peer.values() for raw in raws.values()
                if isinstance(raw.get("others"), (int, float))]


# Reading

def clean(x):
    """Without characters that a terminal or a page would act upon."""
    if isinstance(x, str):
        return "".join(c if not unicodedata.category(c).startswith("C")
                       else "\ufffd" for c in x)
    if isinstance(x, list):
        return [clean(y) for y in x]
    if isinstance(x, dict):
        return {clean(k): clean(v) for k, v in x.items()}
    return x


def no_number(text):
    raise ValueError(f"{text} is no number")


def take(figures, record):
    """One line of a file; ValueError, KeyError or TypeError: it is none."""
    if record["schema"] != 1:
        raise ValueError("another schema")
    if "row" in record:
        take_row(figures, record)
    for key, there in (("path", figures.paths), ("absent", figures.absent),
                       ("udp_path", figures.udp_paths),
                       ("note", figures.notes)):
        if key in record:
            there.append(record[key])
    if "path" in record:
        record["path"]["peer"].lower()
    for key in ("machine", "far"):
        if key in record:
            setattr(figures, key, dict(record[key]))


def take_row(figures, record):
    label, peer, number = record["row"], record["peer"], record["round"]
    if "error" in record:
        figures.failures.append(f"{label}: {peer}, round {number}: "
                                f"{record['error']}")
        return
    unit, value, raw = record["unit"], record["value"], record["raw"]
    if not all(isinstance(x, str) for x in (label, peer, unit)) or \
            not isinstance(number, int) or \
            not isinstance(raw, (dict, type(None))):
        raise ValueError("a figure of another form")
    figures.keep(label, unit, peer, number, float(value), raw)


def read(path):
    """The Figures of a file, or BadFile."""
    figures, number = Figures(), 0
    try:
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                take(figures, clean(json.loads(line,
                                               parse_constant=no_number)))
    except OSError as e:
        raise BadFile(f"{path}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise BadFile(f"{path}: not a file of results") from e
    except (ValueError, KeyError, TypeError, AttributeError,
            RecursionError) as e:
        raise BadFile(f"{path}: line {number} is no result") from e
    if not figures.machine or not figures.rows:
        raise BadFile(f"{path}: no results in it")
    return figures


# Numbers

def spread(values):
    """Median, and the quartiles around it."""
    q1, middle, q3 = statistics.quantiles(values, n=4, method="inclusive") \
        if len(values) > 1 else values * 3
    return middle, q1, q3


def ratios(by_peer, peer, baseline):
    """Per round that both have."""
    base = by_peer.get(baseline, {})
    return [v / base[n] for n, v in by_peer.get(peer, {}).items()
            if base.get(n)]


def factor(unit, a, b):
    """How many times better a is than b; inf or 0 where that is no number."""
    if a == b:
        return 1.0
    more, less = (a, b) if unit in MORE_IS_BETTER else (b, a)
    if more > 0 and less > 0:
        return more / less
    return math.inf if more > less else 0.0


# a peer that is ahead of another one: by how much, in how many rounds, and
# both medians
Lead = namedtuple("Lead", "label unit peer behind factor ahead rounds a b")


def lead(key, by_peer, peer, behind):
    """What peer is ahead of another one; None: it isn't, or nobody knows."""
    both = [(v, by_peer[behind][n]) for n, v in by_peer.get(peer, {}).items()
            if n in by_peer.get(behind, {})]
    if not both:
        return None
    factors = [factor(key[1], a, b) for a, b in both]
    if statistics.median(factors) < 1.005:
        return None
    return Lead(*key, peer, behind, statistics.median(factors),
                sum(f > 1 for f in factors), len(both),
                statistics.median(a for a, _ in both),
                statistics.median(b for _, b in both))


def where_behind(rows, baseline):
    """Every Lead of a peer over podsplice, by rows, the greatest first."""
    for key, by_peer in rows.items():
        leads = [lead(key, by_peer, p, OURS) for p in by_peer
                 if p not in (OURS, baseline)]
        yield from sorted((x for x in leads if x), key=lambda x: -x.factor)


def where_first(rows, baseline):
    """The Lead of podsplice over the next best, of rows where it is first."""
    for key, by_peer in rows.items():
        leads = [lead(key, by_peer, OURS, p) for p in by_peer
                 if p not in (OURS, baseline)]
        if OURS in by_peer and leads and all(leads):
            yield min(leads, key=lambda x: x.factor)


def sentence(x):
    by = f" by x{x.factor:.2f}" if math.isfinite(x.factor) else ""
    return (f"{x.label}: {x.peer} is ahead of {x.behind}{by}, {number(x.a)} "
            f"to {number(x.b)} {x.unit}".rstrip()
            + f" (in {x.ahead} of {x.rounds} rounds)")


def number(v):
    if abs(v) >= 1000:
        return f"{v:.0f}"
    if abs(v) >= 10:
        return f"{v:.1f}"
    return f"{v:.2f}" if abs(v) >= 1 else f"{v:.3f}"


# Rows that differ in how many clients or streams there are

COUNTED = re.compile(r", (\d+)(?: (?:streams?|clients?|flows?))?"
                     r"(?=$| p\d|, helper$|, machine$)")
WAY = re.compile(r", [^,]+ -> [^,]+$")


def series(figures):
    """{(label, unit): {count: key of its row}}, of two counts and more."""
    found = {}
    for label, unit in figures.rows:
        at = COUNTED.search(label)
        if at:
            name = label[:at.start()] + label[at.end():]
            found.setdefault((name, unit), {})[int(at.group(1))] = \
                (label, unit)
    for (name, unit), by_count in found.items():
        if 1 not in by_count:
            one = one_stream(figures, name, unit, by_count)
            if one:
                by_count[1] = one
    return {key: dict(sorted(by_count.items()))
            for key, by_count in found.items() if len(by_count) > 1}


def told(figures, key):
    """What the generators said in any one round."""
    return next((raw for raws in figures.raws[key].values()
                 for raw in raws.values()), {})


def one_stream(figures, name, unit, by_count):
    """The row of one stream that differs in nothing else from these."""
    like = told(figures, next(iter(by_count.values())))
    for key in figures.rows:
        raw = told(figures, key)
        if key[1] == unit and WAY.sub("", key[0]) == name and \
                raw.get("streams") == 1 and raw.get("test") == \
                like.get("test") and raw.get("direction") == \
                like.get("direction"):
            return key
    return None
