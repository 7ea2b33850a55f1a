# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory, descriptors and time: a helper at rest, with thousands of
connections, with thousands of ports. A fresh one each time.
"""

import re
import select
import subprocess
import time

from calm import Others, wait_calm
from lab import HOST4, Failed
from look import end_held, start_held, those_verified, wait_line
from peers import START_S, Ports, rotated, with_end
from rows import ROWS, egress, loopback, other_host

IDLE_TRIES = 3  # each with a fifth of the connections
RANGE_FIRST = 5000  # below what is a port of a client
POLL_S = 0.002  # of what a helper has bound


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


def measure_rest(peer, name, number, results, opts):
    """One row, of a fresh helper: nothing is left from traffic before."""
    if name == "idle" and not peer.holds_many or \
            name == "idle-out" and not peer.has_egress:
        return
    peer.start()
    time.sleep(1)
    if name != "memory":
        measure_idle(peer, results, number, name, opts.connections)
        return
    got = memory_of(peer)
    _, label, unit, _ = ROWS[name]
    results.add(label, unit, peer.name, number, got["private_bytes"] / 1024,
                got)


def measure_memory(names, peers, results, opts):
    peers = those_verified([p for p in peers if p.program], results, "memory")
    for number in opts.clock.rounds("memory", 1, min(opts.rounds, 3),
                                    results.note):
        for name in names:
            for peer in rotated(peers, number):
                opts.clock.step(f"{ROWS[name][1]}: {peer.name}")
                try:
                    measure_rest(peer, name, number, results, opts)
                except Failed as e:
                    results.fail(ROWS[name][1], peer.name, number, e)
                finally:
                    peer.stop()


def measure_held(peers, results, opts):
    """All of them, from the other host, or no figure."""
    peers = those_verified([p for p in peers if p.program and p.holds_many
                            and p.has_other], results, "held")
    for number in opts.clock.rounds("held", 1, opts.rounds, results.note):
        for peer in rotated(peers, number):
            opts.clock.step(f"{opts.held} connections: {peer.name}")
            try:
                peer.start()
                time.sleep(1)
                before, after = hold_idle(peer, other_host, opts.held)
                add_per_connection(results, peer, number, "held",
                                   {"count": opts.held, "before": before,
                                    "after": after})
            except Failed as e:
                results.fail(ROWS["held"][1], peer.name, number,
                             f"{opts.held} connections: {with_end(peer, e)}")
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


def bring_up_ports(peer, ports):
    """Seconds until it is ready, and a sample of it then."""
    lab = peer.lab
    asking = start_asking(lab, ports)
    # its /proc shows the host's network
    holder = lab.spawn("host", ["sleep", "infinity"], f"{lab.tmp}/holder.log")
    try:
        began = time.monotonic()
        peer.begin(ports=ports)
        with peer.in_use():
            bound = Bound(holder.pid)
            at = wait_answers(asking, bound, peer)
            time.sleep(1)
            bound.look()
            at = max(at, bound.complete_at())
            got = memory_of(peer) if peer.program else {}
            check_ports(peer, ports)
        peer.find_server()
        peer.check_programs()
        return at - began, {**got, "bound": count_bound(holder.pid)}
    finally:
        for p in asking:
            p.kill()
            p.communicate()
        holder.kill()
        holder.wait()


def check_ports(peer, ports):
    """All of them are real."""
    for protocol in ports.protocols:
        peer.lab.load("client", ["ports", "--count", str(ports.count),
                                 *(["--udp"] if protocol == "udp" else []),
                                 HOST4, str(ports.first)])


def measure_ports(peers, results, opts):
    _, label, unit, _ = ROWS["ports"]
    label = f"{opts.ports} {label}"
    ports = Ports(RANGE_FIRST, opts.ports // 2, ("tcp", "udp"))
    peers = those_verified([p for p in peers if p.has_ranges and p.has_other],
                           results, "ports")
    for number in opts.clock.rounds("ports", 1, opts.rounds, results.note):
        for peer in rotated(peers, number):
            opts.clock.step(f"{label}: {peer.name}")
            try:
                if opts.calm and not opts.clock.hurried():
                    wait_calm(opts.calm)
                others = Others()
                seconds, got = bring_up_ports(peer, ports)
                got["others"] = round(others.share(), 3)
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
