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

Nothing of the machine is touched: account, subordinate ids and /dev/net/tun
are mounted over in a private mount namespace, everything runs in a pid
namespace whose end, however it comes, ends all of it.

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

import argparse
import ctypes
import json
import os
import re
import signal
import statistics
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True  # the tree may be another user's
# pylint: disable=wrong-import-position
from calm import Others, wait_calm
from catalogue import PEERS, chosen
from check import measure_check
from lab import FAR4, LINK_MTU, Delay, Failed, Lab, run
from look import congestion_of, those_verified, verified
from many import measure_held, measure_memory, measure_ports
from peers import rotated, with_end
from results import Results
from rows import FAR_PORT, ROWS, far_in, far_out
from servers import Nginx, dns_server, missing
from starts import measure_ready, measure_startup

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, MNT_DETACH = 1, 2
FAR_SECONDS = 5  # at least: one loss more or less shall not matter much
FAR_LINE = ["--delay-ms", "10"]
FAR_LOSS = ["--loss", "0.001"]
JUMBO_MTU = 9000
WARM_SECONDS = 0.5  # of round 0, which isn't a figure
CALM_TRIES = 4  # of a measurement that others disturb


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
            results.fail(f"{group}", peer.name, 0, e)
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
            results.fail(serving.name, peer.name, 0, e)
    return up


def measure_traffic(group, names, peers, results, opts):
    """All peers are up, each on its own port; rounds, rows, then peers."""
    mtu = LINK_MTU if group == "far" else \
        group if isinstance(group, int) else None
    udp = group in ("udp", "jumbo")
    if mtu or group == "dns":
        peers = [p for p in peers if p.has_egress]
    up = start_all(peers, results, group, mtu, udp)
    if not up:
        return
    line = far_leg(up, results) if group == "far" else None
    for number in range(1 if line else 0, opts.rounds + 1):  # 0 warms up
        seconds = opts.seconds if number else min(opts.seconds, WARM_SECONDS)
        for name in names:
            for peer in rotated(up, number):
                try:
                    if not peer.alive():
                        peer.stop()
                        peer.start(mtu, udp, peer.serving)
                    if line:
                        measure_far(line, peer, name, number, results,
                                    max(seconds, FAR_SECONDS))
                    else:
                        measure_row(peer, name, number, results, seconds,
                                    opts.calm)
                except Failed as e:
                    results.fail(ROWS[name][1], peer.name, number,
                                 with_end(peer, e))
    for peer in up:
        peer.stop()
    if line:
        line.end()


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
    results.others.append(share)
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


def usual(peers, opts):
    """Of rows that take long: only podsplice unless others are named."""
    return peers if opts.against else [
        p for p in peers if p.name in ("podsplice", opts.baseline)]


def measure(lab, opts, results):
    results.write({"machine": describe_machine(opts)})
    peers, absent = chosen(lab, opts.against, opts.baseline)
    for name, why in absent.items():
        results.write({"absent": name, "why": why})
        print(f"absent: {name}: {why}")
    far = lab.spawn("client", [lab.bin, "bench-load", "serve", "::",
                               str(FAR_PORT)], f"{lab.tmp}/far.log")
    groups = {}
    for name in opts.rows:
        groups.setdefault(ROWS[name][0], []).append(name)
    for group, names in groups.items():
        lab.link_mtu(JUMBO_MTU if group == "jumbo" else LINK_MTU)
        if missing(lab, group):
            results.note(f"{' '.join(names)}: left out, "
                         f"{missing(lab, group)} is not installed")
            continue
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
        elif group == "dns":
            with dns_server(lab):
                measure_traffic(group, names, peers, results, opts)
        elif group == "far":
            measure_traffic(group, names, usual(peers, opts), results, opts)
        else:
            measure_traffic(group, names, peers, results, opts)
    far.terminate()
    print(f"load at the end {os.getloadavg()[0]:.1f}\n\n"
          f"median ±half the interquartile range  xratio to {opts.baseline} "
          f"(median of the rounds)")
    for of_costs in (False, True):
        results.table([p.name for p in peers], opts.baseline, of_costs)
    print()
    results.say_where_behind(opts.baseline)
    if results.others:
        print(f"others used {statistics.median(results.others):.0%} of the "
              f"machine meanwhile (median), at most "
              f"{max(results.others):.0%}")
    for note in results.notes:
        print(f"note: {note}")
    for failure in results.failures:
        print(f"failed: {failure}")
    return 1 if results.failures else 0


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="rows:\n"
               + "".join(f"  {name:15} {row[1]}\n"
                         for name, row in ROWS.items())
               + "\npeers: " + " ".join(k.name for k in PEERS))
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=2, metavar="S",
                        help="per measurement (2)")
    parser.add_argument("--only", metavar="ROW,…", help="these rows; a prefix "
                        "stands for all that begin with it")
    parser.add_argument("--against", metavar="PEER,…",
                        help="podsplice, the baseline and these, or \"all\" "
                        "(" + " ".join(k.name for k in PEERS if k.default)
                        + ")")
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
    parser.add_argument("--calm", type=float, default=0, metavar="PERCENT",
                        help="before each measurement wait, a minute at most, "
                        "until others use no more of the machine; and repeat "
                        "what they disturb, three times at most (no)")
    parser.add_argument("--json", metavar="FILE", help="one line a figure")
    opts = parser.parse_args()
    only = opts.only.split(",") if opts.only else [""]
    opts.rows = [r for r in ROWS if any(r.startswith(o) for o in only)]
    if not opts.rows or opts.rounds < 1 or not 0.1 <= opts.seconds <= 600:
        parser.error("no such row, or a number out of range")
    if not 2 <= opts.ports <= 10000 or opts.held < 1 or opts.connections < 1:
        parser.error("--ports, --held or --connections: out of range")
    opts.against = opts.against and opts.against.split(",")
    if set(opts.against or []) - {"all", *(k.name for k in PEERS)}:
        parser.error("--against: no such peer")
    opts.calm /= 100
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
