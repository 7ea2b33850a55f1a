# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure rootless networking side by side: podsplice, its peers, no helper.

Two hosts are made in namespaces of our own, "host", where the helpers run as
an ordinary account, and "client", on a veth link with an MTU of 1500:

    client (198.18.0.2, 2001:db8:1::2) ---- host (198.18.0.1, 2001:db8:1::1)

Rows that begin with "far" add a third host, 20 ms away over a link that loses
one frame in a thousand, the same ones for every peer of a round (another seed
each round); `bench-load delay` is that link. They take 5 s each and more, and
are for native and podsplice unless --against names others.

HTTP is a real nginx's, files that hold the payload. DNS is asked from inside
the pod, at the address of the peer's own resolver where it has one, of a server
on the client. check-iperf3 measures the same path with our generator and with
iperf3, and a note says whether they agree within 10 %; it is for native and
podsplice unless --against names others.

UDP rows send datagrams one by one. Bulk is as fast as the sender goes: what is
beyond the receiver's power is lost, and that is a row of its own. Datagrams of
8,900 bytes have a link with an MTU of 9000. The row "ports" is the time from
the start of a helper until all its sockets are bound and the last ports answer
the other host; then each port has to.

What a row costs is printed in a table of its own: CPU time of the helper, and
of the whole machine with generators, kernel and whatever else ran on it; that
one not over the far leg, which leaves the machine idle.

A round measures every row with every peer before the next round begins, and
each round begins with another peer. What is printed is the median, half the
interquartile range, and the median of the ratios per round to the baseline.
The generators check the payload; a failed run is named and is no figure.

Before a group of rows is measured, each peer's path is verified: whether what
runs and listens is the program of that name, whose address each end sees,
whether the payload crosses a device of the server's namespace, what `podsplice
flows` tells of it. A peer that fails is refused, is named under failures, and
has no figures of that group. What was seen is printed, with the congestion
control that is really in use. On kernels that restrict the wanted one outside
the initial namespace it is set on the routes instead (`congctl`), in every
namespace a peer made.

Peers: native is no helper at all; veth+NAT what root can have, rules of
nftables around a veth link. podsplice-slirp is podsplice with --datapath slirp,
for what leaves the pod. podsplice-forward, docker-proxy and socat lead ports to
a namespace behind a veth link of root's; rootlessport is podman's, and leads
them to the loopback of one. pasta-tap and pasta-splice are pasta with
--no-splice and --splice-only, where it has them.
"""

import collections
import os
import re
import time

from calm import Others, wait_calm
from catalogue import chosen
from check import measure_check
from lab import FAR4, LINK_MTU, Delay, Failed, run
from look import congestion_of, note_pipes, those_verified, verified
from machine import LOCAL, print_machine
from many import measure_held, measure_memory, measure_ports
from peers import rotated, with_end
from progress import SETUP_S, group_name
from rows import FAR_PORT, ROWS, far_in, far_out, far_server
from servers import Nginx, dns_server, missing
from starts import measure_ready, measure_startup
from tables import print_figures

FAR_LINE = ["--delay-ms", "10"]
FAR_LOSS = ["--loss", "0.001"]
JUMBO_MTU = 9000
DNS_GROUPS = ("dns", "dns-close")
WARM_SHARE = 0.25  # of the time, in round 0, which isn't a figure
WARM_LEAST_S = 0.2
SMOKE_AGAIN_S = 3
GIVE_UP = 2  # failures in a row: each takes far longer than a figure
CALM_TRIES = 4  # of a measurement that others disturb
GENERATOR_S = 0.2  # what a measurement takes beyond its seconds
# to measure a helper that was started for that
FRESH_S = {"ready": 2, "memory": 4, "held": 4, "ports": 6, "check": 5}


def start_all(peers, results, group, mtu=None, udp=False):
    """Those that are up and take the path that their name promises."""
    up = []
    if group == "http":
        return start_with(Nginx, those_verified(peers, results, group),
                          results)
    for peer in peers:
        try:
            peer.start(mtu, udp)
        except Failed as e:
            results.fail(group_name(group), peer.name, 0, e)
            continue
        if verified(peer, results, group):
            up.append(peer)
        else:
            peer.stop()
    return up


def start_with(serving, peers, results):
    up = []
    for peer in peers:
        try:
            peer.start(serving=serving())
            up.append(peer)
        except Failed as e:
            results.fail("http", peer.name, 0, e)
    return up


def measure_traffic(group, names, peers, results, opts):
    """All peers are up, each on its own port; rounds, rows, then peers."""
    mtu = LINK_MTU if group == "far" else \
        group if isinstance(group, int) else None
    udp = group in ("udp", "jumbo")
    if mtu or group in DNS_GROUPS:
        peers = [p for p in peers if p.has_egress]
    up = start_all(peers, results, group, mtu, udp)
    if not up:
        return
    note_pipes(up[0].lab, results, group)
    line = far_leg(up, results, opts) if group == "far" else None
    first = 1 if opts.smoke or line else 0
    failed = collections.Counter()
    for number in opts.clock.rounds(group, first, opts.rounds, results.note):
        seconds = opts.seconds if number else warm_seconds(opts)
        for name in names:
            for peer in rotated(up, number):
                if failed[name, peer.name] == GIVE_UP:
                    continue
                opts.clock.step(f"{ROWS[name][1]}: {peer.name}")
                try:
                    measure_living(peer, name, number, results, seconds, opts,
                                   line, (mtu, udp))
                    failed[name, peer.name] = 0
                except Failed as e:
                    failed[name, peer.name] += 1
                    tell_failure(results, ROWS[name][1], peer, number, e)
                    peer.stop()  # what it can't do may have spoilt it
    for peer in up:
        peer.stop()
    if line:
        line.end()


def warm_seconds(opts):
    return max(opts.seconds * WARM_SHARE, WARM_LEAST_S)


def tell_failure(results, label, peer, number, why):
    """What can't be done, not only before it counts, is told once more."""
    why = with_end(peer, why)
    if number:
        results.fail(label, peer.name, number, why)
    else:
        results.note(f"{label}: {peer.name}, warming up: {why}")


def measure_living(peer, name, number, results, seconds, opts, line, start):
    """One that isn't up is started again; a moment may be too short."""
    if not peer.alive():
        peer.stop()
        peer.start(*start, peer.serving)
    try:
        measure_once(peer, name, number, results, seconds, opts, line)
    except Failed:
        if not opts.smoke or not peer.alive():
            raise
        measure_once(peer, name, number, results, SMOKE_AGAIN_S, opts, line)


def measure_once(peer, name, number, results, seconds, opts, line):
    if line:
        measure_far(line, peer, name, number, results,
                    max(seconds, opts.far_seconds))
    else:
        measure_row(peer, name, number, results, seconds,
                    0 if opts.clock.hurried() else opts.calm)


def measure_row(peer, name, number, results, seconds, calm=0):
    _, label, unit, row = ROWS[name]
    for left in reversed(range(CALM_TRIES if calm and number else 1)):
        if calm and number:
            wait_calm(calm)
        others = Others()
        figures = list(row(peer, seconds))
        share = others.share()
        if share <= calm or not left:
            break
    if not number:
        return
    for suffix, own_unit, value, raw in figures:
        results.add(label + suffix, own_unit or unit, peer.name, number,
                    value, {**raw, "others": round(share, 3)})


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


def far_leg(up, results, opts):
    """Make it, look at it, then leave it as it is measured through."""
    lab = up[0].lab
    lab.far_leg()
    far_server(lab, "far", "far-leg")
    line = Delay(lab, "middle", *FAR_LINE)
    run(lab.ns("host", ["ping", "-q", "-c", "1", FAR4]))  # neighbours
    text = run(lab.ns("host", ["ping", "-q", "-c", "50", "-i", "0.05", FAR4]))
    ping = [float(x) for x in
            re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/", text).groups()]
    line.begin(0)
    got = lab.load("host", ["bulk", "--seconds", f"{min(opts.far_seconds, 4):g}",
                            FAR4, str(FAR_PORT)])
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


def expect_groups(groups, peers, opts):
    """About how long each of them takes."""
    n = len(peers)
    for group, names in groups.items():
        rounds, each = opts.rounds, opts.seconds + GENERATOR_S
        if group == "startup":
            rounds, each = opts.starts, 0.2
        elif group == "far":
            each = (opts.far_seconds + 1) * len(usual(peers, opts)) / n
        elif group in FRESH_S:
            each = FRESH_S[group]
        elif not opts.smoke:
            each += (warm_seconds(opts) + GENERATOR_S) / rounds
        opts.clock.expect(group, rounds,
                          each * n * len(names) + SETUP_S * n / rounds)


def describe(lab, peers, opts):
    """The machine, and what will be measured on it."""
    told = run(lab.ns("host", ["grep", "-s", "", *(f"/proc/sys/{name}"
                                                  for name in LOCAL)]))
    sysctls = {path.removeprefix("/proc/sys/").replace("/", "."):
               " ".join(value.split()) for path, _, value in
               (line.partition(":") for line in told.splitlines())}
    facts = {**opts.machine, "link_mtu": LINK_MTU,
             "rounds": opts.rounds, "seconds": opts.seconds,
             "calm": opts.calm * 100, "congestion": opts.congestion,
             "baseline": opts.baseline,
             "connections": opts.connections, "held": opts.held,
             "ports": opts.ports,
             "versions": {p.name: p.version() for p in peers if p.program}}
    facts["sysctls"] = {**facts["sysctls"], **sysctls}
    print_machine(facts)
    return facts


def usual(peers, opts):
    """Of rows that take long: only podsplice unless others are named."""
    return peers if opts.against else [
        p for p in peers if p.name in ("podsplice", opts.baseline)]


def measure(lab, opts, results):
    """All of it, and the tables; has it gone as it should?

    That a peer has failed is a result, but not where each is to give a figure.
    """
    peers, absent = chosen(lab, opts.against, opts.baseline)
    results.machine = describe(lab, peers, opts)
    results.write({"machine": results.machine})
    for name, why in absent.items():
        results.write({"absent": name, "why": why})
        print(f"absent: {name}: {why}")
    far = far_server(lab, "client", "far")
    groups = {}
    for name in opts.rows:
        groups.setdefault(ROWS[name][0], []).append(name)
    expect_groups(groups, peers, opts)
    for group, names in groups.items():
        opts.clock.step(f"{group_name(group)}: beginning")
        if missing(lab, group):
            results.note(f"{' '.join(names)}: left out, "
                         f"{missing(lab, group)} is not installed")
        else:
            measure_group(lab, group, names, peers, results, opts)
        opts.clock.done(group)
    opts.clock.clear()
    far.terminate()
    print(f"load at the end {os.getloadavg()[0]:.1f}\n")
    print_figures(results)
    return not any(opts.smoke or results.spoilt_by(x)
                   for x in results.failures)


def measure_group(lab, group, names, peers, results, opts):
    lab.link_mtu(JUMBO_MTU if group == "jumbo" else LINK_MTU)
    if group == "startup":
        measure_startup(peers, results, opts)
    elif group == "ready":
        measure_ready(peers, results, opts)
    elif group == "memory":
        measure_memory(names, peers, results, opts)
    elif group == "held":
        measure_held(peers, results, opts)
    elif group == "ports":
        measure_ports(peers, results, opts)
    elif group == "check":
        measure_check(usual(peers, opts), results, opts)
    elif group in DNS_GROUPS:
        with dns_server(lab):
            measure_traffic(group, names, peers, results, opts)
    elif group == "far":
        measure_traffic(group, names, usual(peers, opts), results, opts)
    else:
        measure_traffic(group, names, peers, results, opts)
