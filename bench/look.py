# SPDX-License-Identifier: GPL-2.0-or-later
"""What is it that gets measured? Looked at before, and printed.

Whoever doesn't take the path that its name promises is refused: what would be
measured is somebody else's figure. That the right programs run and listen is
looked at whenever a peer starts (peers.py).
"""

import fcntl
import json
import os
import re
import select
import subprocess

from lab import CLIENT4, HOST4, Failed, Refused, run, said
from progress import group_name
from rows import egress, far_port, loopback, offers, other_host

PIPE_BYTES = 1 << 20  # what who splices asks for
LOOK_BYTES = 1 << 20  # far more than what else crosses a device meanwhile
WAYS = {"loopback": loopback, "other": other_host, "egress": egress}


def device_bytes(pid):
    """What has crossed the devices of that network but its loopback."""
    with open(f"/proc/{pid}/net/dev", encoding="utf-8") as f:
        lines = [x.replace(":", " ").split() for x in f.readlines()[2:]]
    return sum(int(x[1]) + int(x[9]) for x in lines if x[0] != "lo")


def look_at_way(peer, name, way):
    """Who is seen that way, and does it cross a device? As it should be."""
    where, target, port = way(peer)
    before = device_bytes(peer.server)
    got = peer.lab.load(where, ["bulk", "--bytes", str(LOOK_BYTES), target,
                                str(port)])
    crossed = device_bytes(peer.server) - before
    seen = got["peer"].rsplit(":", 1)[0]
    if seen != peer.sees[name]:
        raise Failed(f"{name}: the server sees {seen}, not "
                     f"{peer.sees[name]}: that is another path")
    if (crossed >= LOOK_BYTES) != peer.crosses[name]:
        raise Failed(f"{name}: {crossed} of {LOOK_BYTES} bytes crossed the "
                     f"devices of its namespace: that is another path")
    return seen, crossed


def relay_of(peer, name):
    """What podsplice says of the flow that is open that way."""
    out = name == "egress"
    protocol = "udp" if name == "udp" else "tcp"
    address = f"{CLIENT4}:{far_port(peer)}" if out else f":{peer.port}"
    paths = {f["path"] for f in peer.flows()
             if f["direction"] == ("egress" if out else "ingress")
             and f["proto"] == protocol and f["state"] == "open"
             and (f["remote"] if out else f["host"]).endswith(address)}
    path = paths.pop() if paths else None
    if path != peer.relays[name]:
        raise Failed(f"{name}: its flows tell of {path or 'nothing'}, not "
                     f"{peer.relays[name] or 'nothing'}: that is another path")
    return path


def congestion_in_use(peer, hosts):
    """Of every TCP connection there and in the peer's namespaces."""
    found = set()
    for where in [*hosts, *peer.namespaces().values()]:
        text = run(peer.lab.ns(where, ["ss", "-Htin", "state", "established"]))
        found |= set(re.findall(r"\t ?(?:ts |sack |ecn )*(cubic|bbr|reno|dctcp"
                                r"|vegas|westwood)\b", text))
    return sorted(found)


def look_at_path(peer):
    """All that proves it, or Failed."""
    facts = {"peer": peer.name, "version": peer.version(),
             "processes": [p["name"] for p in peer.sample()["processes"]],
             "binaries": sorted(peer.binaries()),
             "listens": sorted(set(peer.listeners().values()))}
    own_netns = bool(peer.namespaces())
    if own_netns != (peer.name != "native"):
        raise Failed("the server is in the wrong namespace")
    congestion = set()
    for name, way in WAYS.items():
        if not offers(peer, way):
            continue
        facts[f"seen_{name}"], facts[f"crossed_{name}"] = \
            look_at_way(peer, name, way)
        held = start_held(peer.lab, way(peer), 1)
        try:
            wait_line(held)
            congestion |= set(congestion_in_use(peer, ("host", "client")))
            if hasattr(peer, "relays"):
                facts[f"relay_{name}"] = relay_of(peer, name)
        finally:
            end_held(held)
    return {**facts, "congestion": sorted(congestion)}


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
        raise Failed("; ".join(said(why))
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


def describe(facts):
    seen = []
    for way in (w for w in WAYS if f"seen_{w}" in facts):
        seen.append(f"{way} seen as {facts[f'seen_{way}']}")
        if f"relay_{way}" in facts:
            seen[-1] += f" (flow: {facts[f'relay_{way}'] or 'none'})"
    return (f"path: {facts['peer']:12} {facts['version'] or '-'}\n"
            f"      listens: {','.join(facts['listens']) or '-'}; "
            f"{'; '.join(seen)}; "
            f"congestion control: {','.join(facts['congestion'])}\n"
            f"      processes: {','.join(facts['processes']) or '-'}")


def look_at_udp(peer):
    got = peer.lab.load("client", ["udp-bulk", "--seconds", "0.2", "--rate",
                                   "10", HOST4, str(peer.port)])
    seen = got["peer"].rsplit(":", 1)[0]
    if seen != peer.sees["other"]:
        raise Failed(f"UDP: the server sees {seen}, not "
                     f"{peer.sees['other']}: that is another path")
    facts = {"peer": peer.name, "seen_other": seen,
             "listens": sorted(set(peer.listeners("udp").values()))}
    if hasattr(peer, "relays"):
        facts["relay_udp"] = relay_of(peer, "udp")
    return facts


def describe_udp(facts):
    return (f"path of UDP: {facts['peer']:12} listens: "
            f"{','.join(facts['listens']) or '-'}; server sees other host as "
            f"{facts['seen_other']}")


def tell(results, key, facts, text):
    """Once, and again when it has changed."""
    if text not in results.looked:
        results.looked.add(text)
        results.write({key: facts})
        print(text, flush=True)


def verified(peer, results, group):
    """Does it take the path that its name promises? Else no figure of it."""
    udp = None
    try:
        with peer.in_use():
            facts = look_at_path(peer)
            if "udp" in peer.ports.protocols:
                udp = look_at_udp(peer)
    except Failed as e:
        results.fail(f"{group_name(group)}, path", peer.name, 0, Refused(e))
        return False
    if facts["congestion"] != [peer.lab.congestion]:
        results.note(f"{group_name(group)}: {peer.name} has connections under "
                     f"{','.join(facts['congestion'])}")
    tell(results, "path", facts, describe(facts))
    if udp:
        tell(results, "udp_path", udp, describe_udp(udp))
    return True


def those_verified(peers, results, group):
    """Each started for it, and stopped again."""
    found = []
    for peer in peers:
        try:
            peer.start()
        except Failed as e:
            results.fail(group_name(group), peer.name, 0, e)
            continue
        if verified(peer, results, group):
            found.append(peer)
        peer.stop()
    return found


def gets_pipes(lab):
    """Does the account still get a pipe of the size that is best?"""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(lab.uid, lab.uid, lab.uid)
            os.setresuid(lab.uid, lab.uid, lab.uid)
            fcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def note_pipes(lab, results, group):
    """Whoever splices is slower with small ones."""
    if not gets_pipes(lab):
        results.note(f"{group_name(group)}: the account's share of memory for pipes "
                     "(fs.pipe-user-pages-soft) is used up, by a helper or by "
                     "what else runs as that user: who splices is slower")
