# SPDX-License-Identifier: GPL-2.0-or-later
"""How each helper is started around the server that it is measured with.

A peer is started as its users start it, by an ordinary account on the host,
and publishes one port of its own, over TCP or TCP and UDP, or a range that all
peers have in turn. It is ready when a checked transfer through that port has
worked. Its processes are told from the server by name.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

from lab import Failed, run

START_S = 15  # for a peer to come up


class Ports:
    """A row of ports, and the protocols that they are published for."""

    def __init__(self, first, count=1, protocols=("tcp",)):
        self.first, self.count, self.protocols = first, count, protocols
        self.last = first + count - 1

    def text(self):
        return str(self.first) if self.count == 1 \
            else f"{self.first}-{self.last}"

    def each(self):
        return [(protocol, port) for protocol in self.protocols
                for port in range(self.first, self.last + 1)]


class Peer:
    """How a helper is started around a server. One instance at a time."""

    name, program = "native", None
    has_egress = True
    holds_many = True  # many connections at once are worth a try
    has_ranges = True  # thousands of ports are, too

    def __init__(self, lab, port):
        self.lab, self.port = lab, port
        self.ports = Ports(port)
        self.procs, self.server, self.log = [], None, None
        self.logs = 0

    def serve(self):
        udp = ["--udp"] if "udp" in self.ports.protocols else []
        return [self.lab.bin, "bench-load", "serve", *udp, "--count",
                str(self.ports.count), "::", str(self.ports.first)]

    def argv(self, mtu):  # without an mtu: the peer's own choice
        return self.serve()

    def present(self):
        """Its path; None: not installed."""
        return shutil.which(self.program or "true",
                            path=self.lab.env["PATH"])

    def version(self):
        if not self.program:
            return ""
        path = os.path.realpath(self.present())
        try:
            text = run([path, "--version"], timeout=10).splitlines()[0]
        except (Failed, IndexError):
            text = ""
        try:
            owner = run(["dpkg-query", "-S", path]).split(":")[0]
            text += " (Debian " + run(["dpkg-query", "-W", "-f",
                                       "${Package} ${Version}", owner]) + ")"
        except Failed:
            pass  # not from a package, or no Debian
        return text.strip()

    def launch(self, mtu):
        self.procs = [self.lab.spawn("host", self.argv(mtu), self.log)]

    def begin(self, mtu=None, ports=None):
        """Launch it, with these ports instead of its own one."""
        self.logs += 1
        self.log = f"{self.lab.tmp}/{self.name}-{self.logs}.log"
        self.ports = ports or Ports(self.port)
        self.launch(mtu)

    def start(self, mtu=None, udp=False):
        self.begin(mtu, Ports(self.port, 1, ("tcp", "udp")) if udp else None)
        until = time.monotonic() + START_S
        while True:
            try:
                self.find_server()
                self.lab.load("host", ["bulk", "--bytes", "1", "127.0.0.1",
                                       str(self.port)])
                break
            except Failed as e:
                dead = [p for p in self.procs if p.poll() is not None]
                if dead or time.monotonic() > until:
                    text = self.last_words() or str(e)
                    self.stop()
                    raise Failed(f"{self.name} doesn't start: {text}") from e
                time.sleep(0.05)
        for pid in self.namespaces().values():
            self.lab.tune(pid)

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            lines = [x for x in f.read().splitlines() if '"schema"' not in x]
        return lines[-1] if lines else ""

    def find_server(self):
        for p in self.lab.sample(self.roots())["processes"]:
            if p["name"] == "bench-server":
                self.server = p["pid"]
                return
        raise Failed("no server yet")

    def roots(self):
        return [p.pid for p in self.procs]

    def sample(self):
        """The helper: without the server that it is there for."""
        return self.lab.sample(self.roots(), skip=("bench-server",))

    def namespaces(self):
        """Network namespaces of the peer but the host's: {inode: a pid}."""
        seen = {}
        host = os.stat(f"{self.lab.tmp}/net-host").st_ino
        for p in self.lab.sample(self.roots())["processes"]:
            try:
                inode = os.stat(f"/proc/{p['pid']}/ns/net").st_ino
            except OSError:
                continue
            if inode != host:
                seen[inode] = p["pid"]
        return seen

    def alive(self):
        return self.procs and all(p.poll() is None for p in self.procs)

    def stop(self):
        """In order first, then whatever is left."""
        if not self.procs:
            return
        try:
            left = [p["pid"] for p in
                    self.lab.sample(self.roots())["processes"]]
        except Failed:
            left = []
        for p in reversed(self.procs):
            p.terminate()
        for p in self.procs:
            try:
                p.wait(3)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.procs, self.server = [], None


class Podsplice(Peer):
    name, program = "podsplice", "podsplice"

    def argv(self, mtu):
        return ["podsplice", "run"] + ([f"--mtu={mtu}"] if mtu else []) + \
            [x for protocol in self.ports.protocols for x in
             ("-p", f"{self.ports.text()}:{self.ports.text()}/{protocol}")] + \
            ["--"] + self.serve()

    def once(self):
        return ["podsplice", "run", "--", "true"]


class Pasta(Peer):
    name = program = "pasta"

    def argv(self, mtu):
        return ["pasta", "--config-net"] + (["-m", str(mtu)] if mtu else []) \
            + ["-t", self.ports.text(), "-u", self.ports.text()
               if "udp" in self.ports.protocols else "none",
               "-T", "none", "-U", "none", "--"] + self.serve()

    def once(self):
        return ["pasta", "--config-net", "--", "true"]


class Rootlesskit(Peer):
    name = program = "rootlesskit"
    has_egress = False  # slirp4netns', which has a column of its own

    def argv(self, mtu):
        return ["rootlesskit", "--net=slirp4netns", "--port-driver=builtin",
                *[x for protocol, port in self.ports.each() for x in
                  ("-p", f"0.0.0.0:{port}:{port}/{protocol}")],
                f"--mtu={mtu or 65520}", "--copy-up=/etc"] + self.serve()

    def once(self):
        return ["rootlesskit", "--net=slirp4netns", "--mtu=65520",
                "--copy-up=/etc", "true"]


class Slirp4netns(Peer):
    name = program = "slirp4netns"
    holds_many = False  # stands still below a hundred: its backlog is 1
    has_ranges = False  # one request each, and a scan of all for each event

    def launch(self, mtu):
        api = f"{self.lab.tmp}/run/s4.{self.logs}"
        holder = self.lab.spawn("host", ["unshare", "-Ur", "-n", "--"]
                                + self.serve(), self.log)
        self.procs = [holder]
        until = time.monotonic() + START_S
        # once the server runs, unshare has also written the id maps
        while self.server is None:
            try:
                self.find_server()
            except Failed:
                if time.monotonic() > until or holder.poll() is not None:
                    raise
                time.sleep(0.02)
        self.procs.append(self.lab.spawn(
            "host", ["slirp4netns", "-c", "-m", str(mtu or 65520),
                     "--api-socket", api, str(holder.pid), "tap0"], self.log))
        self.publish(api, until)

    def publish(self, api, until):
        for protocol, port in self.ports.each():
            self.publish_one(api, until, {
                "execute": "add_hostfwd", "arguments": {
                    "proto": protocol, "host_addr": "0.0.0.0",
                    "host_port": port, "guest_port": port}})

    def publish_one(self, api, until, request):
        while time.monotonic() < until:
            try:
                reply = run([sys.executable, "-c", API_CALL, api,
                             json.dumps(request)], timeout=5)
                if "return" in json.loads(reply):
                    return
                raise Failed(f"slirp4netns: {reply}")
            except Failed as e:
                if "slirp4netns" in str(e):
                    raise
                time.sleep(0.05)
        raise Failed("slirp4netns: no API socket")


API_CALL = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(4)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode())
s.shutdown(socket.SHUT_WR)
print(s.recv(4096).decode())
"""

PEERS = (Peer, Podsplice, Pasta, Rootlesskit, Slirp4netns)


def rotated(peers, number):
    at = number % len(peers)
    return peers[at:] + peers[:at]


def with_end(peer, why):
    if peer.alive():
        return why
    ends = [p.poll() for p in peer.procs]
    return f"{why}; it has ended ({ends}): {peer.last_words() or '-'}"
