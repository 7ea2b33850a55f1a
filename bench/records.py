# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of a run, read from its file of JSON lines, and what is computed
of them. podsplice(5) has the format.
"""

import json
import math
import os
import re
import statistics
import sys
import unicodedata
from collections import namedtuple

from lab import REFUSED
from progress import group_name
from rows import ROWS

EXIT_OURS = 125  # when podsplice itself can't do what it should
OURS = "podsplice"
NO_HELPER = ("native", "veth+NAT")  # the latter takes root: no rivals
DISTURBED = 0.1  # so much of the machine used by others is much
CHECK_WITHIN = 0.1  # of iperf3's figure
MORE_IS_BETTER = ("Gbit/s", "Mbit/s", "1/s")  # of all other units, less


# of each row, by what its labels begin with: the group that starts its peers
GROUP_OF = {row[1]: group_name(row[0]) for row in ROWS.values()}


class Failure(namedtuple("Failure", "label peer round why")):
    """A measurement that gave no figure, or a peer that came to none.

    label is a row's, or the name of a group of rows for which the peer didn't
    start or was refused.
    """

    def refused(self):
        return self.why.startswith(REFUSED)

    def concerns(self, key, peer):
        """Might there be another such figure without it?"""
        label = row_label(key[0])
        group = GROUP_OF.get(label)
        return self.peer == peer and row_label(self.label) in (
            label, group, f"{group}, path")

    def __str__(self):
        when = f"round {self.round}" if self.round else "before the rounds"
        return f"{self.label}: {self.peer}, {when}: {self.why}"


def row_label(label):
    """Without what is told of the row: ", helper", " p50" and so on; and
    without how many there were of it."""
    label = re.sub(r"^\d+ ", "", label)
    return max((x for x in GROUP_OF if label.startswith(x)), key=len,
               default=label)


class BadFile(Exception):
    """A file that is no good, or no program to read it: one line says why."""


def print_no_more():
    """Nor is there anything to flush at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def attempt(action, *paths):
    """Do it with these files; the exit status."""
    try:
        action(*paths)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        print_no_more()  # nobody reads on
        return 0
    except BadFile as e:
        why = str(e)
    except OSError as e:
        why = f"{e.filename or 'standard output'}: {e.strerror}"
        if not e.filename:
            print_no_more()
    print(f"podsplice: bench: {clean(why)}", file=sys.stderr, flush=True)
    return EXIT_OURS


def write_file(path, text):
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    except OSError as e:
        raise BadFile(f"{path}: {e.strerror}") from e


class Figures:
    """What was measured, in the order in which it was.

    rows: {(label, unit): {peer: {round: value}}}, and raws: the same with what
    the generators told.
    """

    def __init__(self):
        self.machine, self.far = {}, None
        self.paths, self.udp_paths, self.absent = [], [], []
        self.rows, self.raws = {}, {}
        self.failures, self.notes = [], []  # Failure; texts

    def keep(self, label, unit, peer, number, value, raw):
        for rows, what in ((self.rows, value), (self.raws, raw or {})):
            rows.setdefault((label, unit), {}) \
                .setdefault(peer, {})[number] = what

    def failed(self, key, peer):
        """The first Failure for which it has no such figure; None: it does,
        or isn't measured that way."""
        if self.rows.get(key, {}).get(peer):
            return None
        return next((x for x in self.failures if x.concerns(key, peer)), None)

    def spoilt_by(self, failure):
        """Is it more than a peer's own trouble, or that of one round?"""
        who = failure.peer
        return failure.refused() or \
            (who.startswith(OURS) or who == self.baseline()) and not any(
                who in by_peer and failure.concerns(key, who)
                for key, by_peer in self.rows.items())

    def baseline(self):
        return self.machine.get("baseline", "native")

    def peers(self):
        """All that have a figure, the baseline and podsplice first."""
        seen = [p["peer"] for p in self.paths]
        seen += [p for by_peer in self.rows.values() for p in by_peer]
        seen = [p for p in dict.fromkeys(seen)
                if any(p in by_peer for by_peer in self.rows.values())]
        return sorted(seen, key=lambda p: (p != self.baseline(), p != OURS))

    def rivals(self):
        return [p for p in self.peers() if is_rival(p)]

    def shares(self):
        """What others used of the machine, in each measurement."""
        return [raw["others"] for by_peer in self.raws.values()
                for raws in by_peer.values() for raw in raws.values()
                if isinstance(raw.get("others"), (int, float))]


def is_rival(peer):
    """Neither podsplice in another mode nor what has no helper."""
    return not peer.startswith(OURS) and peer not in NO_HELPER


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
    if "absent" in record:
        figures.absent.append(f"{record['absent']}: {record['why']}")
    if "note" in record:
        figures.notes.append(str(record["note"]))
    for key, there in (("path", figures.paths),
                       ("udp_path", figures.udp_paths)):
        if key in record:
            there.append({"peer": record[key]["peer"], **record[key]})
    for key in ("machine", "far"):
        if key in record:
            setattr(figures, key, dict(record[key]))


def take_row(figures, record):
    label, peer, number = record["row"], record["peer"], record["round"]
    if "error" in record:
        figures.failures.append(Failure(str(label), str(peer), number,
                                        str(record["error"])))
        return
    unit, value, raw = record["unit"], record["value"], record["raw"]
    if not all(isinstance(x, str) for x in (label, peer, unit)) or \
            not isinstance(number, int) or \
            not isinstance(raw, (dict, type(None))):
        raise ValueError("a figure of another form")
    figures.keep(label, unit, peer, number, float(value), raw)


def read(path):
    """The Figures of a file, or BadFile."""
    figures, at, name = Figures(), 0, clean(path)
    try:
        with open(path, encoding="utf-8") as f:
            for at, line in enumerate(f, 1):
                take(figures, clean(json.loads(line,
                                               parse_constant=no_number)))
    except OSError as e:
        raise BadFile(f"{name}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise BadFile(f"{name}: not a file of results") from e
    except (ValueError, KeyError, TypeError, AttributeError,
            RecursionError) as e:
        raise BadFile(f"{name}: line {at} is no result") from e
    if not figures.machine or not figures.rows:
        raise BadFile(f"{name}: no results in it")
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


def cross_checks(figures):
    """{peer: of iperf3's figure, what our generator gives on the same path}"""
    label, unit = ROWS["check-iperf3"][1:3]
    ours, theirs = (figures.rows.get((f"{label}, {who}", unit), {})
                    for who in ("ours", "iperf3"))
    found = {peer: [v / theirs[peer][n] for n, v in of_rounds.items()
                    if theirs.get(peer, {}).get(n)]
             for peer, of_rounds in ours.items()}
    return {peer: statistics.median(x) for peer, x in found.items() if x}


def tell_check(peer, ratio):
    verdict = "within" if abs(ratio - 1) <= CHECK_WITHIN else "beyond"
    return (f"{peer}: ours is x{ratio:.2f} of iperf3's, {verdict} "
            f"{CHECK_WITHIN:.0%}")


# a peer that is ahead of another one: by how much, in how many rounds, both
# medians, and what else has to be known of it
Lead = namedtuple("Lead", "label unit peer behind factor ahead rounds a b "
                  "aside")


def medians(rows, key, *peers):
    """Of these, or None if one of them has no figure."""
    values = [rows.get(key, {}).get(p) for p in peers]
    return [statistics.median(v.values()) for v in values] if all(values) \
        else None


def aside(rows, key, *peers):
    """A latency tells little without its worst cases and its rate."""
    label = key[0].removesuffix(" p50")
    if label == key[0]:
        return ""
    found = [(what, medians(rows, other, *peers))
             for what, other in (("p99", (label + " p99", key[1])),
                                 ("1/s", (label, "1/s")))]
    return "".join(f"; {what}: {number(m[0])} to {number(m[1])}"
                   for what, m in found if m)


def lead(rows, key, peer, behind):
    """What peer is ahead of another one; None: it isn't, or nobody knows."""
    by_peer = rows[key]
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
                statistics.median(b for _, b in both),
                aside(rows, key, peer, behind))


def where_behind(rows):
    """Every Lead of a peer over podsplice, by rows, the greatest first."""
    for key, by_peer in rows.items():
        leads = [lead(rows, key, p, OURS) for p in by_peer
                 if is_rival(p) and OURS in by_peer]
        yield from sorted((x for x in leads if x), key=lambda x: -x.factor)


def where_first(rows):
    """The Lead of podsplice over the next best, of rows where it is first."""
    for key, by_peer in rows.items():
        leads = [lead(rows, key, OURS, p) for p in by_peer
                 if is_rival(p)]
        if leads and all(leads):
            yield min(leads, key=lambda x: x.factor)


def sentence(x):
    by = f" by x{times(x.factor)}" if math.isfinite(x.factor) else ""
    return (f"{x.label}: {x.peer} is ahead of {x.behind}{by}, {number(x.a)} "
            f"to {number(x.b)} {x.unit}".rstrip()
            + f" (in {x.ahead} of {x.rounds} rounds{x.aside})")


def times(v):
    """A ratio; small ones with a digit more, so that they are not zero."""
    digits = 0 if v >= 100 else 1 if v >= 10 else 2 if v >= 0.1 else 3
    return f"{v:.{digits}f}"


def number(v):
    if abs(v) >= 1000:
        return f"{v:.0f}"
    if abs(v) >= 10:
        return f"{v:.1f}"
    return f"{v:.2f}" if abs(v) >= 1 else f"{v:.3f}"


def plain(x):
    """A value of the head, whatever it is."""
    if isinstance(x, dict):
        return "; ".join(f"{k}: {plain(v)}" for k, v in x.items())
    if isinstance(x, list):
        each = [plain(y) for y in x]
        return ", ".join(y if (n := each.count(y)) == 1 else f"{y} ×{n}"
                         for y in dict.fromkeys(each))
    if isinstance(x, bool):
        return "yes" if x else "no"
    if isinstance(x, float):
        return f"{x:.4g}"
    return "-" if x is None else x if isinstance(x, str) else json.dumps(x)


# Rows that differ in how many clients or streams there are

COUNTED = re.compile(r", (\d+)(?: (?:streams?|clients?|flows?))?"
                     r"(?=$| p\d|, helper$|, machine$)")


def series(figures):
    """{(label, unit): {count: key of its row}}, of two counts and more."""
    found = {}
    for label, unit in figures.rows:
        at = COUNTED.search(label)
        if at:
            name = label[:at.start()] + label[at.end():]
            found.setdefault((name, unit), {})[int(at.group(1))] = \
                (label, unit)
    for key, by_count in found.items():
        if key in figures.rows:  # no number is one
            by_count.setdefault(1, key)
    return {key: dict(sorted(by_count.items()))
            for key, by_count in found.items() if len(by_count) > 1}
