#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure rootless networking side by side: podsplice, its peers, no helper.

Run as root:  bench/compare.py [--rounds N] [--seconds S] [--only ROW,...]
              [--against PEER,...] [--baseline PEER] [--json FILE]
The binary is $PODSPLICE or build/setup/podsplice; it is copied first, so it
may be rebuilt meanwhile.

Two hosts are made in namespaces of our own, "host", where the helpers run as
an ordinary account, and "client", on a veth link with an MTU of 1500:

    client (198.18.0.2, 2001:db8:1::2) ---- host (198.18.0.1, 2001:db8:1::1)

Rows that begin with "far" add a third host, 20 ms away over a link that loses
one frame in a thousand, the same ones for every peer of a round (another seed
each round); `bench-load delay` is that link. They take 5 s each and more, and
are for native and podsplice unless --against names others.

UDP rows send datagrams one by one. Bulk is as fast as the sender goes: what is
beyond the receiver's power is lost, and that is a row of its own. Datagrams of
8,900 bytes have a link with an MTU of 9000. The row "ports" is the time from
the start of a helper until all its sockets are bound and the last ports answer
the other host; then each port has to.

What a row costs is printed in a table of its own: CPU time of the helper, and
of the whole machine with generators, kernel and whatever else ran on it; that
one not over the far leg, which leaves the machine idle.

Nothing of the machine is touched: account, subordinate ids and /dev/net/tun
are mounted over in a private mount namespace, everything runs in a pid
namespace whose end, however it comes, ends all of it.

A round measures every row with every peer before the next round begins, and
each round begins with another peer. What is printed is the median, half the
interquartile range, and the median of the ratios per round to the baseline.
The generators check the payload; a failed run is named and is no figure.

Before measuring, each peer's path is looked at and printed: who listens,
which client address the server sees, which congestion control is really in
use. On kernels that restrict the wanted one outside the initial namespace it
is set on the routes instead (`congctl`), in every namespace a peer made.
"""

import argparse
import ctypes
import json
import os
import re
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True  # the tree may be another user's
# pylint: disable=wrong-import-position
from lab import (CLIENT4, FAR4, HOST4, LINK_MTU, NEAR4, Delay, Failed, Lab,
                 run)
from peers import PEERS, START_S, Ports

PUBLISHED, FAR_PORT = 5201, 5300
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, MNT_DETACH = 1, 2
IDLE_TRIES = 3  # each with a fifth of the connections
FAR_SECONDS = 5  # at least: one loss more or less shall not matter much
FAR_LINE = ["--delay-ms", "10"]
FAR_LOSS = ["--loss", "0.001"]
JUMBO_MTU = 9000
RANGE_FIRST = 5000  # below what is a port of a client
POLL_S = 0.002  # of what a helper has bound
WARM_SECONDS = 0.5  # of round 0, which isn't a figure
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


# Rows: what is asked of every peer. Each function gives (suffix of the label,
# unit or None for the row's, value, raw) for each figure.


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


class Results:
    """Figures by (label, unit) and peer, in order of rounds; None: failed."""

    def __init__(self, path):
        self.rows, self.failures, self.notes = {}, [], []
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


def congestion_in_use(peer, hosts):
    """Of every TCP connection there and in the peer's namespaces."""
    found = set()
    for where in [*hosts, *peer.namespaces().values()]:
        text = run(peer.lab.ns(where, ["ss", "-Htin", "state", "established"]))
        found |= set(re.findall(r"\t ?(?:ts |sack |ecn )*(cubic|bbr|reno|dctcp"
                                r"|vegas|westwood)\b", text))
    return sorted(found)


def look_at_path(peer):
    """Who listens, who the server sees: what is it that gets measured?"""
    lab = peer.lab
    facts = {"peer": peer.name, "version": peer.version(),
             "processes": [p["name"] for p in peer.sample()["processes"]]}
    ss = run(lab.ns("host", ["ss", "-Hltnp", "sport", "=", f":{peer.port}"]))
    facts["listens"] = sorted(set(re.findall(r'\("([^"]+)"', ss)))
    facts["own_netns"] = bool(peer.namespaces())
    if (peer.name == "native") == facts["own_netns"]:
        raise Failed(f"{peer.name}: the server is in the wrong namespace")
    for key, where, target in (("seen_loopback", "host", "127.0.0.1"),
                               ("seen_other", "client", HOST4)):
        got = lab.load(where, ["bulk", "--bytes", "100000", target,
                               str(peer.port)])
        facts[key] = got["peer"].rsplit(":", 1)[0]
    if peer.has_egress:
        got = lab.load(peer.server, ["bulk", "--bytes", "100000", CLIENT4,
                                     str(FAR_PORT)])
        facts["seen_egress"] = got["peer"].rsplit(":", 1)[0]
    facts["congestion"] = congestion_of(peer, other_host(peer),
                                        ("host", "client"))
    return facts


def congestion_of(peer, way, hosts):
    """While one connection is open that way."""
    held = start_held(peer.lab, way, 1)
    try:
        wait_line(held)
        return congestion_in_use(peer, hosts)
    finally:
        end_held(held)


def start_held(lab, way, count):
    where, target, port = way
    return subprocess.Popen(
        lab.ns(where, [lab.bin, "bench-load", "idle", "--count", str(count),
                       target, str(port)], user=not isinstance(where, int)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=lab.env)


def wait_line(proc, timeout=60):
    ready, _, _ = select.select([proc.stdout], [], [], timeout)
    line = proc.stdout.readline() if ready else b""
    if not line:
        why = proc.stderr.read().decode() if ready and proc.stderr else ""
        raise Failed("; ".join(why.splitlines())
                     or "connections could not be opened")
    return json.loads(line)


def end_held(proc):
    proc.stdin.close()
    try:
        proc.wait(20)
    except subprocess.TimeoutExpired:
        proc.kill()
        proc.wait()
    last = proc.stdout.read()
    proc.stdout.close()
    proc.stderr.close()
    return json.loads(last) if last.strip() else None


def rotated(peers, number):
    at = number % len(peers)
    return peers[at:] + peers[:at]


def start_all(peers, results, group, mtu=None, udp=False):
    up = []
    for peer in list(peers):
        try:
            peer.start(mtu, udp)
            up.append(peer)
        except Failed as e:
            results.fail(f"{group}", peer.name, 0, e)
    return up


def measure_paths(peers, results):
    for peer in peers:
        try:
            facts = look_at_path(peer)
        except Failed as e:
            results.fail("path", peer.name, 0, e)
            continue
        results.write({"path": facts})
        print(f"path: {peer.name:12} {facts['version'] or '-'}\n"
              f"      listens: {','.join(facts['listens'])}; server sees "
              f"loopback as {facts['seen_loopback']}, other host as "
              f"{facts['seen_other']}; egress seen as "
              f"{facts.get('seen_egress', '-')}; congestion control: "
              f"{','.join(facts['congestion'])}\n"
              f"      processes: {','.join(facts['processes']) or '-'}",
              flush=True)


def look_at_udp(peers, results):
    for peer in peers:
        lab = peer.lab
        ss = run(lab.ns("host", ["ss", "-Hlunp", "sport", "=",
                                 f":{peer.port}"]))
        facts = {"peer": peer.name,
                 "listens": sorted(set(re.findall(r'\("([^"]+)"', ss)))}
        try:
            got = lab.load("client", ["udp-bulk", "--seconds", "0.2",
                                      "--rate", "10", HOST4, str(peer.port)])
        except Failed as e:
            results.fail("path of UDP", peer.name, 0, e)
            continue
        facts["seen_other"] = got["peer"].rsplit(":", 1)[0]
        results.write({"udp_path": facts})
        print(f"path of UDP: {peer.name:12} listens: "
              f"{','.join(facts['listens'])}; server sees other host as "
              f"{facts['seen_other']}", flush=True)


def look_at(up, results, udp):
    """Once for each protocol."""
    for kind, look in ((False, measure_paths), (True, look_at_udp)):
        if kind not in results.looked and kind in (False, udp):
            look(up, results)
            results.looked.add(kind)


def measure_traffic(group, names, peers, results, opts):
    """All peers are up, each on its own port; rounds, rows, then peers."""
    mtu = LINK_MTU if group == "far" else \
        group if isinstance(group, int) else None
    udp = group in ("udp", "jumbo")
    if mtu:
        peers = [p for p in peers if p.has_egress]
    up = start_all(peers, results, group, mtu, udp)
    if not up:
        return
    look_at(up, results, udp)
    line = far_leg(up, results) if group == "far" else None
    for number in range(1 if line else 0, opts.rounds + 1):  # 0 warms up
        seconds = opts.seconds if number else min(opts.seconds, WARM_SECONDS)
        for name in names:
            for peer in rotated(up, number):
                try:
                    if not peer.alive():
                        peer.stop()
                        peer.start(mtu, udp)
                    if line:
                        measure_far(line, peer, name, number, results,
                                    max(seconds, FAR_SECONDS))
                    else:
                        measure_row(peer, name, number, results, seconds)
                except Failed as e:
                    results.fail(ROWS[name][1], peer.name, number,
                                 with_end(peer, e))
    for peer in up:
        peer.stop()
    if line:
        line.end()


def with_end(peer, why):
    if peer.alive():
        return why
    ends = [p.poll() for p in peer.procs]
    return f"{why}; it has ended ({ends}): {peer.last_words() or '-'}"


def measure_row(peer, name, number, results, seconds, more=None):
    _, label, unit, row = ROWS[name]
    for suffix, own_unit, value, raw in row(peer, seconds):
        if number:
            results.add(label + suffix, own_unit or unit, peer.name, number,
                        value, {**raw, **(more or {})})


def measure_far(line, peer, name, number, results, seconds):
    time.sleep(0.3)  # for what is left of the connection before
    line.begin(number)
    measure_row(peer, name, number, results, seconds)
    told = line.begin(number)
    results.write({"line": ROWS[name][1], "peer": peer.name,
                   "round": number, "raw": told})
    for way in ("a_to_b", "b_to_a"):
        missed = sum(told[way][x] for x in
                     ("queue_full", "not_received", "unsent"))
        if missed:
            results.note(f"{ROWS[name][1]}: {peer.name}, round {number}: the "
                         f"delay line lost {missed} frames that it shouldn't")


def far_leg(up, results):
    """Make it, look at it, then leave it as it is measured through."""
    lab = up[0].lab
    lab.far_leg()
    lab.spawn("far", [lab.bin, "bench-load", "serve", "::", str(FAR_PORT)],
              f"{lab.tmp}/far-leg.log")
    line = Delay(lab, "middle", *FAR_LINE)
    run(lab.ns("host", ["ping", "-q", "-c", "1", FAR4]))  # neighbours
    text = run(lab.ns("host", ["ping", "-q", "-c", "50", "-i", "0.05", FAR4]))
    ping = [float(x) for x in
            re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/", text).groups()]
    line.begin(0)
    got = lab.load("host", ["bulk", "--seconds", "4", FAR4, str(FAR_PORT)])
    told = line.end()
    rate = got["bits_per_second"] / 1e6
    facts = {"ping_ms": ping, "bits_per_second": got["bits_per_second"],
             "realtime": told["realtime"], "line": told}
    line = Delay(lab, "middle", *FAR_LINE, *FAR_LOSS)
    try:
        facts["congestion"] = sorted({
            x for peer in up for way in (far_out(peer), far_in(peer))
            for x in congestion_of(peer, way, ("host", "far"))})
    except Failed:
        line.end()
        raise
    results.write({"far": facts})
    print(f"far leg: ping {ping[0]:.2f}/{ping[1]:.2f}/{ping[2]:.2f} ms "
          f"(least/mean/most); native without loss {rate:.0f} Mbit/s, late by "
          f"{told['late_p50_ns'] / 1e3:.0f} us p50, "
          f"{told['late_p99_ns'] / 1e3:.0f} us p99; congestion control: "
          f"{','.join(facts['congestion'])}", flush=True)
    if rate < 500 or not 20 <= ping[1] < 20.5:
        results.note("the delay line is not what it should be: see above")
    return line


def measure_startup(peers, results, opts):
    _, label, unit, _ = ROWS["startup"]
    once = [(p, p.once() if p.program else ["true"]) for p in peers
            if not p.program or hasattr(p, "once")]
    for number in range(max(20, opts.rounds) + 1):
        for peer, argv in rotated(once, number):
            try:
                out = run(peer.lab.ns("host", [peer.lab.bin, "bench-load",
                                               "spawn", "--"] + argv,
                                      user=True), env=peer.lab.env)
                if number:
                    results.add(label, unit, peer.name, number,
                                json.loads(out)["median_ms"])
            except Failed as e:
                results.fail(label, peer.name, number, e)
                once.remove((peer, argv))


def memory_of(peer):
    got = peer.sample()
    if not isinstance(got["private_bytes"], int):
        raise Failed("memory is unreadable")
    return got


def hold_idle(peer, way, count):
    """Samples of the helper before and with so many idle connections."""
    before = memory_of(peer)
    held = start_held(peer.lab, way(peer), count)
    try:
        wait_line(held)
        time.sleep(0.5)
        after = memory_of(peer)
    finally:
        end = end_held(held)
    if not end or end["lost"]:
        raise Failed(f"{end['lost'] if end else 'all'} connections were lost")
    return before, after


def add_per_connection(results, peer, number, name, raw):
    label, count = ROWS[name][1], raw["count"]
    for what, unit, key in ((", memory", "bytes", "private_bytes"),
                            (", descriptors", "", "fds")):
        results.add(label + what, unit, peer.name, number,
                    (raw["after"][key] - raw["before"][key]) / count, raw)


def measure_idle(peer, results, number, name, count):
    """A helper that can't hold them all is asked for fewer."""
    for attempt in range(IDLE_TRIES):
        try:
            way = egress if name == "idle-out" else loopback
            before, after = hold_idle(peer, way, count)
            break
        except Failed as e:
            why = with_end(peer, f"{count} connections: {e}")
            if attempt == IDLE_TRIES - 1:
                raise Failed(why) from e
            results.note(f"{peer.name}, {name}: {why}")
            count //= 5
            peer.stop()
            peer.start()
            time.sleep(1)
    add_per_connection(results, peer, number, name,
                       {"count": count, "before": before, "after": after})


def measure_memory(names, peers, results, opts):
    """A fresh helper each time: nothing left from traffic before."""
    _, label, unit, _ = ROWS["memory"]
    for number in range(1, min(opts.rounds, 3) + 1):
        for peer in rotated([p for p in peers if p.program], number):
            try:
                peer.start()
                time.sleep(1)
                got = memory_of(peer)
                if "memory" in names:
                    results.add(label, unit, peer.name, number,
                                got["private_bytes"] / 1024, got)
                if "idle" in names and peer.holds_many:
                    measure_idle(peer, results, number, "idle",
                                 opts.connections)
                if "idle-out" in names and peer.has_egress:
                    peer.stop()
                    peer.start()
                    time.sleep(1)
                    measure_idle(peer, results, number, "idle-out",
                                 opts.connections)
            except Failed as e:
                results.fail(label, peer.name, number, e)
            finally:
                peer.stop()


def measure_held(peers, results, opts):
    """All of them, from the other host, or no figure."""
    for number in range(1, opts.rounds + 1):
        for peer in rotated([p for p in peers if p.program and p.holds_many],
                            number):
            try:
                peer.start()
                time.sleep(1)
                before, after = hold_idle(peer, other_host, opts.held)
                add_per_connection(results, peer, number, "held",
                                   {"count": opts.held, "before": before,
                                    "after": after})
            except Failed as e:
                results.fail(f"{opts.held} connections", peer.name, number,
                             with_end(peer, e))
            finally:
                peer.stop()


def count_bound(pid):
    """Sockets with a port in the network of that process."""
    n = 0
    for name in ("sockstat", "sockstat6"):
        with open(f"/proc/{pid}/net/{name}", encoding="utf-8") as f:
            n += sum(int(x) for x in
                     re.findall(r"^(?:TCP|UDP)6?: inuse (\d+)", f.read(),
                                re.M))
    return n


class Bound:
    """How many sockets were bound when."""

    def __init__(self, pid):
        self.pid, self.seen = pid, []

    def look(self):
        self.seen.append((time.monotonic(), count_bound(self.pid)))

    def complete_at(self):
        """When there were as many for the first time as there are now."""
        now = count_bound(self.pid)
        return next(at for at, n in self.seen + [(time.monotonic(), now)]
                    if n >= now)


def start_asking(lab, ports):
    """Of each protocol the last port, again and again until it answers."""
    asking = [subprocess.Popen(
        lab.ns("client", [lab.bin, "bench-load", "ports", "--wait",
                          *(["--udp"] if protocol == "udp" else []),
                          HOST4, str(ports.last)], user=True),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=lab.env)
        for protocol in ports.protocols]
    time.sleep(0.3)  # for them to be at it
    return asking


def wait_answers(asking, bound, peer):
    """When the last of them was there."""
    until = time.monotonic() + 4 * START_S
    at, left = 0, list(asking)
    while left:
        ready, _, _ = select.select([p.stdout for p in left], [], [], POLL_S)
        at = time.monotonic()
        bound.look()
        for p in [p for p in left if p.stdout in ready]:
            left.remove(p)
            wait_line(p, 0)
        if at > until or not peer.alive():
            raise Failed(peer.last_words() or "it isn't ready in time")
    return at


def bring_up_ports(peer, ports, host_pid):
    """Seconds until it is ready, and a sample of it then."""
    lab = peer.lab
    asking = start_asking(lab, ports)
    try:
        began = time.monotonic()
        peer.begin(ports=ports)
        bound = Bound(host_pid)
        at = wait_answers(asking, bound, peer)
        time.sleep(1)
        bound.look()
        at = max(at, bound.complete_at())
        got = memory_of(peer) if peer.program else {}
    finally:
        for p in asking:
            p.kill()
            p.communicate()
    for protocol in ports.protocols:  # and all of them are real
        lab.load("client", ["ports", "--count", str(ports.count),
                            *(["--udp"] if protocol == "udp" else []),
                            HOST4, str(ports.first)])
    return at - began, {**got, "bound": count_bound(host_pid)}


def measure_ports(peers, results, opts):
    _, label, unit, _ = ROWS["ports"]
    label = f"{opts.ports} {label}"
    ports = Ports(RANGE_FIRST, opts.ports // 2, ("tcp", "udp"))
    # its /proc shows the host's network
    lab = peers[0].lab
    holder = lab.spawn("host", ["sleep", "infinity"], f"{lab.tmp}/holder.log")
    for number in range(1, opts.rounds + 1):
        for peer in rotated([p for p in peers if p.has_ranges], number):
            try:
                seconds, got = bring_up_ports(peer, ports, holder.pid)
                results.add(label + ", ready", unit, peer.name, number,
                            seconds * 1e3, got)
                for what, key in ((", private memory", "private_bytes"),
                                  (", Pss", "pss_bytes")):
                    if peer.program:
                        results.add(label + what, "KiB", peer.name, number,
                                    got[key] / 1024, got)
            except Failed as e:
                results.fail(label, peer.name, number, with_end(peer, e))
            finally:
                peer.stop()
    holder.terminate()


def describe_machine(opts):
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        cpu = re.search(r"model name\s*:\s*(.*)", f.read())
    with open("/proc/meminfo", encoding="utf-8") as f:
        mem = int(f.read().split()[1]) // 1024
    facts = {"cpu": cpu.group(1) if cpu else os.uname().machine,
             "cores": len(os.sched_getaffinity(0)), "memory_mib": mem,
             "kernel": os.uname().release, "load": os.getloadavg()[0],
             "date": time.strftime("%Y-%m-%d"), "link_mtu": LINK_MTU,
             "rounds": opts.rounds, "seconds": opts.seconds,
             "congestion": opts.congestion, "baseline": opts.baseline,
             "connections": opts.connections, "held": opts.held,
             "ports": opts.ports}
    print(f"{facts['date']}: {facts['cpu']}, {facts['cores']} cores, "
          f"{mem} MiB, Linux {facts['kernel']}, load {facts['load']:.1f}; "
          f"{opts.rounds} rounds of {opts.seconds:g} s, "
          f"{opts.congestion} wanted, link MTU {LINK_MTU}", flush=True)
    return facts


def measure(lab, opts, results):
    results.write({"machine": describe_machine(opts)})
    wanted = opts.against.split(",") if opts.against else None
    peers = []
    for i, kind in enumerate(PEERS):
        peer = kind(lab, PUBLISHED + i)
        if wanted and peer.name not in wanted + [opts.baseline, "podsplice"]:
            continue
        if not peer.present():
            print(f"absent: {peer.name}")
            continue
        peers.append(peer)
    far = lab.spawn("client", [lab.bin, "bench-load", "serve", "::",
                               str(FAR_PORT)], f"{lab.tmp}/far.log")
    groups = {}
    for name in opts.rows:
        groups.setdefault(ROWS[name][0], []).append(name)
    for group, names in groups.items():
        lab.link_mtu(JUMBO_MTU if group == "jumbo" else LINK_MTU)
        if group == "startup":
            measure_startup(peers, results, opts)
        elif group == "memory":
            measure_memory(names, peers, results, opts)
        elif group == "held":
            measure_held(peers, results, opts)
        elif group == "ports":
            measure_ports(peers, results, opts)
        elif group == "far":
            measure_traffic(group, names, peers if opts.against else
                            [p for p in peers if p.name in
                             ("podsplice", opts.baseline)], results, opts)
        else:
            measure_traffic(group, names, peers, results, opts)
    far.terminate()
    print(f"load at the end {os.getloadavg()[0]:.1f}\n\n"
          f"median ±half the interquartile range  xratio to {opts.baseline} "
          f"(median of the rounds)")
    for of_costs in (False, True):
        results.table([p.name for p in peers], opts.baseline, of_costs)
    for note in results.notes:
        print(f"note: {note}")
    for failure in results.failures:
        print(f"failed: {failure}")
    return 1 if results.failures else 0


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="rows: " + " ".join(ROWS) + "\npeers: "
               + " ".join(k.name for k in PEERS))
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=2, metavar="S",
                        help="per measurement (2)")
    parser.add_argument("--only", metavar="ROW,…", help="these rows; a prefix "
                        "stands for all that begin with it")
    parser.add_argument("--against", metavar="PEER,…",
                        help="podsplice, the baseline and these (all)")
    parser.add_argument("--baseline", default="native", metavar="PEER",
                        choices=[k.name for k in PEERS],
                        help="what ratios are relative to (native)")
    parser.add_argument("--congestion", default="cubic", metavar="NAME")
    parser.add_argument("--connections", type=int, default=5000, metavar="N",
                        help="of the rows `idle` and `idle-out` (5000)")
    parser.add_argument("--held", type=int, default=9000, metavar="N",
                        help="connections of the row `held` (9000)")
    parser.add_argument("--ports", type=int, default=10000, metavar="N",
                        help="of the row `ports`, half UDP (10000)")
    parser.add_argument("--json", metavar="FILE", help="one line a figure")
    opts = parser.parse_args()
    only = opts.only.split(",") if opts.only else [""]
    opts.rows = [r for r in ROWS if any(r.startswith(o) for o in only)]
    if not opts.rows or opts.rounds < 1 or not 0.1 <= opts.seconds <= 600:
        parser.error("no such row, or a number out of range")
    if not 2 <= opts.ports <= 10000 or opts.held < 1 or opts.connections < 1:
        parser.error("--ports, --held or --connections: out of range")
    opts.binary = os.environ.get("PODSPLICE") or \
        f"{TOP}/build/setup/podsplice"
    if not os.access(opts.binary, os.X_OK):
        parser.error(f"{opts.binary}: not there (set PODSPLICE)")
    if os.geteuid():
        parser.error("must be root, to make hosts and an account")
    return opts


def inside(tmp, opts):
    """Process 1 of the pid namespace: when it ends, all does."""
    # with default actions pid 1 would not even notice these
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda *_: os._exit(130))
    try:
        results = Results(opts.json)
        return measure(Lab(tmp, opts.binary, opts.congestion), opts, results)
    except Failed as e:
        print(f"compare: {e}", file=sys.stderr)
        return 1


def main():
    opts = parse_options()
    tmp = tempfile.mkdtemp(prefix="podsplice-bench-")
    os.chmod(tmp, 0o755)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET):
        sys.exit(f"compare: unshare: {os.strerror(ctypes.get_errno())}")
    pid = os.fork()
    if pid == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        code = 1
        try:
            code = inside(tmp, opts)
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda *_: os.kill(pid, signal.SIGKILL))
    _, status = os.waitpid(pid, 0)
    libc.umount2(tmp.encode(), MNT_DETACH)
    os.rmdir(tmp)
    sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status)
             else 130)


if __name__ == "__main__":
    main()
