# SPDX-License-Identifier: GPL-2.0-or-later
"""The few rows that tell most, and how good podsplice is in each of them: for
the top of a report, and README.md.

A latency stands beside the rate that it was measured at, and the median of one
beside its worst hundredth: neither tells much alone.
"""

import re
import statistics
from collections import namedtuple

from records import OURS, factor, is_rival

# labels: of a figure, or of several that are told together
Main = namedtuple("Main", "text labels unit")


def both(text, label):
    return Main(f"{text}, p50 / p99", (f"{label} p50", f"{label} p99"), "us")


def one(text, label, unit):
    return Main(text, (label,), unit)


def requests(text, label):
    """A rate with its latencies."""
    return one(text, label, "1/s"), both(text, label)


MAIN = (
    one("published port, client on the host", "published, loopback -> pod",
        "Gbit/s"),
    one("published port, client on another host",
        "published, other host -> pod", "Gbit/s"),
    one("published port, to a client on another host",
        "published, pod -> other host", "Gbit/s"),
    one("out of the pod, MTU 1500", "egress, MTU 1500, pod -> host", "Gbit/s"),
    one("into the pod on its own connection, MTU 1500",
        "egress, MTU 1500, host -> pod", "Gbit/s"),
    one("out of the pod, MTU 65520", "egress, MTU 65520, pod -> host",
        "Gbit/s"),
    one("out of the pod, over 20 ms and 0.1 % loss",
        "far leg, egress, pod -> far", "Mbit/s"),
    one("published port, over 20 ms and 0.1 % loss",
        "far leg, published, far -> pod", "Mbit/s"),
    both("round trip of a byte, published port",
         "round trip, 1 byte, other host"),
    both("round trip of a byte, out of the pod",
         "egress, round trip, 1 byte"),
    one("connections to a published port, one client",
        "connect+1+close, other host, 1", "1/s"),
    one("connections to a published port, 32 clients",
        "connect+1+close, other host, 32", "1/s"),
    one("connections out of the pod, one client",
        "egress, connect+1+close, 1", "1/s"),
    one("connections out of the pod, 32 clients",
        "egress, connect+1+close, 32", "1/s"),
    *requests("HTTP, 1 KiB, 32 clients",
              "HTTP, nginx, 1 KiB, other host, 32 clients"),
    *requests("UDP round trips, 64 clients", "UDP round trip, 64 bytes, 64"),
    one("UDP into the pod, 1,200 bytes", "UDP, 1200 bytes, other host -> pod",
        "Gbit/s"),
    *requests("DNS, asked in the pod, 32 clients",
              "DNS, asked in the pod, 32 clients"),
    one("helper's CPU, published port, other host",
        "published, other host -> pod, helper", "CPU s/GB"),
    one("helper's CPU, out of the pod, MTU 1500",
        "egress, MTU 1500, pod -> host, helper", "CPU s/GB"),
    one("helper's CPU, connections to a published port",
        "connect+1+close, other host, 32, helper", "CPU s/1000"),
    one("start, run true, end", "start, run true, end", "ms"),
    one("until a published port answers",
        "start, until a published port answers", "ms"),
    one("until 10,000 ports do", "published ports, ready", "ms"),
    one("memory of an idle helper", "idle helper, private memory", "KiB"),
    one("memory of a connection, of 9,000",
        "per connection held, other host, memory", "bytes"),
)


def keys_of(figures, main):
    """Of its rows; None: they weren't measured."""
    keys = [key for label in main.labels for key in figures.rows
            if key[1] == main.unit and re.sub(r"^\d+ ", "", key[0]) == label]
    return keys if len(keys) == len(main.labels) else None


def measured(figures):
    """(Main, its keys), of those that were."""
    for main in MAIN:
        keys = keys_of(figures, main)
        if keys:
            yield main, keys


def as_good(figures, key, other):
    """How many times as good as another one podsplice is: the median of their
    rounds; None: nobody knows."""
    by_peer = figures.rows[key]
    ours, theirs = by_peer.get(OURS, {}), by_peer.get(other, {})
    factors = [factor(key[1], ours[n], theirs[n]) for n in ours
               if n in theirs]
    return statistics.median(factors) if factors else None


def best_rival(figures, key):
    """(its name, as_good() beside it), of the peer that podsplice is least
    ahead of, or most behind; None: there is no peer."""
    found = [(peer, as_good(figures, key, peer)) for peer in figures.rows[key]
             if is_rival(peer)]
    return min((x for x in found if x[1] is not None), key=lambda x: x[1],
               default=None)
