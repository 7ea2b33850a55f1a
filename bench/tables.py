# SPDX-License-Identifier: GPL-2.0-or-later
"""What is printed of a run in the end: tables, and what they show, in words."""

import os
import shutil
import statistics
import sys
import textwrap

from records import (attempt, number, plain, ratios, read, sentence, spread,
                     times, where_behind)
from rows import CPU

UNLIMITED = 10000  # columns of what is no terminal


def table(figures, of_costs):
    """One line a row, or several where the terminal is too narrow."""
    peers = figures.peers()
    lines = [[*key] + [cell(figures, key, p) for p in peers]
             for key in figures.rows if key[1].startswith(CPU) == of_costs]
    if not lines:
        return
    print()
    width = columns()
    text = aligned([["", ""] + peers] + lines)
    if max(len(line) for line in text) > width:
        text = wrapped(peers, lines, width)
    print("\n".join(text))


def print_figures(figures):
    """All of it."""
    print(f"median ±half the interquartile range  xratio to "
          f"{figures.baseline()} (median of the rounds)")
    for of_costs in (False, True):
        table(figures, of_costs)
    print()
    # what the table shows against podsplice, in words
    for x in where_behind(figures.rows):
        print(textwrap.fill(sentence(x), columns(), subsequent_indent="  ",
                            break_long_words=False))
    shares = figures.shares()
    if shares:
        print(f"others used {statistics.median(shares):.0%} of the machine "
              f"meanwhile (median), at most {max(shares):.0%}")
    for note in figures.notes:
        print(f"note: {note}")
    for failure in figures.failures:
        print(f"failed: {failure}")


def columns():
    """Of the terminal; what isn't one has no end."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return UNLIMITED


def cell(figures, key, peer):
    by_peer, baseline = figures.rows[key], figures.baseline()
    values = list(by_peer.get(peer, {}).values())
    if not values:
        return "failed" if figures.failed(key, peer) else "-"
    middle, q1, q3 = spread(values)
    text = f"{number(middle)} ±{number((q3 - q1) / 2)}"
    own = ratios(by_peer, peer, baseline)
    if peer != baseline and own:
        text += f"  x{times(statistics.median(own))}"
    return text


def aligned(lines):
    widths = [max(len(line[i]) for line in lines)
              for i in range(len(lines[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip()
            for line in lines]


def wrapped(peers, lines, width):
    """Each row's peers below its label, as many beside each other as fit."""
    names = max(len(p) for p in peers)
    cells = max(len(c) for line in lines for c in line[2:])
    many = max((width - 2) // (names + cells + 5), 1)
    text = []
    for label, unit, *values in lines:
        text += textwrap.wrap(", ".join(x for x in (label, unit) if x), width)
        each = [f"{p.ljust(names)}  {v.ljust(cells)}"
                for p, v in zip(peers, values) if v != "-"]
        text += ["  " + "   ".join(each[at:at + many]).rstrip()
                 for at in range(0, len(each), many)]
    return text


def show(path):
    """A file of results, on the terminal."""
    figures = read(path)
    for key, value in figures.machine.items():
        print(f"{key.replace('_', ' ')}: {plain(value)}")
    for why in figures.absent:
        print(f"absent: {why}")
    print()
    print_figures(figures)


def main(path):
    """Of `bench show`; the exit status."""
    return attempt(show, path)
