# SPDX-License-Identifier: GPL-2.0-or-later
"""Does iperf3 say the same as our generator of the same path?"""

import math

from lab import Failed
from look import those_verified
from peers import rotated, with_end
from records import cross_checks, tell_check
from rows import ROWS, other_host
from servers import BenchServer, Iperf3


def bits_of(peer, serving, seconds):
    """Started around that server, one stream from the other host to it."""
    peer.start(serving=serving)
    try:
        where, target, port = other_host(peer)
        with peer.in_use():
            if isinstance(serving, Iperf3):
                return serving.measure(peer.lab, where, target, port, "-t",
                                       str(seconds))
            return peer.lab.load(where, [
                "bulk", "--seconds", str(seconds), target,
                str(port)])["bits_per_second"]
    except Failed as e:
        raise Failed(with_end(peer, e)) from e
    finally:
        peer.stop()


def measure_check(peers, results, opts):
    _, label, unit, _ = ROWS["check-iperf3"]
    seconds = math.ceil(opts.seconds)  # iperf3 has no others
    up = those_verified([p for p in peers if p.has_other], results, "check")
    for number in opts.clock.rounds("check", 1, opts.rounds, results.note):
        for peer in rotated(up, number):
            opts.clock.step(f"{label}: {peer.name}")
            try:
                ours, theirs = (bits_of(peer, kind(), seconds)
                                for kind in (BenchServer, Iperf3))
            except Failed as e:
                results.fail(label, peer.name, number, e)
                continue
            for suffix, bits in ((", ours", ours), (", iperf3", theirs)):
                results.add(label + suffix, unit, peer.name, number,
                            bits / 1e9)
    for name, ratio in cross_checks(results).items():
        results.note(f"check-iperf3: {tell_check(name, ratio)}")
