#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of README.md, from a file of results that is kept with them.

    python3 bench/readme.py FILE      publish FILE, of podsplice bench --json
    python3 bench/readme.py           write those that are published anew
    python3 bench/readme.py --check   are README.md's figures these?

Kept is, in bench/results/, one file, of which the generators' reports are left
out but for what `bench show --report` shows. It has the machine, its settings
and the versions in it.
"""

import json
import os
import re
import statistics
import sys
import textwrap

from records import (NO_HELPER, OURS, BadFile, attempt, cross_checks, number,
                     read, tell_check, times, write_file)
from rows import CPU
from summary import as_good, best_rival, measured

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(HERE, "..", "README.md")
RESULTS = os.path.join(HERE, "results")
BEGIN, END = "<!-- figures: by bench/readme.py -->", "<!-- end of figures -->"
WIDTH = 80
NAMES = {"native": "no helper", "veth+NAT": "root's NAT"}


# What is kept

def kept_raw(record):
    """Of what the generator told, what a report shows."""
    first = record["unit"] == "1/s" or record["row"].endswith(" p50")
    return {k: v for k, v in (record["raw"] or {}).items()
            if k == "others" or first and k.endswith("_ns")}


def kept_lines(path):
    """The lines of a file of results, each once."""
    seen = set()
    with open(path, encoding="utf-8") as f:
        for record in map(json.loads, f):
            if "unit" in record:
                record["raw"] = kept_raw(record)
            line = json.dumps(record) + "\n"
            if "line" not in record and line not in seen:
                seen.add(line)
                yield line


def file_name(machine):
    words = f"{machine['date']} {machine['cpu']} {machine['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()) + ".json"


def keep(path):
    """In place of the one that was there."""
    name = file_name(read(path).machine)
    lines = list(kept_lines(path))
    os.makedirs(RESULTS, exist_ok=True)
    for old in os.listdir(RESULTS):
        os.remove(os.path.join(RESULTS, old))
    write_file(os.path.join(RESULTS, name), "".join(lines))


def published():
    """The path of the one file."""
    names = os.listdir(RESULTS) if os.path.isdir(RESULTS) else []
    if len(names) != 1:
        raise BadFile(f"bench/results: {len(names)} files, not one")
    return os.path.join(RESULTS, names[0])


# What README.md says of it

def rounds_of(figures):
    """How often, when the time was too short for some: from the fewest."""
    wanted = figures.machine["rounds"]
    fewest = min((len(figures.rows[key].get(OURS, ())) or wanted
                  for _, keys in measured(figures) for key in keys),
                 default=wanted)
    return f"{fewest} to {wanted}" if fewest < wanted else str(wanted)


def conditions(figures, name):
    m = figures.machine
    versions = "; ".join(m["versions"].values())
    shares = figures.shares()
    return [
        f"Medians of {rounds_of(figures)} rounds of {m['seconds']:g} s in which all "
        f"take turns, of checked payload, from "
        f"[{name}](bench/results/{name}): {m['date']}, {m['cpu']}, "
        f"{m['cores']} cores that also run sender and receiver, "
        f"{m['memory_mib']} MiB, Linux {m['kernel']}, {m['congestion']}, "
        f"others used {statistics.median(shares or [0]):.0%} of the machine"
        f"{', which was waited for' if m.get('calm') else ''}. "
        f"{versions}.",
        *(f"The same path by iperf3: {tell_check(*x)}."
          for x in cross_checks(figures).items() if x[0] == OURS),
        f"The first two columns say how many times as good {OURS} is, as no "
        f"helper and as the best of its peers in that row: twice the rate, "
        f"or half the time, is 2. Compare the figures with each other, not "
        f"with other machines."]


def joined(values):
    return " / ".join(values) if any(values) else "–"


def figure(figures, keys, peer):
    """Its cell, of one figure or several."""
    if any(figures.failed(key, peer) for key in keys):
        return "failed"
    values = [figures.rows[key].get(peer) for key in keys]
    return joined([number(statistics.median(v.values()))
                   for v in values if v])


def against_best(figures, keys):
    """Of several figures, of the first one's best peer."""
    best = best_rival(figures, keys[0])
    if not best:
        return "–"
    factors = [as_good(figures, key, best[0]) for key in keys]
    return f"{joined([times(x) for x in factors])} × {best[0]}"


def row(figures, main, keys, peers):
    unit = main.unit.replace("us", "µs").removeprefix(CPU)
    base = [as_good(figures, key, figures.baseline()) for key in keys]
    return [f"{main.text}, {unit}",
            joined([times(x) for x in base if x is not None]),
            against_best(figures, keys),
            *(figure(figures, keys, peer) for peer in peers)]


def seen_row(figures, peers):
    """Whose address does a server see?"""
    seen = {p["peer"]: p["seen_other"] for p in figures.paths
            if "seen_other" in p}
    client = seen.get(figures.baseline())
    return ["client's address seen, other host", "", "",
            *("–" if p not in seen else "yes" if seen[p] == client else "no"
              for p in peers)]


def block(path):
    """What stands between the marks."""
    figures = read(path)
    first = [p for p in (*NO_HELPER, OURS) if p in figures.peers()]
    peers = first + [p for p in figures.peers() if p not in first]
    lines = [["", "× no helper", "× best peer",
              *(NAMES.get(p, p) for p in peers)],
             ["---"] * (len(peers) + 3),
             *(row(figures, main, keys, peers)
               for main, keys in measured(figures)),
             seen_row(figures, peers)]
    text = [textwrap.fill(p, WIDTH, break_long_words=False,
                          break_on_hyphens=False) + "\n"
            for p in conditions(figures, os.path.basename(path))]
    table = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([BEGIN, *text, *table, END])


def parts():
    """README.md before, between and after the marks, with these."""
    with open(README, encoding="utf-8") as f:
        found = re.fullmatch(
            f"(.*)({re.escape(BEGIN)}.*{re.escape(END)})(.*)", f.read(), re.S)
    if not found:
        raise BadFile(f"README.md: no '{BEGIN}' and '{END}'")
    return found.groups()


def write():
    before, _, after = parts()
    write_file(README, before + block(published()) + after)


def publish(path):
    keep(path)
    write()


def check():
    if parts()[1] != block(published()):
        raise BadFile("README.md: the figures are not those of "
                      "bench/results (python3 bench/readme.py)")


def main():
    words = sys.argv[1:]
    if words == ["--check"]:
        return attempt(check)
    if len(words) > 1 or words and words[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    return attempt(publish, *words) if words else attempt(write)


if __name__ == "__main__":
    sys.exit(main())
