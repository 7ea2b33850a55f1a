# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of every peer: the rows of the tables.

Each function of a row gives (suffix of the label, unit or None for the row's,
value, raw) for each figure; none where a peer doesn't offer the way.
"""

import os
import time

from lab import CLIENT4, FAR4, HOST4, NEAR4, Failed
from servers import DNS_PORT

# of who is asked from inside: each peer has a port of its own there. All of them
# come from one address, and one's pair of ports may still be in TIME_WAIT there
# when another takes it, of which the kernel that translates knows nothing
FAR_PORT, FAR_PORTS = 5300, 100
CPU = "CPU "  # what units of costs begin with

# Where a row's generator runs, and what it talks to.


def loopback(peer):
    return "host", "127.0.0.1", peer.port


def other_host(peer):
    return "client", HOST4, peer.port


def egress(peer):
    return peer.server, CLIENT4, far_port(peer)


def far_port(peer):
    return FAR_PORT + peer.port % FAR_PORTS


def far_server(lab, where, log):
    """At all of these ports."""
    return lab.spawn(where, [lab.bin, "bench-load", "serve", "--count",
                             str(FAR_PORTS), "::", str(FAR_PORT)],
                     f"{lab.tmp}/{log}.log")


def resolver(peer):
    return peer.server, peer.resolver, DNS_PORT


def far_out(peer):
    return peer.server, FAR4, far_port(peer)


def far_in(peer):
    return "far", NEAR4, peer.port


def offers(peer, way):
    if way in (egress, resolver, far_out):
        return peer.has_egress
    return peer.has_other or way not in (other_host, far_in)


def over(way, figures):
    """A row: figures(peer, (where, target, port), seconds) that way."""
    def row(peer, seconds):
        if offers(peer, way):
            with peer.in_use():
                yield from figures(peer, way(peer), seconds)
    return row


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


def too_many(peer, way, count):
    """Connections at once, for what it publishes?"""
    return way in (loopback, other_host) and count > peer.most_streams


def bulk(way, reverse=False, streams=1, far=False):
    def figures(peer, at, seconds):
        where, target, port = at
        if too_many(peer, way, streams):
            return
        got = load_with_cost(peer, where, [
            "bulk", "--seconds", f"{seconds:g}", "--streams", str(streams),
            *(["--reverse"] if reverse else []), target, str(port)])
        if not got["bits_per_second"]:
            raise Failed("nothing arrived in the time that is measured")
        yield "", None, got["bits_per_second"] / (1e6 if far else 1e9), got
        yield from costs(peer, got, got["bytes"] / 1e9, "s/GB", far)
    return over(way, figures)


def latencies(got, unit=None):
    for name in ("p50", "p90", "p99", "p999"):
        yield (f" {name.replace('999', '99.9')}", unit,
               got[f"{name}_ns"] / 1e3, got)


def round_trip(way, size):
    def figures(peer, at, seconds):
        where, target, port = at
        yield from latencies(peer.lab.load(where, [
            "rr", "--seconds", f"{seconds:g}", "--size", str(size), target,
            str(port)]))
    return over(way, figures)


def connects(way, clients):
    def figures(peer, at, seconds):
        where, target, port = at
        got = load_with_cost(peer, where, [
            "crr", "--seconds", f"{seconds:g}", "--clients", str(clients),
            target, str(port)])
        yield "", None, got["per_second"], got
        yield from costs(peer, got, got["answers"] / 1e3, "s/1000")
    return over(way, figures)


def exchanges(way, generator, clients, *args):
    """So many a second, how long each takes, and what they cost."""
    def figures(peer, at, seconds):
        where, target, port = at
        if generator == "http" and too_many(peer, way, clients):
            return
        got = load_with_cost(peer, where, [
            generator, "--seconds", f"{seconds:g}", "--clients", str(clients),
            *args, target, str(port)])
        yield "", "1/s", got["per_second"], got
        yield from latencies(got, "us")
        # the first tenth warms up and isn't counted, but costs
        yield from costs(peer, got, got["count"] / 0.9e3, "s/1000")
    return over(way, figures)


def udp_bulk(size, reverse=False, mbits=None):
    def figures(peer, at, seconds):
        where, target, port = at
        got = load_with_cost(peer, where, [
            "udp-bulk", "--seconds", f"{seconds:g}", "--size", str(size),
            *(["--reverse"] if reverse else []),
            *(["--rate", str(mbits)] if mbits else []), target, str(port)])
        if not mbits:
            yield "", "Gbit/s", got["bits_per_second"] / 1e9, got
        yield ", lost", "%", got["lost_share"] * 100, got
        yield from costs(peer, got, got["bytes"] / 1e9, "s/GB")
    return over(other_host, figures)


# Families of rows: (name, (group, label, unit, function))


def bulk_rows(name, group, way, label, labels, streams):
    """Both ways; @labels: of there and of back. In the name "{}" is where the
    number of streams goes, if there are several.
    """
    for n in streams:
        for back in (False, True):
            yield (name.format(f"-{n}" if n > 1 else "")
                   + ("-rev" if back else ""),
                   (group, f"{label}, {labels[back]}"
                    + (f", {n} streams" if n > 1 else ""), "Gbit/s",
                    bulk(way, back, n)))


def egress_rows(mtu):
    return bulk_rows(f"out{{}}-{mtu}", mtu, egress, f"egress, MTU {mtu}",
                     ("pod -> host", "host -> pod"), (1, 4, 16))


def round_trip_rows(name, group, way, label, where):
    for suffix, text, size in (("", "1 byte", 1), ("-1k", "1 KiB", 1 << 10),
                               ("-16k", "16 KiB", 1 << 14)):
        yield (f"{name}{suffix}", (group, label.format(text) + where, "us",
                                   round_trip(way, size)))


def connect_rows(name, group, way, label, clients):
    for n in clients:
        yield f"{name}-{n}", (group, f"{label}, {n}", "1/s", connects(way, n))


# name: (group, label, unit, function); a group is measured with one start of
# each peer: a number is the MTU
ROWS = {
    **dict(bulk_rows("pub-lo{}", "published", loopback, "published",
                     ("loopback -> pod", "pod -> loopback"), (1, 4, 16))),
    # the last ones: how it scales
    **dict(bulk_rows("pub-net{}", "published", other_host, "published",
                     ("other host -> pod", "pod -> other host"),
                     (1, 4, 16, 64, 256))),
    **dict(round_trip_rows("rr-lo", "published", loopback,
                           "round trip, {}", ", loopback")),
    **dict(round_trip_rows("rr-net", "published", other_host,
                           "round trip, {}", ", other host")),
    **dict(connect_rows("crr-lo", "published", loopback,
                        "connect+1+close, loopback", (1, 32, 256))),
    **dict(connect_rows("crr-net", "published", other_host,
                        "connect+1+close, other host", (1, 32, 64, 256))),
    "udp-rr-1": ("udp", "UDP round trip, 64 bytes, 1", None,
                 exchanges(other_host, "udp-rr", 1)),
    "udp-rr-64": ("udp", "UDP round trip, 64 bytes, 64", None,
                  exchanges(other_host, "udp-rr", 64)),
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
    "http-lo": ("http", "HTTP, nginx, 1 KiB, loopback, 32 clients", None,
                exchanges(loopback, "http", 32)),
    "http-net": ("http", "HTTP, nginx, 1 KiB, other host, 32 clients", None,
                 exchanges(other_host, "http", 32)),
    "http-net-64k": ("http", "HTTP, nginx, 64 KiB, other host, 32 clients",
                     None, exchanges(other_host, "http", 32, "--size",
                                     str(1 << 16))),
    "http-net-close": ("http", "HTTP, nginx, 1 KiB, other host, 32 clients, "
                       "a connection each", None,
                       exchanges(other_host, "http", 32, "--close")),
    "dns-1": ("dns", "DNS, asked in the pod, 1 client", None,
              exchanges(resolver, "dns", 1)),
    "dns-32": ("dns", "DNS, asked in the pod, 32 clients", None,
               exchanges(resolver, "dns", 32)),
    # the usual resolver does so; of a group of its own: what some peers have
    # left open behind each question is in the way of all that comes next
    "dns-32-close": ("dns-close", "DNS, a port for each question, 32 clients",
                     None, exchanges(resolver, "dns", 32, "--close")),
    **dict(egress_rows(1500)),
    **dict(egress_rows(65520)),
    **dict(round_trip_rows("rr-out", 65520, egress, "egress, round trip, {}",
                           "")),
    **dict(connect_rows("crr-out", 65520, egress, "egress, connect+1+close",
                        (1, 32, 256))),
    "far-out": ("far", "far leg, egress, pod -> far", "Mbit/s",
                bulk(far_out, far=True)),
    "far-out-rev": ("far", "far leg, egress, far -> pod", "Mbit/s",
                    bulk(far_out, reverse=True, far=True)),
    "far-pub": ("far", "far leg, published, far -> pod", "Mbit/s",
                bulk(far_in, far=True)),
    "far-pub-rev": ("far", "far leg, published, pod -> far", "Mbit/s",
                    bulk(far_in, reverse=True, far=True)),
    "startup": ("startup", "start, run true, end", "ms", None),
    "ready": ("ready", "start, until a published port answers", "ms", None),
    "memory": ("memory", "idle helper, private memory", "KiB", None),
    "idle": ("memory", "per idle connection", "", None),
    "idle-out": ("memory", "per idle egress connection", "", None),
    "held": ("held", "per connection held, other host", "", None),
    "ports": ("ports", "published ports", "ms", None),
    "check-iperf3": ("check", "cross-check, other host -> pod", "Gbit/s", None),
}
