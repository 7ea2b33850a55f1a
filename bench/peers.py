# SPDX-License-Identifier: GPL-2.0-or-later
"""How each helper is started around the server that it is measured with.

A peer is started as its users start it, by an ordinary account on the host,
and publishes one port of its own, over TCP or TCP and UDP, or a range that all
peers have in turn. It is ready when a checked transfer through that port has
worked, and when its processes and who listens are the program that its name
promises. Its processes are told from the server by name.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from lab import CLIENT4, HOST4, Failed, Refused, run
from servers import BenchServer

START_S = 30  # for a peer to come up, on a busy machine


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


def exe_of(pid):
    """The path of what runs there; None: it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError as e:
        raise Failed(f"what process {pid} runs can't be told: {e}") from e


class Peer:
    """How a helper is started around a server. One instance at a time."""

    name, program = None, None
    default = True  # measured unless others are named
    has_egress = True
    has_other = True  # other hosts reach what it publishes
    has_udp = True
    most_streams = 256  # that its ports take at once
    holds_many = True  # many connections at once are worth a try
    has_ranges = True  # thousands of ports are, too
    resolver = CLIENT4  # where the server's namespace asks for names
    # What proves the path: whom each end sees, and whether the payload crosses
    # a device of the server's namespace other than its loopback.
    sees = {"loopback": "127.0.0.1", "other": CLIENT4, "egress": HOST4}
    crosses = {"loopback": False, "other": True, "egress": True}

    def __init__(self, lab, port):
        self.lab, self.port = lab, port
        self.ports, self.serving = Ports(port), BenchServer()
        self.procs, self.server, self.log = [], None, None
        self.logs = 0

    def serve(self):
        return self.serving.argv(self.lab, self.ports)

    def argv(self, mtu):  # without an mtu: the peer's own choice
        return self.serve()

    def once(self):
        """What comes before a command that is run in it; None: nothing can."""
        return None

    def present(self):
        """Its path; None: not installed."""
        return shutil.which(self.program or "true",
                            path=self.lab.env["PATH"])

    def absence(self):
        """Why it can't be measured; None: it can."""
        if not self.present():
            return "not installed"
        return "podsplice has that name in PATH" if self.is_ours() else None

    def is_ours(self):
        """podsplice takes other programs' names, and is started by them."""
        return self.program not in (None, "podsplice") and \
            ("podsplice" in self.version() or os.path.basename(
                os.path.realpath(self.present())) == "podsplice")

    def binaries(self):
        """Whatever else its processes run is not what is to be measured."""
        return {os.path.realpath(self.present())} if self.program \
            else {exe_of(self.server)}

    def version(self):
        if not self.program:
            return ""
        try:
            text = run([self.present(), "--version"],
                       timeout=10).splitlines()[0]
        except (Failed, IndexError):
            text = ""
        return (text + self.package()).strip()

    def package(self):
        """The Debian package that it is from; "" for none."""
        path = os.path.realpath(self.present())
        try:
            owner = run(["dpkg-query", "-S", path]).split(":")[0]
            return " (Debian " + run(["dpkg-query", "-W", "-f",
                                      "${Package} ${Version}", owner]) + ")"
        except Failed:
            return ""  # not from a package, or no Debian

    def launch(self, mtu):
        self.procs = [self.lab.spawn("host", self.argv(mtu), self.log)]

    def begin(self, mtu=None, ports=None, serving=None):
        """Launch it, with these ports instead of its own one."""
        self.logs += 1
        self.log = f"{self.lab.tmp}/{self.name}-{self.logs}.log"
        self.ports, self.serving = ports or Ports(self.port), \
            serving or BenchServer()
        self.launch(mtu)

    def start(self, mtu=None, udp=False, serving=None):
        self.begin(mtu, Ports(self.port, 1, ("tcp", "udp")) if udp else None,
                   serving)
        until = time.monotonic() + START_S
        while True:
            try:
                self.find_server()
                with self.in_use():
                    self.serving.ask(self.lab, self.port)
                break
            except Failed as e:
                dead = [p for p in self.procs if p.poll() is not None]
                if dead or time.monotonic() > until:
                    text = self.last_words() or str(e)
                    self.stop()
                    raise Failed(f"{self.name} doesn't start: {text}") from e
                time.sleep(0.05)
        try:
            self.check_programs()
        except Failed:
            self.stop()
            raise
        for pid in self.namespaces().values():
            self.lab.tune(pid)

    @contextlib.contextmanager
    def in_use(self):
        """While it is measured; others must not pay for it meanwhile."""
        yield

    def listeners(self, protocol="tcp"):
        """Who has the port on the host: {path of the program: name}."""
        text = run(self.lab.ns("host", [
            "ss", "-Hlnp", f"--{protocol}", "sport", "=",
            f":{self.ports.first}"]))
        found = re.findall(r'\("([^"]+)",pid=(\d+)', text)
        return {exe_of(int(pid)): name for name, pid in found}

    def check_programs(self):
        """Is it what its name promises that runs, and that listens?"""
        helper = {exe_of(p["pid"]) for p in self.sample()["processes"]}
        wrong = helper - {None} - self.binaries()
        if wrong or (self.program and not helper & self.binaries()):
            raise Refused(f"{self.name}: what runs is "
                          f"{' '.join(sorted(wrong)) or 'nothing'}")
        for protocol in self.ports.protocols:
            listens = set(self.listeners(protocol))
            # pasta hands its sockets down to the server
            if not listens & self.binaries() or \
                    listens - self.binaries() - {exe_of(self.server)}:
                raise Refused(f"{self.name}: on {protocol} port "
                              f"{self.ports.first} listens "
                              f"{' '.join(map(str, listens)) or 'nobody'}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            lines = [x for x in f.read().splitlines() if '"schema"' not in x]
        return lines[-1] if lines else ""

    def find_server(self):
        for p in self.lab.sample(self.roots())["processes"]:
            if p["name"] == self.serving.name:
                self.server = p["pid"]
                return
        raise Failed("no server yet")

    def roots(self):
        return [p.pid for p in self.procs]

    def sample(self):
        """The helper: without the server that it is there for."""
        return self.lab.sample(self.roots(), skip=(self.serving.name,))

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


class Native(Peer):
    name = "native"

    def once(self):
        return []


class Podsplice(Peer):
    name, program = "podsplice", "podsplice"
    options = ()
    resolver = "10.0.2.3"
    sees = {"loopback": "10.0.2.2", "other": CLIENT4, "egress": HOST4}
    crosses = {"loopback": True, "other": True, "egress": True}
    # as its own `flows` tell; None: it has none that way
    relays = {"loopback": "splice", "other": "splice", "egress": "splice",
              "udp": "udp"}

    def control(self):
        return f"{self.lab.tmp}/run/{self.name}-{self.logs}"

    def argv(self, mtu):
        return ["podsplice", "run", "--control", self.control(),
                *self.options] + ([f"--mtu={mtu}"] if mtu else []) + \
            [x for protocol in self.ports.protocols for x in
             ("-p", f"{self.ports.text()}:{self.ports.text()}/{protocol}")] + \
            ["--"] + self.serve()

    def once(self):
        return ["podsplice", "run", *self.options, "--"]

    def flows(self):
        out = run(self.lab.ns("host", ["podsplice", "flows", "--json",
                                       "--control", self.control()],
                              user=True), env=self.lab.env)
        return json.loads(out)["flows"]


class PodspliceSlirp(Podsplice):
    name, default = "podsplice-slirp", False
    options = ("--datapath", "slirp")
    relays = {**Podsplice.relays, "egress": None}


class Pasta(Peer):
    name = program = "pasta"
    resolver = "169.254.1.1"  # as podman has it
    options = ("--dns-forward", resolver)

    def binaries(self):
        """It execs the variant that is made for the processor."""
        return {path + suffix for path in super().binaries()
                for suffix in ("", ".avx2")}

    def argv(self, mtu):
        return ["pasta", "--config-net", *self.options] \
            + (["-m", str(mtu)] if mtu else []) \
            + ["-t", self.ports.text(), "-u", self.ports.text()
               if "udp" in self.ports.protocols else "none",
               "-T", "none", "-U", "none", "--"] + self.serve()

    def once(self):
        return ["pasta", "--config-net", *self.options, "--"]


class PastaOption(Pasta):
    """With an option that older ones don't have."""

    default = False

    def absence(self):
        why = super().absence()
        if not why and not re.search(rf"{self.options[0]}\b", run(
                ["sh", "-c", "pasta --help 2>&1 || :"])):
            why = f"this pasta has no {self.options[0]}"
        return why


class PastaTap(PastaOption):
    name, options = "pasta-tap", ("--no-splice", *Pasta.options)
    crosses = {"loopback": True, "other": True, "egress": True}


class PastaSplice(PastaOption):
    name, options = "pasta-splice", ("--splice-only",)
    has_egress = has_other = False


class Rootlesskit(Peer):
    name = program = "rootlesskit"
    has_egress = False  # slirp4netns', which has a column of its own
    sees = {"loopback": "127.0.0.1", "other": "127.0.0.1"}
    crosses = {"loopback": False, "other": False}

    def binaries(self):
        return super().binaries() | {os.path.realpath(
            shutil.which("slirp4netns", path=self.lab.env["PATH"]))}

    def absence(self):
        return super().absence() or Slirp4netns(self.lab, 0).absence()

    def argv(self, mtu):
        return ["rootlesskit", "--net=slirp4netns", "--port-driver=builtin",
                *[x for protocol, port in self.ports.each() for x in
                  ("-p", f"0.0.0.0:{port}:{port}/{protocol}")],
                f"--mtu={mtu or 65520}", "--copy-up=/etc"] + self.serve()

    def once(self):
        return ["rootlesskit", "--net=slirp4netns", "--mtu=65520",
                "--copy-up=/etc"]


class InHolder(Peer):
    """Its network is made first, by the ordinary account, with the server."""

    default = False

    def hold(self, prepare="true"):
        holder = self.lab.spawn(
            "host", ["unshare", "-Ur", "-n", "--", "sh", "-c",
                     f'{prepare} && exec "$@"', "sh"] + self.serve(), self.log)
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
        return holder


class Slirp4netns(InHolder):
    name = program = "slirp4netns"
    default = True
    most_streams = 4  # its ports' backlog is 1
    holds_many = False  # likewise: stands still below a hundred
    has_ranges = False  # one request each, and a scan of all for each event
    resolver = "10.0.2.3"
    sees = {"loopback": "10.0.2.2", "other": CLIENT4, "egress": HOST4}
    crosses = {"loopback": True, "other": True, "egress": True}

    def launch(self, mtu):
        api = f"{self.lab.tmp}/run/s4.{self.logs}"
        until = time.monotonic() + START_S
        holder = self.hold()
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


def rotated(peers, number):
    at = number % max(len(peers), 1)
    return peers[at:] + peers[:at]


def with_end(peer, why):
    """With what it said in the end, where it has ended by itself."""
    if peer.alive() or not peer.procs:
        return why
    ends = [p.poll() for p in peer.procs]
    return f"{why}; it has ended ({ends}): {peer.last_words() or '-'}"
