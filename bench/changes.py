# SPDX-License-Identifier: GPL-2.0-or-later
"""What changed between two runs, beyond what their rounds differ anyway.

Compared are the ratios to the baseline within each round, so that a faster
machine is no change, and the figures where there is none: of these nobody can
say that it isn't the machine. The baseline's own figures tell of that only.
Whether they differ tells an exact rank test (Mann and Whitney's): nothing is
assumed of how they are distributed, and one wild round decides nothing. How
much, the median of all quotients of a new and an old one (Hodges and
Lehmann's).
"""

import itertools
import math
import statistics
import textwrap
from collections import namedtuple

from records import (DISTURBED, MORE_IS_BETTER, attempt, number, read,
                     times)
from tables import columns

ALPHA = 0.01
LEAST = 0.05  # part of a figure that is worth a word
LEAST_PERCENT = 0.5  # of one that is per cent itself
EXACT_MOST = 100000  # ways to deal the rounds to two runs, to be counted
ALIKE = ("cpu", "cores", "memory_mib", "kernel", "link_mtu", "seconds",
         "congestion", "baseline", "connections", "held", "ports")

BETTER, WORSE, SAME, FEW = "better", "worse", "the same", "can't tell"

# verdict: one of these; what: of which the medians are
Change = namedtuple("Change", "label unit peer verdict what old new p apart")


# Statistics

def ranks(values):
    """From 1; equal ones share theirs."""
    order = sorted(values)
    first, count = {}, {}
    for i, v in enumerate(order, 1):
        first.setdefault(v, i)
        count[v] = count.get(v, 0) + 1
    return [first[v] + (count[v] - 1) / 2 for v in values]


def rank_test(old, new):
    """Two-sided probability that equals differ as much as these."""
    n, m = len(old), len(new)
    both = ranks(old + new)
    mean = n * (n + m + 1) / 2
    off = abs(sum(both[:n]) - mean) - 1e-9
    if math.comb(n + m, n) <= EXACT_MOST:
        sums = [abs(sum(c) - mean) >= off
                for c in itertools.combinations(both, n)]
        return sum(sums) / len(sums)
    spread = sum((r - (n + m + 1) / 2) ** 2 for r in both)
    deviation = math.sqrt(n * m * spread / ((n + m) * (n + m - 1)))
    if not deviation:
        return 1.0
    return math.erfc(max(off - 0.5, 0) / deviation / math.sqrt(2))


def least_p(n, m):
    """What the test says when all of one are beyond all of the other."""
    return 2 / math.comb(n + m, n)


def effect(unit, old, new):
    """Is it worth a word? And is more of it?"""
    if unit == "%" or min(old + new) <= 0:
        by = statistics.median(b - a for a in old for b in new)
        least = LEAST_PERCENT if unit == "%" else \
            LEAST * max(map(abs, old + new))
        return abs(by) >= least, by > 0
    by = statistics.median(b / a for a in old for b in new)
    return max(by, 1 / by) >= 1 + LEAST, by > 1


# Rows

def values_of(figures, key, peer):
    """By rounds, relative to the baseline or not; and which of these."""
    by_peer = figures.rows[key]
    own, base = by_peer[peer], by_peer.get(figures.baseline(), {})
    if peer != figures.baseline() and own and key[1] != "%" and \
            all(base.get(n) for n in own):
        return [v / base[n] for n, v in own.items()], figures.baseline()
    return list(own.values()), None


def compare_row(key, peer, old, new):
    (was, before), (now, after) = (values_of(f, key, peer)
                                   for f in (old, new))
    if before != after:
        was, now = (list(f.rows[key][peer].values()) for f in (old, new))
        after = None
    p = rank_test(was, now)
    matters, more = effect(key[1], was, now)
    apart = matters and (max(was) < min(now) or max(now) < min(was))
    if least_p(len(was), len(now)) >= ALPHA:
        verdict = FEW
    elif p >= ALPHA or not matters:
        verdict = SAME
    else:
        verdict = BETTER if more == (key[1] in MORE_IS_BETTER) else WORSE
    return Change(*key, peer, verdict, after, statistics.median(was),
                  statistics.median(now), p, apart)


def common(old, new):
    """(key, peer) of what both have, in the new one's order."""
    return [(key, peer) for key, by_peer in new.rows.items()
            for peer in by_peer if peer in old.rows.get(key, {})]


def only_in(figures, other):
    return [f"{key[0]}: {peer}" for key, by_peer in figures.rows.items()
            for peer in by_peer if peer not in other.rows.get(key, {})]


# In words

def told(x):
    """One change."""
    if x.what:
        values = f"{times(x.old)} -> {times(x.new)} of {x.what}"
    else:
        values = f"{number(x.old)} -> {number(x.new)} {x.unit}".rstrip()
    by = ""
    if x.unit != "%" and x.old > 0:
        by = f" ({(x.new / x.old - 1) * 100:+.0f} %)"
    return f"{x.label}: {x.peer}: {values}{by}"


def differences(old, new):
    """Of the two machines and versions, a line each."""
    for key in ALIKE:
        a, b = old.machine.get(key), new.machine.get(key)
        if a != b:
            yield f"{key.replace('_', ' ')}: {a} -> {b}"
    versions = [{p["peer"]: p.get("version") for p in f.paths}
                for f in (old, new)]
    for peer, version in versions[0].items():
        if peer in versions[1] and versions[1][peer] != version:
            yield f"version of {peer}: {version} -> {versions[1][peer]}"


def disturbed(old, new):
    """How much of the machine others used, if it was much."""
    shares = [statistics.median(f.shares() or [0]) for f in (old, new)]
    if max(shares) > DISTURBED:
        yield (f"others used {shares[0]:.0%} of the machine in the old run, "
               f"{shares[1]:.0%} in the new one")


def say(text, indent=""):
    print(textwrap.fill(text, columns(), initial_indent=indent,
                        subsequent_indent=indent + "  ",
                        break_long_words=False))


def say_all(title, lines):
    if lines:
        print(f"\n{title}:")
        for x in lines:
            say(x, "  ")


def tell(old, new):
    every = [compare_row(key, peer, old, new)
             for key, peer in common(old, new)]
    changes = [x for x in every if x.peer != new.baseline()]
    machine = [x for x in every if x.peer == new.baseline()]
    for x in differences(old, new):
        say(f"warning: not the same {x}")
    for x in disturbed(old, new):
        say(f"warning: {x}")
    say_all("the machine itself is another one, or was otherwise busy", [
        told(x) for x in machine if x.verdict in (WORSE, BETTER)])
    for title, own in (("{}, beyond noise", True),
                       ("{}, or the machine is: there is no baseline to "
                        "these", False)):
        for verdict in (WORSE, BETTER):
            say_all(title.format(verdict), [
                f"{told(x)}, p {x.p:.2g}" for x in changes
                if x.verdict == verdict and bool(x.what) == own])
    say_all("perhaps: all rounds agree, but they are too few to tell", [
        told(x) for x in changes if x.verdict == FEW and x.apart])
    say_all("only in the old one", only_in(old, new))
    say_all("only in the new one", only_in(new, old))
    print()
    say(summary(changes))


def summary(changes):
    count = {v: sum(x.verdict == v for x in changes)
             for v in (WORSE, BETTER, SAME, FEW)}
    tested = len(changes) - count[FEW]
    loose = sum(x.verdict in (WORSE, BETTER) and not x.what for x in changes)
    text = (f"{len(changes)} compared: {count[WORSE]} worse, {count[BETTER]} "
            f"better")
    if loose:
        text += f" ({loose} of these without a baseline)"
    text += f", {count[SAME]} the same within noise or {LEAST:.0%}"
    if count[FEW]:
        text += (f", {count[FEW]} with too few rounds to tell (5 in each run "
                 f"are enough)")
    if tested:
        text += (f". By chance alone about {tested * ALPHA:.1f} of {tested} "
                 f"would look changed (p < {ALPHA:g})")
    return text + "."


def compare(old_path, new_path):
    tell(read(old_path), read(new_path))


def main(old_path, new_path):
    """`bench compare OLD NEW`; the exit status."""
    return attempt(compare, old_path, new_path)
