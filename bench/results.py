# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures, what goes wrong, and the tables in the end."""

import json
import statistics
import sys

from rows import CPU


class Results:
    """Figures by (label, unit) and peer, in order of rounds; None: failed."""

    def __init__(self, path):
        self.rows, self.failures, self.notes = {}, [], []
        self.others = []  # their shares of the machine
        self.looked = set()  # at the peers' paths, of TCP, of UDP
        self.json = open(path, "w", encoding="utf-8") if path else None

    def write(self, record):
        if self.json:
            self.json.write(json.dumps({"schema": 1, **record}) + "\n")
            self.json.flush()

    def add(self, label, unit, peer, number, value, raw=None):
        if not unit.startswith(CPU):
            self.note_losses(label, peer, number, raw)
        row = self.rows.setdefault((label, unit), {}).setdefault(peer, {})
        row[number] = value
        self.write({"row": label, "unit": unit, "peer": peer,
                    "round": number, "value": value, "raw": raw})

    def note_losses(self, label, peer, number, raw):
        if (raw or {}).get("lost"):
            self.note(f"{label}: {peer}, round {number}: {raw['lost']} of "
                      f"{raw['count'] + raw['lost']} datagrams had no answer")
        if (raw or {}).get("lost_bytes"):
            self.note(f"{label}: {peer} lost the last {raw['lost_bytes']} "
                      f"bytes of a stream that ended in order")
        errors = (raw or {}).get("errors", {}).get("all")
        if errors:
            self.note(f"{label}: {peer}, round {number}: {errors} of "
                      f"{raw['count'] + errors} connections failed")

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            self.write({"note": text})

    def fail(self, label, peer, number, why):
        self.failures.append(f"{label}: {peer}, round {number}: {why}")
        self.write({"row": label, "peer": peer, "round": number,
                    "value": None, "error": str(why)})
        print(f"failed: {self.failures[-1]}", file=sys.stderr)

    def cell(self, by_peer, peer, baseline):
        values = list(by_peer.get(peer, {}).values())
        if not values:
            return "-"
        spread = 0
        if len(values) > 1:
            q = statistics.quantiles(values, n=4, method="inclusive")
            spread = (q[2] - q[0]) / 2
        base = by_peer.get(baseline, {})
        ratios = [v / base[n] for n, v in by_peer[peer].items()
                  if base.get(n)]
        text = f"{number(statistics.median(values))} ±{number(spread)}"
        if peer != baseline and ratios:
            text += f"  x{statistics.median(ratios):.2f}"
        return text

    def table(self, peers, baseline, of_costs):
        lines = [["", ""] + peers]
        for (label, unit), by_peer in self.rows.items():
            if unit.startswith(CPU) == of_costs:
                lines.append([label, unit] + [self.cell(by_peer, p, baseline)
                                              for p in peers])
        if len(lines) == 1:
            return
        print()
        widths = [max(len(line[i]) for line in lines)
                  for i in range(len(lines[0]))]
        for line in lines:
            print("  ".join(c.ljust(w) for c, w in zip(line, widths))
                  .rstrip())


def number(v):
    if v >= 1000:
        return f"{v:.0f}"
    if v >= 10:
        return f"{v:.1f}"
    return f"{v:.2f}" if v >= 1 else f"{v:.3f}"
