# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a run is, how long it will take, and when it has taken long enough."""

import shutil
import sys
import time

LEAST_SHARE = 0.4  # of five rounds: the first one, and the one to warm up
SETUP_S = 2  # of a peer, once for each group of rows


def group_name(group):
    """Of a group of rows: a number is an MTU."""
    return f"MTU {group}" if isinstance(group, int) else group


class Clock:
    """A plan of groups of rows, each with its rounds, and the time it takes.

    With a budget no round is begun that would exceed the group's share of it,
    but the first one.
    """

    def __init__(self, budget=None):
        self.until = time.monotonic() + budget if budget else None
        self.plan = {}  # what is to come: seconds by group
        self.current = 0  # what was planned of the group that is measured
        self.planned, self.taken = 1, 1  # of all rounds that are done
        self.group_ends = 0  # as expected
        self.said = False
        self.terminal = sys.stderr.isatty()

    def expect(self, group, rounds, seconds):
        """It has so many rounds, each of about so many seconds."""
        self.plan[group] = rounds * seconds

    def rounds(self, group, first, last, note):
        """Their numbers, as far as there is time; note() is told of the rest.

        Round 0 is for warming up.
        """
        planned = self.current = self.plan.pop(group)
        each = planned / (last - max(first, 1) + 1)
        share = planned / (planned + sum(self.plan.values()))
        now = time.monotonic()
        until = now + (self.until - now) * share if self.until else None
        longest = 0
        for number in range(first, last + 1):
            began = time.monotonic()
            if until and number > 1 and began + longest > until:
                note(f"{group_name(group)}: {number - 1} of {last} rounds: "
                     "no time for more")
                break
            self.group_ends = began + (last - number + 1) * each * self.pace()
            yield number
            took = time.monotonic() - began
            longest = max(longest, took)
            self.taken += took
            self.planned += each

    def done(self, group):
        """Nothing more is to come of it."""
        self.plan.pop(group, None)
        self.group_ends = 0

    def hurried(self):
        """Is there just time for a round of each group, and none to wait?"""
        return self.until is not None and self.until - time.monotonic() < \
            (self.current + sum(self.plan.values())) * LEAST_SHARE

    def pace(self):
        return self.taken / self.planned

    def left(self):
        now = time.monotonic()
        seconds = max(self.group_ends - now, 0) + \
            sum(self.plan.values()) * self.pace()
        if self.until:
            seconds = min(seconds, max(self.until - now, 0))
        return seconds

    def step(self, text):
        """What is measured now."""
        if not self.terminal:
            return
        minutes, seconds = divmod(round(self.left()), 60)
        left = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        end = f"  ({left} left)"
        room = shutil.get_terminal_size().columns - len(end) - 1
        sys.__stderr__.write(f"\r\x1b[K{text[:max(room, 0)]}{end}")
        sys.__stderr__.flush()
        self.said = True

    def clear(self):
        if self.said:
            sys.__stderr__.write("\r\x1b[K")
            sys.__stderr__.flush()
            self.said = False

    def stay_below(self):
        """From now on what is printed takes the place of that line."""
        if self.terminal:
            sys.stdout = Above(sys.stdout, self)
            sys.stderr = Above(sys.stderr, self)


class Above:
    """A stream that is written to where the line of progress was."""

    def __init__(self, stream, clock):
        self.stream, self.clock = stream, clock

    def write(self, text):
        self.clock.clear()
        return self.stream.write(text)

    def __getattr__(self, name):
        return getattr(self.stream, name)
