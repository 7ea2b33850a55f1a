# SPDX-License-Identifier: GPL-2.0-or-later
"""How each helper is started around the server that it is measured with.

A peer is started as its users start it, by an ordinary account on the host,
and publishes one port of its own. It is ready when a checked transfer through
that port has worked. Its processes are told from the server by name.
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


class Peer:
    """How a helper is started around a server. One instance at a time."""

    name, program = "native", None
    has_egress = True
    holds_many = True  # many connections at once are worth a try

    def __init__(self, lab, port):
        self.lab, self.port = lab, port
        self.procs, self.server, self.log = [], None, None
        self.logs = 0

    def serve(self):
        return [self.lab.bin, "bench-load", "serve", "::", str(self.port)]

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

    def start(self, mtu=None):
        self.logs += 1
        self.log = f"{self.lab.tmp}/{self.name}-{self.logs}.log"
        self.launch(mtu)
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
            ["-p", f"{self.port}:{self.port}", "--"] + self.serve()

    def once(self):
        return ["podsplice", "run", "--", "true"]


class Pasta(Peer):
    name = program = "pasta"

    def argv(self, mtu):
        return ["pasta", "--config-net"] + (["-m", str(mtu)] if mtu else []) \
            + ["-t", str(self.port), "-u", "none", "-T", "none",
               "-U", "none", "--"] + self.serve()

    def once(self):
        return ["pasta", "--config-net", "--", "true"]


class Rootlesskit(Peer):
    name = program = "rootlesskit"
    has_egress = False  # slirp4netns', which has a column of its own

    def argv(self, mtu):
        return ["rootlesskit", "--net=slirp4netns", "--port-driver=builtin",
                "-p", f"0.0.0.0:{self.port}:{self.port}/tcp",
                f"--mtu={mtu or 65520}", "--copy-up=/etc"] + self.serve()

    def once(self):
        return ["rootlesskit", "--net=slirp4netns", "--mtu=65520",
                "--copy-up=/etc", "true"]


class Slirp4netns(Peer):
    name = program = "slirp4netns"
    holds_many = False  # stands still below a hundred: its backlog is 1

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
        request = {"execute": "add_hostfwd", "arguments": {
            "proto": "tcp", "host_addr": "0.0.0.0", "host_port": self.port,
            "guest_port": self.port}}
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
