# SPDX-License-Identifier: GPL-2.0-or-later
"""What is it that gets measured? Looked at before, and printed."""

import json
import re
import select
import subprocess

from lab import CLIENT4, HOST4, Failed, run
from rows import FAR_PORT, other_host


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
