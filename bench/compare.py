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
from lab import CLIENT4, HOST4, LINK_MTU, Failed, Lab, run
from peers import PEERS

PUBLISHED, FAR_PORT = 5201, 5300
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG, MNT_DETACH = 1, 2
IDLE_TRIES = 3  # each with a fifth of the connections

# Rows: what is asked of every peer. Each function gives {label: (value, raw)}.


def bulk_row(peer, where, target, port, options, reverse):
    before = peer.sample()["cpu_s"]
    got = peer.lab.load(where, ["bulk", "--seconds", str(options.seconds)]
                        + (["--reverse"] if reverse else [])
                        + [target, str(port)])
    got["helper_cpu_s"] = round(peer.sample()["cpu_s"] - before, 2)
    return {"": (got["bits_per_second"] / 1e9, got)}


def published(where, target, reverse):
    return lambda peer, opts: bulk_row(peer, where, target, peer.port, opts,
                                       reverse)


def egress(reverse):
    return lambda peer, opts: bulk_row(peer, peer.server, CLIENT4, FAR_PORT,
                                       opts, reverse)


def round_trip(where, target):
    def row(peer, opts):
        got = peer.lab.load(where, ["rr", "--seconds", str(opts.seconds),
                                    target, str(peer.port)])
        return {" p50": (got["p50_ns"] / 1e3, got),
                " p99": (got["p99_ns"] / 1e3, got)}
    return row


def connects(where, target, clients):
    def row(peer, opts):
        got = peer.lab.load(where, ["crr", "--seconds", str(opts.seconds),
                                    "--clients", str(clients), target,
                                    str(peer.port)])
        return {"": (got["per_second"], got)}
    return row


# name: (group, label, unit, function)
ROWS = {
    "pub-lo": ("published", "published, loopback -> pod", "Gbit/s",
               published("host", "127.0.0.1", False)),
    "pub-lo-rev": ("published", "published, pod -> loopback", "Gbit/s",
                   published("host", "127.0.0.1", True)),
    "pub-net": ("published", "published, other host -> pod", "Gbit/s",
                published("client", HOST4, False)),
    "pub-net-rev": ("published", "published, pod -> other host", "Gbit/s",
                    published("client", HOST4, True)),
    "rr-lo": ("published", "round trip, 1 byte, loopback", "us",
              round_trip("host", "127.0.0.1")),
    "rr-net": ("published", "round trip, 1 byte, other host", "us",
               round_trip("client", HOST4)),
    "crr-lo-1": ("published", "connect+1+close, loopback, 1", "1/s",
                 connects("host", "127.0.0.1", 1)),
    "crr-lo-32": ("published", "connect+1+close, loopback, 32", "1/s",
                  connects("host", "127.0.0.1", 32)),
    "crr-net-1": ("published", "connect+1+close, other host, 1", "1/s",
                  connects("client", HOST4, 1)),
    "crr-net-32": ("published", "connect+1+close, other host, 32", "1/s",
                   connects("client", HOST4, 32)),
    "out-1500": (1500, "egress, MTU 1500, pod -> host", "Gbit/s",
                 egress(False)),
    "out-1500-rev": (1500, "egress, MTU 1500, host -> pod", "Gbit/s",
                     egress(True)),
    "out-65520": (65520, "egress, MTU 65520, pod -> host", "Gbit/s",
                  egress(False)),
    "out-65520-rev": (65520, "egress, MTU 65520, host -> pod", "Gbit/s",
                      egress(True)),
    "startup": ("startup", "start, run true, end", "ms", None),
    "memory": ("memory", "idle helper, private memory", "KiB", None),
    "idle": ("memory", "per idle connection", "", None),
}


class Results:
    """Figures by (label, unit) and peer, in order of rounds; None: failed."""

    def __init__(self, path):
        self.rows, self.failures, self.notes = {}, [], []
        self.looked = False  # at the peers' paths
        self.json = open(path, "w", encoding="utf-8") if path else None

    def write(self, record):
        if self.json:
            self.json.write(json.dumps({"schema": 1, **record}) + "\n")
            self.json.flush()

    def add(self, label, unit, peer, number, value, raw=None):
        if (raw or {}).get("lost_bytes"):
            self.note(f"{label}: {peer} lost the last {raw['lost_bytes']} "
                      f"bytes of a stream that ended in order")
        errors = (raw or {}).get("errors", {}).get("all")
        if errors:
            self.note(f"{label}: {peer}, round {number}: {errors} of "
                      f"{raw['count'] + errors} connections failed")
        row = self.rows.setdefault((label, unit), {}).setdefault(peer, {})
        row[number] = value
        self.write({"row": label, "unit": unit, "peer": peer,
                    "round": number, "value": value, "raw": raw})

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

    def table(self, peers, baseline):
        lines = [["", ""] + peers]
        for (label, unit), by_peer in self.rows.items():
            lines.append([label, unit] + [self.cell(by_peer, p, baseline)
                                          for p in peers])
        widths = [max(len(line[i]) for line in lines)
                  for i in range(len(lines[0]))]
        for line in lines:
            print("  ".join(c.ljust(w) for c, w in zip(line, widths))
                  .rstrip())


def number(v):
    if v >= 1000:
        return f"{v:.0f}"
    return f"{v:.1f}" if v >= 10 else f"{v:.2f}"


def congestion_in_use(peer):
    """Of every TCP connection in the peer's namespaces, as the kernel says."""
    found = set()
    for where in ["host", *peer.namespaces().values()]:
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
    held = subprocess.Popen(
        lab.ns("client", [lab.bin, "bench-load", "idle", "--count", "1",
                          HOST4, str(peer.port)], user=True),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=lab.env)
    try:
        wait_line(held)
        facts["congestion"] = congestion_in_use(peer)
    finally:
        end_held(held)
    return facts


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
    out = proc.stdout.read()
    proc.stdout.close()
    return json.loads(out) if out.strip() else None


def rotated(peers, number):
    at = number % len(peers)
    return peers[at:] + peers[:at]


def start_all(peers, results, group, mtu=None):
    up = []
    for peer in list(peers):
        try:
            peer.start(mtu)
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


def measure_traffic(group, names, peers, results, opts):
    """All peers are up, each on its own port; rounds, rows, then peers."""
    mtu = group if isinstance(group, int) else None
    if mtu:
        peers = [p for p in peers if p.has_egress]
    up = start_all(peers, results, group, mtu)
    if not up:
        return
    if not results.looked:
        measure_paths(up, results)
        results.looked = True
    for number in range(opts.rounds + 1):  # round 0 warms up
        for name in names:
            _, label, unit, row = ROWS[name]
            for peer in rotated(up, number):
                try:
                    if not peer.alive():
                        peer.stop()
                        peer.start(mtu)
                    for suffix, (value, raw) in row(peer, opts).items():
                        if number:
                            results.add(label + suffix, unit, peer.name,
                                        number, value, raw)
                except Failed as e:
                    results.fail(label, peer.name, number, e)
    for peer in up:
        peer.stop()


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


def hold_idle(peer, count):
    """Samples of the helper before and with so many idle connections."""
    lab = peer.lab
    before = memory_of(peer)
    held = subprocess.Popen(
        lab.ns("host", [lab.bin, "bench-load", "idle", "--count", str(count),
                        "127.0.0.1", str(peer.port)], user=True),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=lab.env)
    try:
        wait_line(held)
        time.sleep(0.5)
        after = memory_of(peer)
    finally:
        end = end_held(held)
    if not end or end["lost"]:
        raise Failed(f"{end['lost'] if end else 'all'} connections were lost")
    return before, after


def measure_idle(peer, results, number, count):
    """A helper that can't hold them all is asked for fewer."""
    for attempt in range(IDLE_TRIES):
        try:
            before, after = hold_idle(peer, count)
            break
        except Failed as e:
            why = f"{count} connections: {e}"
            if not peer.alive():
                why += f"; it has ended: {peer.last_words()}"
            if attempt == IDLE_TRIES - 1:
                raise Failed(why) from e
            results.note(f"{peer.name}, idle: {why}")
            count //= 5
            peer.stop()
            peer.start()
            time.sleep(1)
    label, raw = ROWS["idle"][1], {"count": count, "before": before,
                                   "after": after}
    results.add(label + ", memory", "bytes", peer.name, number,
                (after["private_bytes"] - before["private_bytes"]) / count,
                raw)
    results.add(label + ", descriptors", "", peer.name, number,
                (after["fds"] - before["fds"]) / count, raw)


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
                    measure_idle(peer, results, number, opts.connections)
            except Failed as e:
                results.fail(label, peer.name, number, e)
            finally:
                peer.stop()


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
             "congestion": opts.congestion, "baseline": opts.baseline}
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
        if group == "startup":
            measure_startup(peers, results, opts)
        elif group == "memory":
            measure_memory(names, peers, results, opts)
        else:
            measure_traffic(group, names, peers, results, opts)
    far.terminate()
    print(f"\nmedian ±half the interquartile range  xratio to "
          f"{opts.baseline} (median of the rounds)\n")
    results.table([p.name for p in peers], opts.baseline)
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
                        help="of the row `idle` (5000)")
    parser.add_argument("--json", metavar="FILE", help="one line a figure")
    opts = parser.parse_args()
    only = opts.only.split(",") if opts.only else [""]
    opts.rows = [r for r in ROWS if any(r.startswith(o) for o in only)]
    if not opts.rows or opts.rounds < 1 or not 0.1 <= opts.seconds <= 600:
        parser.error("no such row, or a number out of range")
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
