# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of every peer: the rows of the tables.

Each function of a row gives (suffix of the label, unit or None for the row's,
value, raw) for each figure.
"""

import os
import time

from lab import CLIENT4, FAR4, HOST4, NEAR4

FAR_PORT = 5300
CPU = "CPU "  # what units of costs begin with

# Where a row's generator runs, and what it talks to.


def loopback(peer):
    return "host", "127.0.0.1", peer.port


def other_host(peer):
    return "client", HOST4, peer.port


def egress(peer):
    return peer.server, CLIENT4, FAR_PORT


def far_out(peer):
    return peer.server, FAR4, FAR_PORT


def far_in(peer):
    return "far", NEAR4, peer.port


def busy_seconds():
    """CPU time of the whole machine that was not idle."""
    with open("/proc/stat", encoding="utf-8") as f:
        # user nice system idle iowait irq softirq steal
        ticks = [int(x) for x in f.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def load_with_cost(peer, where, args):
    """A generator's run, with the CPU time it took to serve it."""
    helper = peer.sample()["cpu_s"]
    began, busy = time.monotonic(), busy_seconds()
    got = peer.lab.load(where, args)
    got["busy_s"] = round(busy_seconds() - busy, 2)
    got["wall_s"] = round(time.monotonic() - began, 2)
    got["helper_cpu_s"] = round(peer.sample()["cpu_s"] - helper, 2)
    return got


def costs(peer, got, amount, unit, far=False):
    # over the far leg the machine's would be what else runs, divided by little
    if peer.program:
        yield ", helper", CPU + unit, got["helper_cpu_s"] / amount, got
    if not far:
        yield ", machine", CPU + unit, got["busy_s"] / amount, got


def bulk(way, reverse=False, streams=1, far=False):
    def row(peer, seconds):
        where, target, port = way(peer)
        got = load_with_cost(peer, where, [
            "bulk", "--seconds", f"{seconds:g}", "--streams", str(streams),
            *(["--reverse"] if reverse else []), target, str(port)])
        yield "", None, got["bits_per_second"] / (1e6 if far else 1e9), got
        yield from costs(peer, got, got["bytes"] / 1e9, "s/GB", far)
    return row


def round_trip(way):
    def row(peer, seconds):
        where, target, port = way(peer)
        got = peer.lab.load(where, ["rr", "--seconds", f"{seconds:g}",
                                    target, str(port)])
        yield " p50", None, got["p50_ns"] / 1e3, got
        yield " p99", None, got["p99_ns"] / 1e3, got
    return row


def connects(way, clients):
    def row(peer, seconds):
        where, target, port = way(peer)
        got = load_with_cost(peer, where, [
            "crr", "--seconds", f"{seconds:g}", "--clients", str(clients),
            target, str(port)])
        yield "", None, got["per_second"], got
        yield from costs(peer, got, got["answers"] / 1e3, "s/1000")
    return row


def udp_round_trip(clients):
    def row(peer, seconds):
        where, target, port = other_host(peer)
        got = load_with_cost(peer, where, [
            "udp-rr", "--seconds", f"{seconds:g}", "--clients", str(clients),
            target, str(port)])
        yield "", "1/s", got["per_second"], got
        yield " p50", "us", got["p50_ns"] / 1e3, got
        yield " p99", "us", got["p99_ns"] / 1e3, got
        # the first tenth warms up and isn't counted, but costs
        yield from costs(peer, got, got["count"] / 0.9e3, "s/1000")
    return row


def udp_bulk(size, reverse=False, mbits=None):
    def row(peer, seconds):
        where, target, port = other_host(peer)
        got = load_with_cost(peer, where, [
            "udp-bulk", "--seconds", f"{seconds:g}", "--size", str(size),
            *(["--reverse"] if reverse else []),
            *(["--rate", str(mbits)] if mbits else []), target, str(port)])
        if not mbits:
            yield "", "Gbit/s", got["bits_per_second"] / 1e9, got
        yield ", lost", "%", got["lost_share"] * 100, got
        yield from costs(peer, got, got["bytes"] / 1e9, "s/GB")
    return row


# name: (group, label, unit, function); a group is measured with one start of
# each peer: a number is the MTU
ROWS = {
    "pub-lo": ("published", "published, loopback -> pod", "Gbit/s",
               bulk(loopback)),
    "pub-lo-rev": ("published", "published, pod -> loopback", "Gbit/s",
                   bulk(loopback, reverse=True)),
    "pub-net": ("published", "published, other host -> pod", "Gbit/s",
                bulk(other_host)),
    "pub-net-rev": ("published", "published, pod -> other host", "Gbit/s",
                    bulk(other_host, reverse=True)),
    "rr-lo": ("published", "round trip, 1 byte, loopback", "us",
              round_trip(loopback)),
    "rr-net": ("published", "round trip, 1 byte, other host", "us",
               round_trip(other_host)),
    "crr-lo-1": ("published", "connect+1+close, loopback, 1", "1/s",
                 connects(loopback, 1)),
    "crr-lo-32": ("published", "connect+1+close, loopback, 32", "1/s",
                  connects(loopback, 32)),
    "crr-net-1": ("published", "connect+1+close, other host, 1", "1/s",
                  connects(other_host, 1)),
    "crr-net-32": ("published", "connect+1+close, other host, 32", "1/s",
                   connects(other_host, 32)),
    "crr-net-64": ("published", "connect+1+close, other host, 64", "1/s",
                   connects(other_host, 64)),
    "udp-rr-1": ("udp", "UDP round trip, 64 bytes, 1", None,
                 udp_round_trip(1)),
    "udp-rr-64": ("udp", "UDP round trip, 64 bytes, 64", None,
                  udp_round_trip(64)),
    "udp-1200": ("udp", "UDP, 1200 bytes, other host -> pod", None,
                 udp_bulk(1200)),
    "udp-1200-rev": ("udp", "UDP, 1200 bytes, pod -> other host", None,
                     udp_bulk(1200, reverse=True)),
    "udp-1200-200": ("udp", "UDP, 1200 bytes, 200 Mbit/s to pod", None,
                     udp_bulk(1200, mbits=200)),
    "udp-8900": ("jumbo", "UDP, 8900 bytes, other host -> pod", None,
                 udp_bulk(8900)),
    "udp-8900-rev": ("jumbo", "UDP, 8900 bytes, pod -> other host", None,
                     udp_bulk(8900, reverse=True)),
    "udp-8900-1000": ("jumbo", "UDP, 8900 bytes, 1 Gbit/s to pod", None,
                      udp_bulk(8900, mbits=1000)),
    "out-1500": (1500, "egress, MTU 1500, pod -> host", "Gbit/s",
                 bulk(egress)),
    "out-1500-rev": (1500, "egress, MTU 1500, host -> pod", "Gbit/s",
                     bulk(egress, reverse=True)),
    "out-4-1500": (1500, "egress, MTU 1500, 4 streams", "Gbit/s",
                   bulk(egress, streams=4)),
    "out-65520": (65520, "egress, MTU 65520, pod -> host", "Gbit/s",
                  bulk(egress)),
    "out-65520-rev": (65520, "egress, MTU 65520, host -> pod", "Gbit/s",
                      bulk(egress, reverse=True)),
    "out-4-65520": (65520, "egress, MTU 65520, 4 streams", "Gbit/s",
                    bulk(egress, streams=4)),
    "rr-out": (65520, "egress, round trip, 1 byte", "us", round_trip(egress)),
    "crr-out-1": (65520, "egress, connect+1+close, 1", "1/s",
                  connects(egress, 1)),
    "crr-out-32": (65520, "egress, connect+1+close, 32", "1/s",
                   connects(egress, 32)),
    "far-out": ("far", "far leg, egress, pod -> far", "Mbit/s",
                bulk(far_out, far=True)),
    "far-out-rev": ("far", "far leg, egress, far -> pod", "Mbit/s",
                    bulk(far_out, reverse=True, far=True)),
    "far-pub": ("far", "far leg, published, far -> pod", "Mbit/s",
                bulk(far_in, far=True)),
    "far-pub-rev": ("far", "far leg, published, pod -> far", "Mbit/s",
                    bulk(far_in, reverse=True, far=True)),
    "startup": ("startup", "start, run true, end", "ms", None),
    "memory": ("memory", "idle helper, private memory", "KiB", None),
    "idle": ("memory", "per idle connection", "", None),
    "idle-out": ("memory", "per idle egress connection", "", None),
    "held": ("held", "per connection held, other host", "", None),
    "ports": ("ports", "published ports", "ms", None),
}
