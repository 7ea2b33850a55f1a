# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures, what goes wrong, and the tables in the end."""

import json
import os
import shutil
import statistics
import sys
import textwrap

from records import (Figures, number, ratios, sentence, spread, times,
                     where_behind)
from rows import CPU

UNLIMITED = 10000  # columns of what is no terminal


class Results(Figures):
    """Figures of a run while it goes on; into a file, too, as they come."""

    def __init__(self, path):
        super().__init__()
        self.others = []  # their shares of the machine
        self.looked = set()  # at the peers' paths, of TCP, of UDP
        self.json = open(path, "w", encoding="utf-8") if path else None

    def write(self, record):
        if self.json:
            self.json.write(json.dumps({"schema": 1, **record}) + "\n")
            self.json.flush()

    def add(self, label, unit, peer, round_, value, raw=None):
        if not unit.startswith(CPU):
            self.note_losses(label, peer, round_, raw)
        self.keep(label, unit, peer, round_, value, raw)
        self.write({"row": label, "unit": unit, "peer": peer,
                    "round": round_, "value": value, "raw": raw})

    def note_losses(self, label, peer, round_, raw):
        if (raw or {}).get("lost"):
            self.note(f"{label}: {peer}, round {round_}: {raw['lost']} of "
                      f"{raw['count'] + raw['lost']} datagrams had no answer")
        if (raw or {}).get("lost_bytes"):
            self.note(f"{label}: {peer} lost the last {raw['lost_bytes']} "
                      f"bytes of a stream that ended in order")
        errors = (raw or {}).get("errors", {}).get("all")
        if errors:
            self.note(f"{label}: {peer}, round {round_}: {errors} of "
                      f"{raw['count'] + errors} connections failed")

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            self.write({"note": text})

    def fail(self, label, peer, round_, why):
        self.failures.append(f"{label}: {peer}, round {round_}: {why}")
        self.write({"row": label, "peer": peer, "round": round_,
                    "value": None, "error": str(why)})
        print(f"failed: {self.failures[-1]}", file=sys.stderr)

    def table(self, peers, baseline, of_costs):
        """One line a row, or several where the terminal is too narrow."""
        lines = []
        for (label, unit), by_peer in self.rows.items():
            if unit.startswith(CPU) == of_costs:
                lines.append([label, unit] + [cell(by_peer, p, baseline)
                                              for p in peers])
        if not lines:
            return
        print()
        width = columns()
        text = aligned([["", ""] + peers] + lines)
        if max(len(line) for line in text) > width:
            text = wrapped(peers, lines, width)
        print("\n".join(text))

    def say_where_behind(self):
        """What the table shows against podsplice, in words."""
        for x in where_behind(self.rows):
            print(textwrap.fill(sentence(x), columns(), subsequent_indent="  ",
                                break_long_words=False))


def columns():
    """Of the terminal; what isn't one has no end."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return UNLIMITED


def cell(by_peer, peer, baseline):
    values = list(by_peer.get(peer, {}).values())
    if not values:
        return "-"
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
