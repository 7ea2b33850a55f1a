# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of the machine others use meanwhile, and waiting for less of it.

Others are processes outside of our pid namespace, and other guests of the
machine under this one (steal). What is done in interrupts has no owner, and is
left out: most of it is ours.
"""

import glob
import os
import time

LOOK_S = 0.5
WAIT_S = 60

TICK_HZ = os.sysconf("SC_CLK_TCK")


def machine_seconds():
    """CPU time of all processes, and what was stolen."""
    with open("/proc/stat", encoding="utf-8") as f:
        # user nice system idle iowait irq softirq steal
        ticks = [int(x) for x in f.readline().split()[1:9]]
    return (sum(ticks[:3]) + ticks[7]) / TICK_HZ


def own_seconds():
    """CPU time of ours, with that of those who have ended."""
    ticks = 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended: its parent has its time
        ticks += sum(int(x) for x in fields[11:15])
    return ticks / TICK_HZ


class Others:
    """Their share of the machine since this was made."""

    def __init__(self):
        self.began = time.monotonic()
        self.before = machine_seconds() - own_seconds()

    def share(self):
        used = machine_seconds() - own_seconds() - self.before
        had = (time.monotonic() - self.began) * os.cpu_count()
        return min(max(used / had, 0), 1)


def wait_calm(limit):
    """Until others leave the machine to us, or for long enough."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        others = Others()
        time.sleep(LOOK_S)
        if others.share() <= limit:
            return
