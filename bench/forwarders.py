# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers that only lead ports somewhere, and root's own network.

Where they lead is a namespace that the lab's root has made, as an engine run
by root does: a veth link to the host, an address, a default route. To those
that serve rootless engines it is one of the ordinary account's, and they reach
its loopback, as they do for podman.
"""

import contextlib
import json
import os
import shutil

from lab import CLIENT4, HOST4, Refused, run
from peers import InHolder, Peer, Podsplice


class Boxed(Peer):
    """The server is in a namespace of root's, "box"."""

    default = False
    has_ranges = False  # one process, or rule, for each
    crosses = {"loopback": True, "other": True, "egress": True}

    def __init__(self, lab, port):
        super().__init__(lab, port)
        self.box, self.link = f"box-{port}", f"box{port}"
        net = f"172.31.{port % 256}"
        self.host_end, self.address = f"{net}.1", f"{net}.2"
        self.sees = {"loopback": self.host_end, "other": self.host_end,
                     "egress": HOST4}

    def make_box(self):
        lab = self.lab
        if os.path.exists(f"{lab.tmp}/net-{self.box}"):
            return
        lab.namespace(self.box)
        run(lab.ns("host", ["ip", "link", "add", self.link, "type", "veth",
                            "peer", "name", "eth0", "netns",
                            f"{lab.tmp}/net-{self.box}"]))
        for where, cmds in {
                "host": (f"addr add {self.host_end}/24 dev {self.link}",
                         f"link set {self.link} up"),
                self.box: (f"addr add {self.address}/24 dev eth0",
                           "link set lo up", "link set eth0 up",
                           f"route add default via {self.host_end}")}.items():
            for cmd in cmds:
                run(lab.ns(where, ["ip"] + cmd.split()))
        for where in ("host", self.box):
            lab.tune(where)  # these routes, too

    def set_mtu(self, mtu):
        """That, or the one of the host's link, as engines choose it."""
        lab = self.lab
        if not mtu:
            eth0 = json.loads(run(lab.ns("host", ["ip", "-j", "link", "show",
                                                  "eth0"])))
            mtu = eth0[0]["mtu"]
        for where, name in (("host", self.link), (self.box, "eth0")):
            run(lab.ns(where, ["ip", "link", "set", name, "mtu", str(mtu)]))

    def launch(self, mtu):
        self.make_box()
        self.set_mtu(mtu)
        self.procs = [self.lab.spawn(self.box, self.serve(), self.log)]
        self.procs += [self.lab.spawn("host", argv, self.log)
                       for protocol, port in self.ports.each()
                       for argv in self.forward(protocol, port)]

    def forward(self, protocol, port):
        """Commands that lead that port to the box's."""
        raise NotImplementedError


class VethNat(Boxed):
    """What root can have: no helper at all, the kernel translates."""

    name = "veth+NAT"
    default = True

    def __init__(self, lab, port):
        super().__init__(lab, port)
        self.sees = {**self.sees, "other": CLIENT4}
        self.table = f"bench_{port}"

    def present(self):
        return shutil.which("nft", path=self.lab.env["PATH"])

    def version(self):
        return f"Linux {os.uname().release}, " \
               + run(["nft", "--version"]).strip()

    def launch(self, mtu):
        super().launch(mtu)
        run(self.lab.ns("host", [
            "sysctl", "-qw", "net.ipv4.ip_forward=1",
            f"net.ipv4.conf.{self.link}.route_localnet=1"]))

    def forward(self, protocol, port):
        return []

    def rules(self):
        to = "".join(f"{protocol} dport {self.port} dnat ip to "
                     f"{self.address}\n" for protocol in self.ports.protocols)
        for_us = "".join(f"fib daddr type local {x}\n"
                         for x in to.splitlines())
        return f"""table inet {self.table} {{
            chain pre {{
                type nat hook prerouting priority dstnat;
                {for_us} }}
            chain out {{
                type nat hook output priority -100;
                {for_us} }}
            chain post {{
                type nat hook postrouting priority srcnat;
                oifname eth0 ip saddr {self.address} masquerade
                oifname {self.link} ip saddr 127.0.0.0/8 masquerade
            }}
        }}"""

    @contextlib.contextmanager
    def in_use(self):
        # rules are for all: the others would be tracked, too
        run(self.lab.ns("host", ["nft", "-f", "-"]), stdin=None,
            input=self.rules())
        try:
            yield
        finally:
            run(self.lab.ns("host", ["nft", "delete", "table", "inet",
                                     self.table]))

    def check_programs(self):
        with self.in_use():
            if self.listeners():
                raise Refused("somebody listens where the kernel translates")


class DockerProxy(Boxed):
    name = program = "docker-proxy"
    has_egress = False

    def version(self):
        return f"docker-proxy{self.package()}"

    def forward(self, protocol, port):
        # it tells descriptor 3 that it is ready
        return [["sh", "-c", 'exec "$@" 3>/dev/null', "sh",
                 "docker-proxy", "-proto", protocol, "-host-ip", "0.0.0.0",
                 "-host-port", str(port), "-container-ip", self.address,
                 "-container-port", str(port)]]


class Socat(Boxed):
    name = program = "socat"
    has_egress = False
    most_streams = 16  # its backlog is 5
    holds_many = False  # a process for each

    def version(self):
        words = run(["socat", "-V"]).splitlines()[1].split()
        return " ".join(words[:3]) + self.package()

    def forward(self, protocol, port):
        kind = protocol.upper()
        reuse = ",reuseaddr" if protocol == "tcp" else ""
        return [["socat", f"{kind}4-LISTEN:{port},fork{reuse}",
                 f"{kind}4:{self.address}:{port}"]]


class PodspliceForward(Boxed):
    """To the same address as docker-proxy and socat."""

    name, program = "podsplice-forward", "podsplice"
    has_egress = False
    relays = {"loopback": "splice", "other": "splice", "udp": "udp"}
    control, flows = Podsplice.control, Podsplice.flows

    def forward(self, protocol, port):
        return []

    def launch(self, mtu):
        super().launch(mtu)
        self.procs.append(self.lab.spawn(
            "host", ["podsplice", "forward", "--control", self.control(),
                     *[x for protocol, port in self.ports.each()
                       for x in ("-p", f"{port}:{port}/{protocol}")],
                     self.address], self.log))


class Rootlessport(InHolder):
    """podman's, configured as podman does."""

    name = program = "rootlessport"
    has_egress = False
    has_ranges = False
    sees = {"loopback": "127.0.0.1", "other": "127.0.0.1"}
    crosses = {"loopback": False, "other": False}

    def present(self):
        for folder in ("/usr/libexec/podman", "/usr/lib/podman"):
            path = f"{folder}/rootlessport"
            if os.access(path, os.X_OK):
                return path
        return None

    def version(self):
        return f"rootlessport{self.package()}"

    def launch(self, mtu):
        holder = self.hold("ip link set lo up")
        config = json.dumps({
            "Mappings": [{"host_ip": "", "container_port": port,
                          "host_port": port, "range": 1, "protocol": protocol}
                         for protocol, port in self.ports.each()],
            "NetNSPath": f"/proc/{holder.pid}/ns/net", "ExitFD": 3,
            "ReadyFD": 4, "TmpDir": f"{self.lab.tmp}/run", "ChildIP": "",
            "ContainerID": f"bench{self.logs}", "RootlessCNI": False})
        # the exit pipe is one that it holds open itself
        script = 'mkfifo "$1"; exec 3<>"$1" 4>/dev/null; rm "$1"\n' \
                 'exec "$3" <<END\n$2\nEND\n'
        self.procs.append(self.lab.spawn("host", [
            "nsenter", f"--target={holder.pid}", "--user",
            "--preserve-credentials", "sh", "-c", script, "sh",
            f"{self.lab.tmp}/run/rp{self.logs}", config, self.present()],
            self.log))
