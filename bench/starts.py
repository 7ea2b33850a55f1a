# SPDX-License-Identifier: GPL-2.0-or-later
"""How long it takes to come up: for a command, for a published port."""

import json

from lab import Failed, Refused, run
from look import those_verified
from many import bring_up_ports
from peers import Ports, rotated, with_end
from rows import ROWS

DEFAULT_ROUTE = "00000000"  # in /proc/net/route


def check_once(peer):
    """Is the command in a network of its own that leads somewhere?"""
    out = run(peer.lab.ns("host", peer.once() + [
        "sh", "-c", "readlink /proc/self/ns/net; cat /proc/net/route"],
        user=True), env=peer.lab.env)
    where, *routes = out.splitlines()
    host = run(peer.lab.ns("host", ["readlink", "/proc/self/ns/net"])).strip()
    if peer.program and (where == host or not any(
            x.split()[1] == DEFAULT_ROUTE for x in routes[1:])):
        raise Refused("the command is not in a network of its own")


def measure_startup(peers, results, opts):
    """fork to exit of `true`, in it."""
    _, label, unit, _ = ROWS["startup"]
    once = []
    for peer in (p for p in peers if p.once() is not None):
        try:
            check_once(peer)
            once.append(peer)
        except Failed as e:
            results.fail(label, peer.name, 0, e)
    for number in opts.clock.rounds("startup", 0, opts.starts, results.note):
        for peer in rotated(once, number):
            opts.clock.step(f"{label}: {peer.name}")
            try:
                out = run(peer.lab.ns("host", [
                    peer.lab.bin, "bench-load", "spawn", "--", *peer.once(),
                    "true"], user=True), env=peer.lab.env)
                if number:
                    results.add(label, unit, peer.name, number,
                                json.loads(out)["median_ms"])
            except Failed as e:
                results.fail(label, peer.name, number, e)
                once.remove(peer)


def measure_ready(peers, results, opts):
    """From its start until the other host has an answer from its port."""
    _, label, unit, _ = ROWS["ready"]
    up = those_verified([p for p in peers if p.has_other], results, "ready")
    for number in opts.clock.rounds("ready", 1, opts.rounds, results.note):
        for peer in rotated(up, number):
            opts.clock.step(f"{label}: {peer.name}")
            try:
                seconds, got = bring_up_ports(peer, Ports(peer.port))
                results.add(label, unit, peer.name, number, seconds * 1e3,
                            got)
            except Failed as e:
                results.fail(label, peer.name, number, with_end(peer, e))
            finally:
                peer.stop()
