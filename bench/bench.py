# SPDX-License-Identifier: GPL-2.0-or-later
"""What `podsplice bench` executes: see setup/cli/verb_bench.c, which has read
the options, and measure.py for what is measured and how.

The binary is $PODSPLICE; it is copied first, so it may be rebuilt meanwhile.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends it, without a word

# pylint: disable=wrong-import-position
import argparse
import importlib
import os
import resource
import shutil
import sys
import tempfile

from catalogue import PEERS
from lab import Failed, Lab
from machine import describe_machine
from measure import measure
from outer import OURS, Later, die, run_inside
from progress import Clock
from records import BadFile
from results import Results
from rows import ROWS
from tables import print_figures

DESCRIPTORS_LEAST = 4096
QUICK_ROWS = ("out-1500", "pub-net", "rr-net", "crr-net-1")
QUICK_PEERS = ("native", "podsplice", "pasta", "slirp4netns")

# What a preset stands for; other options are stronger.
PRESETS = {
    None: {"rounds": 5, "seconds": 2, "budget": None},
    "quick": {"rounds": 3, "seconds": 0.5, "budget": 50},
    "full": {"rounds": 5, "seconds": 0.5, "budget": 28 * 60},
    "smoke": {"rounds": 1, "seconds": 0.2, "budget": None},
}

# What is called, and what Debian calls its package.
TOOLS = {"ip": "iproute2", "ss": "iproute2", "sysctl": "procps",
         "nsenter": "util-linux", "setpriv": "util-linux",
         "unshare": "util-linux", "mount": "mount"}
FAR_TOOLS = {"ethtool": "ethtool", "ping": "iputils-ping"}
PLOT_TOOLS = {"gnuplot": "gnuplot-nox"}


def number(name, text, least, most, kind):
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        die(f"--{name} {text}: not a number from {least} to {most}")
    return value


def find_rows(only):
    """By their names, or by what the names of several begin with."""
    rows = set()
    for word in only:
        found = [word] if word in ROWS else \
            [r for r in ROWS if word and r.startswith(word)]
        if not found:
            die(f"--only {word}: no such row (podsplice bench --list)")
        rows.update(found)
    return [r for r in ROWS if r in rows]


def check_peers(option, names, known):
    for name in names:
        if name not in known:
            die(f"--{option} {name}: no such peer (podsplice bench --list)")


def parse_words(argv):
    """What verb_bench.c hands on: --name=value, and arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("preset", "only", "against", "baseline", "rounds", "seconds",
                 "calm", "congestion", "json", "report", "plot"):
        parser.add_argument(f"--{name}")
    parser.add_argument("arguments", nargs="*")
    return parser.parse_args(argv)


def fill_in(opts):
    """Values from words, and what follows from the preset."""
    if not opts.preset and not opts.only:
        opts.preset = "quick"
    preset = PRESETS[opts.preset]
    quick, smoke = opts.preset == "quick", opts.preset == "smoke"
    opts.rows = find_rows(opts.only.split(",")) if opts.only else \
        list(QUICK_ROWS if quick else ROWS)
    opts.baseline = opts.baseline or "native"
    peers = [kind.name for kind in PEERS]
    check_peers("baseline", [opts.baseline], peers)
    opts.against = opts.against.split(",") if opts.against else \
        QUICK_PEERS if quick else None
    check_peers("against", opts.against or [], [*peers, "all"])
    opts.rounds = number("rounds", opts.rounds or preset["rounds"], 1, 1000,
                         int)
    opts.seconds = number("seconds", opts.seconds or preset["seconds"], 0.1,
                          600, float)
    opts.calm = number("calm", opts.calm or 0, 0, 100, float) / 100
    opts.congestion = opts.congestion or "cubic"
    opts.clock = Clock(preset["budget"])
    opts.smoke = smoke
    # one loss more or less shall not matter much
    opts.far_seconds = 1 if smoke else max(opts.seconds, 5)
    opts.starts = 1 if smoke else max(opts.rounds, 20)
    opts.connections, opts.held, opts.ports = (100, 200, 100) if smoke else \
        (5000, 9000, 10000)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY:  # two for each connection
        if limit < DESCRIPTORS_LEAST:
            die(f"descriptors: {limit}, which are too few (ulimit -n "
                f"{DESCRIPTORS_LEAST}, or more)")
        opts.held = min(opts.held, (limit - 1000) // 2)
        opts.connections = min(opts.connections, opts.held)


def check_tools(tools):
    for tool, package in tools.items():
        if not shutil.which(tool):
            die(f"{tool}: not found (install the package {package})")


def check_outputs(opts):
    """Before half an hour has gone by for them; none is left if it ends."""
    try:
        for path in filter(None, (opts.json, opts.report)):
            there = os.path.lexists(path)
            with open(path, "a", encoding="utf-8"):
                pass
            if not there:
                os.remove(path)
        if opts.plot:
            os.makedirs(opts.plot, exist_ok=True)
    except OSError as e:
        die(f"{e.filename}: {e.strerror}")


def inside(opts):
    """In namespaces of its own; the exit status."""
    results = Results(opts.json)
    opts.clock.stay_below()
    try:
        lab = Lab(opts.binary, opts.congestion)
        return 0 if measure(lab, opts, results) else OURS
    except BadFile as e:
        if results.rows:
            print_figures(results)
        die(e)
    except Failed as e:
        die(e)


def other_program(name, *paths):
    """What a module of another purpose does with files."""
    return importlib.import_module(name).main(*paths)


def run(opts):
    fill_in(opts)
    far = any(r.startswith("far") for r in opts.rows)
    check_tools({**TOOLS, **(FAR_TOOLS if far else {}),
                 **(PLOT_TOOLS if opts.plot else {})})
    check_outputs(opts)
    opts.machine = describe_machine()
    with tempfile.TemporaryFile() as lines:
        if (opts.report or opts.plot) and not opts.json:
            opts.json = f"/proc/self/fd/{lines.fileno()}"
        plotter = Later(lambda: other_program("plot", opts.json, opts.plot)) \
            if opts.plot else None
        status = run_inside(opts.binary, lambda: inside(opts))
        opts.clock.clear()
        if opts.report:
            status = other_program("report", opts.json, opts.report) or status
        if plotter:
            status = plotter.do() or status
    return status


def tell(opts):
    """What was measured before; the exit status."""
    verb, *paths = opts.arguments
    if verb == "compare":
        return other_program("changes", *paths)
    check_tools(PLOT_TOOLS if opts.plot else {})
    check_outputs(opts)
    status = other_program("tables", *paths)
    if opts.report and not status:
        status = other_program("report", *paths, opts.report)
    if opts.plot and not status:
        status = other_program("plot", *paths, opts.plot)
    return status


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # as root has it
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + \
        ":/usr/local/sbin:/usr/sbin:/sbin"
    opts = parse_words(sys.argv[1:])
    if opts.arguments:
        return tell(opts)
    opts.binary = os.environ["PODSPLICE"]
    if opts.preset == "list":
        print("rows:", *(f"  {name:16} {row[1]}" for name, row in ROWS.items()),
              f"\npeers: {' '.join(kind.name for kind in PEERS)}", sep="\n")
        return 0
    return run(opts)


if __name__ == "__main__":
    sys.exit(main())
